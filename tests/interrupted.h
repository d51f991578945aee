// Signals that interrupt system calls, for tests of what must go on regardless.
#pragma once

#include <signal.h>
#include <sys/time.h>

#include <atomic>

namespace headroom {

// While one lives, SIGALRM comes every millisecond to some thread that doesn't block it, and what
// it interrupts is not restarted.
class Interrupted {
 public:
  Interrupted() {
    ticks = 0;
    struct sigaction action {};
    action.sa_handler = [](int) { ++ticks; };
    sigaction(SIGALRM, &action, &before_);
    const itimerval each{{0, 1000}, {0, 1000}};
    setitimer(ITIMER_REAL, &each, nullptr);
  }
  ~Interrupted() {
    const itimerval never{};
    setitimer(ITIMER_REAL, &never, nullptr);
    sigaction(SIGALRM, &before_, nullptr);
  }
  Interrupted(const Interrupted&) = delete;

  static inline std::atomic<int> ticks{0};

 private:
  struct sigaction before_ {};
};

}  // namespace headroom
