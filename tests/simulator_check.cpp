// Sixteen servers that are there, and the same in support/simulator.h: `make simulator-check`.
//
// A server is a thread with a line of its own; its service sleeps, so that sixteen of them don't
// need sixteen cores. One thread sends the requests by a schedule fixed before the start (open
// loop), to servers drawn before the start, with service times drawn before the start; the
// simulation gets the same. A latency counts from the intended time in both.
//
// Prints one JSON object: the latencies of both in nanoseconds, by request, how late requests were
// sent, and how much longer than asked for services slept. tests/simulator_check.py judges.
#ifdef __linux__
#include <sys/prctl.h>
#endif

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include "support/simulator.h"

namespace headroom {
namespace {

constexpr std::uint32_t kServers = 16;
constexpr double kUtilisation = 0.8;
constexpr SimTime kMeanService = 10'000'000;

struct Work {
  std::vector<SimTime> arrivals, service;
  std::vector<std::uint32_t> chosen;
};

Work work_for(double seconds, std::uint64_t seed) {
  const double per_second = kUtilisation * kServers * 1e9 / static_cast<double>(kMeanService);
  Work work;
  work.arrivals =
      poisson_arrivals(static_cast<std::size_t>(per_second * seconds), per_second, seed);
  SimRandom random(seed + 1);
  for (std::size_t i = 0; i < work.arrivals.size(); ++i) {
    work.service.push_back(random.exponential(kMeanService));
    work.chosen.push_back(random.below(kServers));
  }
  return work;
}

std::vector<SimTime> simulated(const Work& work) {
  struct Event {
    std::uint32_t job;
    bool finish;
  };
  const auto n = static_cast<std::uint32_t>(work.arrivals.size());
  std::vector<SimTime> latency(n);
  FifoServers servers(kServers, 1, n);
  EventQueue<Event> events(kServers + 1);
  if (n != 0) events.at(work.arrivals[0], {0, false});
  while (!events.empty()) {
    const auto [job, finish] = events.next();
    if (finish) {
      latency[job] = events.now() - work.arrivals[job];
      const std::uint32_t next = servers.leave(work.chosen[job]);
      if (next != kNobody) events.after(work.service[next], {next, true});
    } else {
      if (servers.join(work.chosen[job], job)) events.after(work.service[job], {job, true});
      if (job + 1 < n) events.at(work.arrivals[job + 1], {job + 1, false});
    }
  }
  return latency;
}

using Clock = std::chrono::steady_clock;

// Sleeps end late by the timer's slack, 50 us unless a thread asks for less.
void sleep_exactly() {
#ifdef __linux__
  prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
#endif
}

class Server {
 public:
  Server(const Work& work, Clock::time_point start, std::vector<SimTime>& latency)
      : work_(work), start_(start), latency_(latency), thread_([this] { serve(); }) {}
  void send(std::uint32_t job) {
    {
      const std::lock_guard lock(mutex_);
      line_.push_back(job);
    }
    somebody_.notify_one();
  }
  // Waits for the last answer. Of all services, how much longer they took than asked for.
  SimTime finish() {
    {
      const std::lock_guard lock(mutex_);
      closed_ = true;
    }
    somebody_.notify_one();
    thread_.join();
    return overslept_;
  }

 private:
  void serve() {
    sleep_exactly();
    std::unique_lock lock(mutex_);
    for (;;) {
      somebody_.wait(lock, [&] { return closed_ || !line_.empty(); });
      if (line_.empty()) return;
      const std::uint32_t job = line_.front();
      line_.pop_front();
      lock.unlock();
      const Clock::time_point begun = Clock::now();
      const auto service = std::chrono::nanoseconds(work_.service[job]);
      std::this_thread::sleep_until(begun + service);
      const Clock::time_point end = Clock::now();
      latency_[job] = static_cast<SimTime>((end - start_).count()) - work_.arrivals[job];
      overslept_ += static_cast<SimTime>((end - begun - service).count());
      lock.lock();
    }
  }
  const Work& work_;
  const Clock::time_point start_;
  std::vector<SimTime>& latency_;
  std::mutex mutex_;
  std::condition_variable somebody_;
  std::deque<std::uint32_t> line_;
  bool closed_ = false;
  SimTime overslept_ = 0;
  std::thread thread_;
};

struct Real {
  std::vector<SimTime> latency, lateness;
  SimTime overslept = 0;  // per service
};

Real real(const Work& work) {
  Real made;
  made.latency.resize(work.arrivals.size());
  const Clock::time_point start = Clock::now() + std::chrono::milliseconds(50);
  std::deque<Server> servers;
  for (std::uint32_t i = 0; i < kServers; ++i) servers.emplace_back(work, start, made.latency);
  sleep_exactly();
  for (std::uint32_t i = 0; i < work.arrivals.size(); ++i) {
    const Clock::time_point due = start + std::chrono::nanoseconds(work.arrivals[i]);
    std::this_thread::sleep_until(due);
    made.lateness.push_back(static_cast<SimTime>((Clock::now() - due).count()));
    servers[work.chosen[i]].send(i);
  }
  SimTime overslept = 0;
  for (Server& server : servers) overslept += server.finish();
  made.overslept = overslept / std::max<SimTime>(work.arrivals.size(), 1);
  return made;
}

void print(const char* name, const std::vector<SimTime>& values, const char* end) {
  std::printf("\"%s\": [", name);
  for (std::size_t i = 0; i < values.size(); ++i)
    std::printf("%s%llu", i == 0 ? "" : ",", static_cast<unsigned long long>(values[i]));
  std::printf("]%s\n", end);
}

}  // namespace
}  // namespace headroom

int main(int argc, char** argv) {
  using namespace headroom;
  const double seconds = argc > 1 ? std::atof(argv[1]) : 30;
  if (argc > 2 || !(seconds > 0 && seconds <= 50)) {
    std::fprintf(stderr, "usage: simulator-check [SECONDS, at most 50]\n");
    return 2;
  }
  const Work work = work_for(seconds, 1);
  const Real measured = real(work);
  std::printf(
      "{\"servers\": %u, \"utilisation\": %g, \"service_ns\": %llu, \"overslept_ns\": %llu,\n",
      kServers, kUtilisation, static_cast<unsigned long long>(kMeanService),
      static_cast<unsigned long long>(measured.overslept));
  print("lateness", measured.lateness, ",");
  print("simulated", simulated(work), ",");
  print("real", measured.latency, "}");
  return 0;
}
