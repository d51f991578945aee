// A thread on a core of its own that answers, and how much of both cores the two used.
//
// A request needs two sides. Here the near one is the calling thread, on core 0, and the far one a
// thread on core 1; neither takes the other's core. A figure in which the far side waits for the
// near one is the near side's, so both shares of their cores are reported.
#pragma once

#include <pthread.h>
#include <time.h>

#include <chrono>
#include <thread>
#include <utility>

#include "core/arm.h"
#include "core/cpu.h"
#include "support/on_core.h"

namespace headroom {

#ifdef __linux__
// Runs `body` on core 1 (1 of slots, core/cpu.h) until it returns, and joins it at the end: whoever
// owns a FarSide first makes its body return, by shutting the socket that it waits on.
class FarSide {
 public:
  template <class Body>
  explicit FarSide(Body body)
      : near_core_(cpus_of_core(0)), thread_([body = std::move(body)]() mutable {
          pin_to_core(1);
          body();
        }) {
    has_clock_ = pthread_getcpuclockid(thread_.native_handle(), &clock_) == 0;
  }
  ~FarSide() {
    if (thread_.joinable()) thread_.join();
  }
  FarSide(const FarSide&) = delete;
  FarSide& operator=(const FarSide&) = delete;
  // While it lives the calling thread is on core 0, and the shares of both cores are read: in the
  // first kRead calls only, which the bench program spends on checks and warming, since a reading
  // of two threads' clocks takes a microsecond.
  class Exchange {
   public:
    explicit Exchange(FarSide& far) : far_(far), here_(far.near_core_) {
      if (far_.read_ < kRead) {
        // First, and below last: no thread's share is beyond 1.
        begin_ = nanoseconds(CLOCK_MONOTONIC);
        near_ = nanoseconds(CLOCK_THREAD_CPUTIME_ID);
        answering_ = far_.cpu_time();
      }
    }
    ~Exchange() {
      if (far_.read_ == kRead) return;
      ++far_.read_;
      // The first call finds cold caches and a partner that has not been scheduled yet.
      if (far_.read_ == 1) return;
      far_.near_cpu_ += nanoseconds(CLOCK_THREAD_CPUTIME_ID) - near_;
      far_.far_cpu_ += far_.cpu_time() - answering_;
      far_.wall_ += nanoseconds(CLOCK_MONOTONIC) - begin_;
    }
    Exchange(const Exchange&) = delete;
    Exchange& operator=(const Exchange&) = delete;

   private:
    FarSide& far_;
    const OnCore here_;
    double near_ = 0, answering_ = 0, begin_ = 0;
  };

  // client_cpu_share and server_cpu_share, of one core each; nothing before the second call.
  Quantities quantities() const {
    if (wall_ <= 0 || !has_clock_) return {};
    return {{"client_cpu_share", {near_cpu_ / wall_, "ratio"}},
            {"server_cpu_share", {far_cpu_ / wall_, "ratio"}}};
  }

 private:
  static constexpr int kRead = 4;

  static double nanoseconds(clockid_t clock) {
    timespec now{};
    clock_gettime(clock, &now);
    return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
  }
  double cpu_time() const { return has_clock_ ? nanoseconds(clock_) : 0; }

  const CpuMask near_core_;
  std::thread thread_;
  clockid_t clock_{};
  bool has_clock_ = false;
  int read_ = 0;
  double wall_ = 0, near_cpu_ = 0, far_cpu_ = 0;
};
#endif

}  // namespace headroom
