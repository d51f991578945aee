#include "support/load.h"

#ifdef __linux__
#include <sys/prctl.h>
#endif
#include <time.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <limits>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/cpu.h"
#include "support/team.h"

namespace headroom {
namespace {

class MachineClock final : public ClientClock {
 public:
  explicit MachineClock(std::uint64_t spin_ns) : spin_ns_(spin_ns) {}
  std::uint64_t now() override {
    return static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch() /
                                      std::chrono::nanoseconds(1));
  }
  std::uint64_t wait_until(std::uint64_t time) override {
    std::uint64_t at = now();
    if (at + spin_ns_ < time) {
      std::this_thread::sleep_until(std::chrono::steady_clock::time_point(
          std::chrono::nanoseconds(static_cast<std::int64_t>(time - spin_ns_))));
      at = now();
    }
    const std::uint64_t begin = at;
    while (at < time) {
      spin_pause();
      at = now();
    }
    spun_ += at - begin;
    return at;
  }
  // Of the calling thread.
  std::uint64_t used() override {
    timespec cpu{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &cpu);
    const std::uint64_t all = static_cast<std::uint64_t>(cpu.tv_sec) * 1'000'000'000 +
                              static_cast<std::uint64_t>(cpu.tv_nsec);
    // The spins are wall time, so where the thread was preempted they may be more than it used.
    return all - std::min(all, spun_);
  }

 private:
  const std::uint64_t spin_ns_;
  std::uint64_t spun_ = 0;
};

// One client: what it does with a request, and what it has seen.
class alignas(kApart) Client {
 public:
  Client(const LoadPlan& plan, ClientClock& clock) : plan_(plan), clock_(clock) {}

  // Once, before the first request. The arrivals count from `start`.
  void begin(std::uint64_t start) {
    start_ = start;
    began_ = clock_.now();
    used_before_ = clock_.used();
  }
  std::uint64_t now() { return clock_.now(); }
  // False where the deadline has passed: the request is not sent.
  bool send(int self, std::size_t request, const Serve& serve) {
    const std::uint64_t free = clock_.now();
    const std::uint64_t deadline = start_ + plan_.deadline_ns;
    if (free > deadline) return false;
    const bool open = !plan_.arrivals.empty();
    const std::uint64_t intended = open ? start_ + plan_.arrivals[request] : free;
    if (intended > deadline) return false;
    std::uint64_t sent = free;
    if (intended > free) {
      sent = clock_.wait_until(intended);
      waited_ += sent - free;
      lateness.record(sent - intended);
    }
    const Answer answer = serve(self, request);
    last_answer = clock_.now();
    in_service_ += last_answer - sent;
    if (answer == Answer::kShed) {
      ++shed;
      return true;
    }
    const std::uint64_t took = last_answer - intended;
    latency.record(took);
    within_limit += took <= plan_.limit_ns ? 1 : 0;
    return true;
  }
  // Once, after the last request.
  void end() {
    // On this machine a client's own time is what it neither waited nor spent in the service.
    own = plan_.in_process ? clock_.now() - began_ - waited_ - in_service_
                           : clock_.used() - used_before_;
  }

  LatencyRecorder latency;
  LatencyRecorder lateness;
  std::uint64_t shed = 0;
  std::uint64_t within_limit = 0;
  std::uint64_t last_answer = 0;
  std::uint64_t own = 0;

 private:
  const LoadPlan& plan_;
  ClientClock& clock_;
  std::uint64_t start_ = 0;
  std::uint64_t began_ = 0;
  std::uint64_t used_before_ = 0;
  std::uint64_t waited_ = 0;
  std::uint64_t in_service_ = 0;
};

std::size_t requests(const LoadPlan& plan) {
  return plan.arrivals.empty() ? plan.requests : plan.arrivals.size();
}

void refuse(Load& load, Refusal refusal, const std::string& why) {
  if (load.refusal != Refusal::kNone) return;
  load.refusal = refusal;
  load.why = why;
}

std::string microseconds(std::uint64_t ns) {
  return absl::StrCat(static_cast<double>(ns) / 1000, " us");
}

// Adds the clients up and judges. Client i was on core i modulo `cores`.
Load sum_up(const LoadPlan& plan, std::uint64_t start, int cores,
            std::span<const std::unique_ptr<Client>> clients) {
  Load load;
  std::uint64_t end = start;
  std::uint64_t within_limit = 0;
  std::vector<std::uint64_t> own(static_cast<std::size_t>(cores));
  for (std::size_t i = 0; i < clients.size(); ++i) {
    const Client& client = *clients[i];
    load.latency.merge(client.latency);
    load.lateness.merge(client.lateness);
    load.shed += client.shed;
    within_limit += client.within_limit;
    end = std::max(end, client.last_answer);
    own[i % own.size()] += client.own;
  }
  load.served = load.latency.count();
  load.sent = load.served + load.shed;
  const bool all_sent = load.sent == requests(plan);
  if (all_sent && !plan.arrivals.empty()) end = std::max(end, start + plan.arrivals.back());
  if (end != start) {
    const double ns = static_cast<double>(end - start);
    load.seconds = ns * 1e-9;
    load.throughput = static_cast<double>(load.served) / load.seconds;
    load.goodput = static_cast<double>(within_limit) / load.seconds;
    load.client_cpu_share = static_cast<double>(*std::max_element(own.begin(), own.end())) / ns;
  }

  if (!all_sent)
    refuse(load, Refusal::kDeadline,
           absl::StrCat("only ", load.sent, " of ", requests(plan), " requests were sent within ",
                        static_cast<double>(plan.deadline_ns) * 1e-9,
                        " s: the service is slower than the load; lower the rate"));
  else if (load.served == 0 && load.sent != 0)
    refuse(load, Refusal::kNoAnswers,
           absl::StrCat("the service shed all ", load.sent, " requests; lower the rate"));
  if (load.served != 0 && load.lateness.percentile(99) * 10 > load.p50())
    refuse(load, Refusal::kLate,
           absl::StrCat("the load generator was late: its p99 lateness of ",
                        microseconds(load.lateness.percentile(99)),
                        " is over a tenth of the p50 latency of ", microseconds(load.p50()),
                        plan.spin_ns == 0 ? "; let its clients spin before they send (spin_ns)"
                                          : "; stop what else runs on its cores"));
  if (load.client_cpu_share > 0.8)
    refuse(load, Refusal::kBusy,
           absl::StrCat("the load generator was the bottleneck: it used ",
                        std::lround(load.client_cpu_share * 100),
                        "% of its core for itself (at most 80%); lower the rate, or spread it "
                        "over more clients on cores of their own"));
  return load;
}

// What the threads of a run share. They keep it alive, so that one whose request never returns can
// be left behind.
struct Run {
  Run(const LoadPlan& p, Serve s) : plan(p), serve(std::move(s)) {
    for (int i = 0; i < plan.clients; ++i) {
      clocks.push_back(std::make_unique<MachineClock>(plan.spin_ns));
      clients.push_back(std::make_unique<Client>(plan, *clocks.back()));
    }
  }

  void work(int self) {
    pin_to_core(self);
#ifdef __linux__
    // A sleep may end up to this much late so that the kernel can gather timers: 50 us by default.
    prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
#endif
    Client& client = *clients[static_cast<std::size_t>(self)];
    {
      std::unique_lock lock(mutex);
      ++ready;
      changed.notify_all();
      changed.wait(lock, [&] { return start != 0; });
    }
    clocks[static_cast<std::size_t>(self)]->wait_until(start);
    client.begin(start);
    const std::size_t count = requests(plan);
    for (std::size_t request = next++; request < count; request = next++)
      if (!client.send(self, request, serve)) break;
    client.end();
    const std::lock_guard lock(mutex);
    ++done;
    changed.notify_all();
  }

  const LoadPlan plan;
  const Serve serve;
  std::vector<std::unique_ptr<MachineClock>> clocks;
  std::vector<std::unique_ptr<Client>> clients;
  std::atomic<std::size_t> next{0};
  std::mutex mutex;
  std::condition_variable changed;
  int ready = 0;
  int done = 0;
  std::uint64_t start = 0;  // 0: not yet
};

void check(const LoadPlan& plan) {
  if (plan.clients < 1) throw std::invalid_argument("load: needs at least one client");
  if (!std::is_sorted(plan.arrivals.begin(), plan.arrivals.end()))
    throw std::invalid_argument("load: arrivals must be in ascending order");
}

}  // namespace

Load run_load(const LoadPlan& plan, Serve serve) {
  check(plan);
  Load load;
  const bool clients_spin = !plan.arrivals.empty() && plan.spin_ns != 0;
  const int spinners = (clients_spin ? plan.clients : 0) + plan.service_spinners;
  if (spinners > core_count()) {
    refuse(load, Refusal::kSpinners,
           absl::StrCat(spinners, " threads would spin on ", core_count(),
                        " cores; use fewer clients, or spin_ns = 0 for clients that sleep"));
    return load;
  }
  const auto run = std::make_shared<Run>(plan, std::move(serve));
  std::vector<std::thread> threads;
  threads.reserve(static_cast<std::size_t>(plan.clients));
  for (int i = 0; i < plan.clients; ++i) threads.emplace_back([run, i] { run->work(i); });
  std::unique_lock lock(run->mutex);
  run->changed.wait(lock, [&] { return run->ready == plan.clients; });
  // A little later, so that all clients have woken by then.
  constexpr std::uint64_t kLead = 2'000'000;
  run->start = MachineClock(0).now() + kLead;
  run->changed.notify_all();
  const bool ended = run->changed.wait_for(
      lock, std::chrono::nanoseconds(kLead + plan.deadline_ns + plan.grace_ns),
      [&] { return run->done == plan.clients; });
  const int hanging = plan.clients - run->done;
  lock.unlock();
  for (std::thread& thread : threads) ended ? thread.join() : thread.detach();
  if (ended) return sum_up(plan, run->start, core_count(), run->clients);
  refuse(load, Refusal::kHangs,
         absl::StrCat("the service hangs: ", hanging, " of ", plan.clients,
                      " clients still waited for an answer ",
                      static_cast<double>(plan.grace_ns) * 1e-9, " s after the deadline of ",
                      static_cast<double>(plan.deadline_ns) * 1e-9, " s"));
  return load;
}

Load run_load_in_turn(const LoadPlan& plan, std::span<ClientClock* const> clocks,
                      const Serve& serve) {
  check(plan);
  std::vector<std::unique_ptr<Client>> clients;
  for (ClientClock* clock : clocks) {
    clients.push_back(std::make_unique<Client>(plan, *clock));
    clients.back()->begin(0);
  }
  for (std::size_t request = 0; request < requests(plan); ++request) {
    std::size_t free = 0;
    for (std::size_t i = 1; i < clients.size(); ++i)
      if (clients[i]->now() < clients[free]->now()) free = i;
    if (!clients[free]->send(static_cast<int>(free), request, serve)) break;
  }
  for (const auto& client : clients) client->end();
  return sum_up(plan, 0, static_cast<int>(clients.size()), clients);
}

double grid_rate(double lowest, int step) {
  // 2^(step / 32) by square roots, which are rounded the same everywhere, as powers need not be.
  constexpr int kFraction = 5;
  double rate = std::ldexp(lowest, step >> kFraction);
  double root = 2;
  for (int bit = kFraction - 1; bit >= 0; --bit) {
    root = std::sqrt(root);
    if (step >> bit & 1) rate *= root;
  }
  return rate;
}

MaxRate max_rate(double lowest, int octaves, std::uint64_t p99_ns,
                 const std::function<Load(double per_second)>& trial) {
  MaxRate result;
  int passed = -1;
  int failed = octaves * 32;
  while (failed - passed > 1) {
    const int step = passed + (failed - passed) / 2;
    const Load load = trial(grid_rate(lowest, step));
    ++result.trials;
    if (load.refusal != Refusal::kNone && load.refusal != Refusal::kDeadline &&
        load.refusal != Refusal::kNoAnswers) {
      result.refusal = load.refusal;
      result.why = absl::StrCat("at ", grid_rate(lowest, step), " requests per second: ", load.why);
      return result;
    }
    const bool pass = load.refusal == Refusal::kNone && load.shed == 0 && load.p99() <= p99_ns;
    (pass ? passed : failed) = step;
  }
  if (passed == octaves * 32 - 1) {
    result.refusal = Refusal::kOffGrid;
    result.why = absl::StrCat("even ", grid_rate(lowest, passed),
                              " requests per second, the highest rate tried, passed; add octaves");
    return result;
  }
  if (passed >= 0) result.per_second = grid_rate(lowest, passed);
  return result;
}

}  // namespace headroom
