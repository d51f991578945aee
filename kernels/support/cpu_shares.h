// How much of a core a client and the processes of its servers used.
//
// A figure in which the server waits for the client is the client's. Known of servers that are
// processes of this machine; what others of theirs do beside (the log's writer) isn't in it.
#pragma once

#include <sys/types.h>
#include <time.h>

#include <vector>

#include "core/arm.h"

namespace headroom {

class CpuShares {
 public:
  // A process of the server's; 0 where nobody knows it.
  void add(pid_t process) {
    clockid_t clock{};
    known_ = known_ && process > 0 && clock_of(process, clock);
    servers_.push_back(clock);
  }

 private:
  struct Times {
    double wall = 0, client = 0, server = 0;
  };

 public:
  // While it lives the times of both are read: in the first calls only, which the bench program
  // spends on checks and warming.
  class Exchange {
   public:
    explicit Exchange(CpuShares& shares) : shares_(shares) {
      if (shares_.read_ == kRead) return;
      // First, and below last: no thread's share is beyond 1.
      before_.wall = seconds(CLOCK_MONOTONIC);
      shares_.add_used(before_);
    }
    ~Exchange() {
      if (shares_.read_ == kRead) return;
      if (++shares_.read_ == 2) shares_.sum_ = {};  // the first call found cold caches
      Times after;
      shares_.add_used(after);
      after.wall = seconds(CLOCK_MONOTONIC);
      shares_.sum_.wall += after.wall - before_.wall;
      shares_.sum_.client += after.client - before_.client;
      shares_.sum_.server += after.server - before_.server;
    }
    Exchange(const Exchange&) = delete;
    Exchange& operator=(const Exchange&) = delete;

   private:
    CpuShares& shares_;
    Times before_;
  };

  // client_cpu_share and server_cpu_share, of one core each; nothing before the first call, which
  // counts only until there is another.
  Quantities quantities() const {
    if (sum_.wall <= 0) return {};
    Quantities all = {{"client_cpu_share", {sum_.client / sum_.wall, "ratio"}}};
    if (known_ && !servers_.empty()) all["server_cpu_share"] = {sum_.server / sum_.wall, "ratio"};
    return all;
  }

 private:
  static constexpr int kRead = 4;

#ifdef __linux__
  static bool clock_of(pid_t process, clockid_t& clock) {
    return clock_getcpuclockid(process, &clock) == 0;
  }
#else
  static bool clock_of(pid_t, clockid_t&) { return false; }
#endif
  static double seconds(clockid_t clock) {
    timespec now{};
    clock_gettime(clock, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
  }
  void add_used(Times& all) const {
    all.client += seconds(CLOCK_PROCESS_CPUTIME_ID);
    if (known_)
      for (const clockid_t server : servers_) all.server += seconds(server);
  }

  std::vector<clockid_t> servers_;
  bool known_ = true;
  int read_ = 0;
  Times sum_;
};

}  // namespace headroom
