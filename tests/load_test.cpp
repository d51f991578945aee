// The load generator: in virtual time against closed forms and by hand, and with real threads.
#include "support/load.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "catch.h"
#include "core/cpu.h"
#include "core/random.h"

namespace headroom {
namespace {

constexpr std::uint64_t kMicrosecond = 1'000;
constexpr std::uint64_t kMillisecond = 1'000'000;

bool near(double a, double b) { return std::abs(a - b) <= 1e-12 * std::abs(b); }

// Time that passes only where someone lets it: a client's waits end exactly on time, or as late as
// a test says, all or one by one.
class VirtualClock final : public ClientClock {
 public:
  std::uint64_t now() override { return now_; }
  std::uint64_t wait_until(std::uint64_t time) override {
    now_ = std::max(now_, time);
    now_ += late_ ? late_() : 0;
    return now_;
  }
  std::uint64_t used() override { return used_; }
  void pass(std::uint64_t ns) { now_ += ns; }
  void use(std::uint64_t ns) { used_ += ns; }
  void be_late(std::uint64_t ns) {
    late_ = [ns] { return ns; };
  }
  void be_late(std::function<std::uint64_t()> late) { late_ = std::move(late); }

 private:
  std::uint64_t now_ = 0;
  std::uint64_t used_ = 0;
  std::function<std::uint64_t()> late_;
};

// Servers in virtual time. `took(request)` says how long each request takes.
struct Bench {
  explicit Bench(int clients) : clocks(static_cast<std::size_t>(clients)) {
    for (VirtualClock& clock : clocks) pointers.push_back(&clock);
  }
  template <class Took>
  Load run(const LoadPlan& plan, Took took) {
    return run_load_in_turn(plan, pointers, [&](int client, std::size_t request) {
      clocks[static_cast<std::size_t>(client)].pass(took(request));
      return Answer::kServed;
    });
  }
  std::vector<VirtualClock> clocks;
  std::vector<ClientClock*> pointers;
};

TEST_CASE("open loop: waiting times of M/D/1 follow the closed form") {
  constexpr std::size_t kRequests = 1'000'000;
  constexpr double kService = 100 * kMicrosecond;
  const double rho = GENERATE(0.5, 0.8);
  const Arrivals arrivals = poisson_arrivals(kRequests, rho * 1e9 / kService, 11);
  Bench bench(1);
  const Load load = bench.run({.arrivals = arrivals, .deadline_ns = ~std::uint64_t{0} >> 1},
                              [](std::size_t) { return static_cast<std::uint64_t>(kService); });
  CHECK(load.refusal == Refusal::kNone);
  CHECK(load.served == kRequests);
  const double waiting = load.latency.mean() - kService;
  const double closed_form = rho / (2 * (1 - rho)) * kService;
  INFO("rho " << rho << ": mean wait " << waiting << " ns, closed form " << closed_form << " ns");
  CHECK(std::abs(waiting / closed_form - 1) < 0.03);
  CHECK(std::abs(load.throughput / (rho * 1e9 / kService) - 1) < 0.01);
}

TEST_CASE("open loop: two servers follow Erlang's formula for M/M/2") {
  constexpr std::size_t kRequests = 1'000'000;
  constexpr double kService = 100 * kMicrosecond;
  const double rho = GENERATE(0.5, 0.8);
  const Arrivals arrivals = poisson_arrivals(kRequests, 2 * rho * 1e9 / kService, 12);
  FastRng rng(13);
  std::vector<std::uint64_t> took(kRequests);
  for (std::uint64_t& ns : took) ns = exponential(rng) * static_cast<std::uint64_t>(kService) >> 32;
  Bench bench(2);
  const Load load =
      bench.run({.arrivals = arrivals, .clients = 2, .deadline_ns = ~std::uint64_t{0} >> 1},
                [&](std::size_t request) { return took[request]; });
  CHECK(load.served == kRequests);
  // P(wait) = 2 rho^2 / (1 + rho); a wait lasts service / (2 (1 - rho)) on average.
  const double closed_form = kService * (1 + rho * rho / (1 - rho * rho));
  INFO("rho " << rho << ": mean " << load.latency.mean() << ", closed form " << closed_form);
  CHECK(std::abs(load.latency.mean() / closed_form - 1) < 0.03);
}

TEST_CASE("a stall shows in the p99 of an open loop, and hides from a closed one") {
  constexpr std::size_t kRequests = 5'000;
  const auto took = [](std::size_t request) {
    return request == 2'000 ? 100 * kMillisecond : 100 * kMicrosecond;
  };
  const Arrivals arrivals = constant_arrivals(kRequests, 1'000);
  Bench open(1), closed(1);
  const Load in_open = open.run({.arrivals = arrivals}, took);
  const Load in_closed = closed.run({.requests = kRequests}, took);
  // At 1,000 a second some 110 requests, 2.2%, came while the service stood still or caught up.
  CHECK(in_open.refusal == Refusal::kNone);
  CHECK(in_open.p99() > 40 * kMillisecond);
  CHECK(in_open.p50() < 101 * kMicrosecond);
  CHECK(in_closed.p99() < 101 * kMicrosecond);
  CHECK(in_open.latency.max() == 100 * kMillisecond);
  CHECK(in_closed.latency.max() == 100 * kMillisecond);
}

TEST_CASE("a latency counts from the intended time") {
  // Three at once and one client: 10, 20 and 30 us.
  const Arrivals arrivals = {1000, 1000, 1000, 100'000};
  Bench bench(1);
  const Load load = bench.run({.arrivals = arrivals, .limit_ns = 20 * kMicrosecond},
                              [](std::size_t) { return 10 * kMicrosecond; });
  CHECK(load.latency.max() == 30 * kMicrosecond);
  CHECK(load.latency.mean() == 17.5 * kMicrosecond);
  CHECK(load.lateness.count() == 2);  // the first and the last found the client waiting
  CHECK(load.lateness.max() == 0);
  CHECK(near(load.seconds, 110e-6));
  CHECK(near(load.throughput, 4 / 110e-6));
  CHECK(near(load.goodput, 3 / 110e-6));  // the third took 30 us
}

TEST_CASE("free clients take requests first come, first served") {
  const Arrivals arrivals = poisson_arrivals(2'000, 20'000, 5);
  FastRng rng(6);
  std::vector<std::uint64_t> took(arrivals.size());
  for (std::uint64_t& ns : took) ns = bounded(rng, 300 * kMicrosecond);
  for (const int servers : {1, 3, 16}) {
    Bench bench(servers);
    std::vector<std::uint64_t> begun, free(static_cast<std::size_t>(servers));
    std::vector<std::size_t> order;
    const Load load = run_load_in_turn({.arrivals = arrivals, .clients = servers}, bench.pointers,
                                       [&](int client, std::size_t request) {
                                         VirtualClock& clock =
                                             bench.clocks[static_cast<std::size_t>(client)];
                                         order.push_back(request);
                                         begun.push_back(clock.now());
                                         clock.pass(took[request]);
                                         return Answer::kServed;
                                       });
    CHECK(load.served == arrivals.size());
    CHECK(std::is_sorted(order.begin(), order.end()));
    CHECK(order.size() == arrivals.size());
    // Each begins when it has come and one of the servers is free.
    for (std::size_t i = 0; i < arrivals.size(); ++i) {
      const auto first = std::min_element(free.begin(), free.end());
      const std::uint64_t begin = std::max(*first, arrivals[i]);
      if (begun[i] != begin) {
        FAIL_CHECK(servers << " servers, request " << i << " began at " << begun[i] << ", not "
                           << begin);
        break;
      }
      *first = begin + took[i];
    }
  }
}

TEST_CASE("a late generator is refused, and only where it was the generator's fault") {
  const Arrivals arrivals = constant_arrivals(1'000, 1'000);
  const auto took = [](std::size_t) { return 100 * kMicrosecond; };
  Bench on_time(1), late(1), overloaded(1);
  on_time.clocks[0].be_late(9 * kMicrosecond);
  CHECK(on_time.run({.arrivals = arrivals}, took).refusal == Refusal::kNone);
  late.clocks[0].be_late(12 * kMicrosecond);
  const Load load = late.run({.arrivals = arrivals}, took);
  CHECK(load.refusal == Refusal::kLate);
  CHECK(load.why.find("late: its p50 lateness of 12 us is over a tenth of the p50") !=
        std::string::npos);
  CHECK(load.why.find('\n') == std::string::npos);
  // A client that was busy in the service did not wait for the intended time, so it is not late.
  overloaded.clocks[0].be_late(12 * kMicrosecond);
  const Load full =
      overloaded.run({.arrivals = arrivals}, [](std::size_t) { return 2 * kMillisecond; });
  CHECK(full.refusal == Refusal::kNone);
  CHECK(full.lateness.count() == 1);
  CHECK(full.p99() > 900 * kMillisecond);
}

TEST_CASE("a generator that is seldom late is refused by the p99, not by the p50") {
  const Arrivals arrivals = constant_arrivals(1'000, 1'000);
  // One request in twenty takes 400 us, the others 100; one in fifty is sent late.
  const auto took = [](std::size_t request) {
    return (request % 20 == 7 ? 400 : 100) * kMicrosecond;
  };
  const auto run = [&](std::uint64_t late) {
    Bench bench(1);
    bench.clocks[0].be_late(
        [late, request = 0]() mutable { return request++ % 50 == 0 ? late : std::uint64_t{0}; });
    return bench.run({.arrivals = arrivals}, took);
  };
  const Load little = run(35 * kMicrosecond);
  CHECK(little.lateness.percentile(99) > little.p50() / 10);
  CHECK(little.refusal == Refusal::kNone);
  const Load much = run(45 * kMicrosecond);
  CHECK(much.refusal == Refusal::kLate);
  CHECK(much.why.find("its p99 lateness of 45 us is over a tenth of the p99") != std::string::npos);
}

// What load.h says in defence of the rule.
TEST_CASE("lateness makes no request faster, and none slower by more than the largest") {
  constexpr std::uint64_t kLatest = 200 * kMicrosecond;
  const double rho = GENERATE(0.2, 0.9);
  const Arrivals arrivals = poisson_arrivals(20'000, rho * 10'000, 17);
  FastRng rng(18);
  std::vector<std::uint64_t> took(arrivals.size());
  for (std::uint64_t& ns : took) ns = bounded(rng, 200 * kMicrosecond);
  const auto ends = [&](bool late) {
    Bench bench(1);
    VirtualClock& clock = bench.clocks[0];
    FastRng lates(19);
    if (late) clock.be_late([&] { return bounded(lates, kLatest); });
    std::vector<std::uint64_t> end;
    run_load_in_turn({.arrivals = arrivals}, bench.pointers, [&](int, std::size_t request) {
      clock.pass(took[request]);
      end.push_back(clock.now());
      return Answer::kServed;
    });
    return end;
  };
  const std::vector<std::uint64_t> punctual = ends(false), late = ends(true);
  REQUIRE(punctual.size() == arrivals.size());
  REQUIRE(late.size() == arrivals.size());
  std::size_t sooner = 0, too_late = 0, later = 0;
  for (std::size_t i = 0; i < late.size(); ++i) {
    sooner += late[i] < punctual[i] ? 1 : 0;
    later += late[i] > punctual[i] ? 1 : 0;
    too_late += late[i] > punctual[i] + kLatest ? 1 : 0;
  }
  CHECK(sooner == 0);
  CHECK(too_late == 0);
  CHECK(later > late.size() / 10);
}

TEST_CASE("a client takes at once all requests whose time has come") {
  struct Batch {
    std::size_t first, count;
    bool operator==(const Batch&) const = default;
  };
  // The first waits for nobody; three come while it is served, the last of them as it ends.
  const Arrivals arrivals = {1'000, 2'000, 10'000, 11'000, 11'001, 50'000};
  Bench bench(1);
  std::vector<Batch> batches;
  const auto serve = [&](int, std::size_t first, std::size_t count) {
    batches.push_back({first, count});
    bench.clocks[0].pass(10 * kMicrosecond);
    return Answer::kServed;
  };
  const Load load = run_batches_in_turn({.arrivals = arrivals, .limit_ns = 15 * kMicrosecond},
                                        bench.pointers, serve);
  CHECK(batches == std::vector<Batch>{{0, 1}, {1, 3}, {4, 1}, {5, 1}});
  CHECK(load.sent == 6);
  CHECK(load.served == 6);
  // 10; 19, 11 and 10 us; 19.999; 10: from the intended times to the ends of the batches.
  CHECK(near(load.latency.mean(), (10'000 + 19'000 + 11'000 + 10'000 + 19'999 + 10'000) / 6.0));
  CHECK(near(load.goodput * load.seconds, 4));
  CHECK(load.lateness.count() == 2);

  batches.clear();
  Bench closed(1);
  const Load loop = run_batches_in_turn({.requests = 3}, closed.pointers,
                                        [&](int, std::size_t first, std::size_t count) {
                                          batches.push_back({first, count});
                                          return Answer::kServed;
                                        });
  CHECK(batches == std::vector<Batch>{{0, 1}, {1, 1}, {2, 1}});
  CHECK(loop.served == 3);

  Bench shedding(1);
  const Load shed = run_batches_in_turn({.arrivals = arrivals}, shedding.pointers,
                                        [&](int, std::size_t first, std::size_t) {
                                          shedding.clocks[0].pass(10 * kMicrosecond);
                                          return first == 1 ? Answer::kShed : Answer::kServed;
                                        });
  CHECK(shed.shed == 3);
  CHECK(shed.served == 3);
}

TEST_CASE("a generator without time left on its core is refused") {
  // The service is elsewhere: what the client's thread uses is the generator's.
  const auto with_use = [](std::uint64_t use) {
    Bench bench(1);
    return run_load_in_turn({.requests = 1'000, .in_process = false}, bench.pointers,
                            [&](int, std::size_t) {
                              bench.clocks[0].pass(10 * kMicrosecond);
                              bench.clocks[0].use(use);
                              return Answer::kServed;
                            });
  };
  const Load half = with_use(5 * kMicrosecond);
  CHECK(half.refusal == Refusal::kNone);
  CHECK(near(half.client_cpu_share, 0.5));
  const Load most = with_use(9 * kMicrosecond);
  CHECK(most.refusal == Refusal::kBusy);
  CHECK(near(most.client_cpu_share, 0.9));
  CHECK(most.why.find("used 90% of its core") != std::string::npos);
}

TEST_CASE("the busiest client's core counts") {
  // Two clients take turns; only the second uses its core.
  Bench bench(2);
  const Load load =
      run_load_in_turn({.requests = 1'000, .clients = 2, .in_process = false}, bench.pointers,
                       [&](int client, std::size_t) {
                         bench.clocks[static_cast<std::size_t>(client)].pass(10 * kMicrosecond);
                         if (client == 1) bench.clocks[1].use(9 * kMicrosecond);
                         return Answer::kServed;
                       });
  CHECK(load.refusal == Refusal::kBusy);
  CHECK(near(load.client_cpu_share, 0.9));
}

TEST_CASE("what a client waits or leaves to the service is not its own") {
  const Arrivals arrivals = constant_arrivals(1'000, 1'000);
  Bench bench(1);
  const Load load = bench.run({.arrivals = arrivals}, [](std::size_t) { return kMillisecond / 4; });
  CHECK(load.refusal == Refusal::kNone);
  CHECK(load.client_cpu_share == 0);
}

TEST_CASE("a run ends with the last answer of all clients") {
  const Arrivals arrivals = {0, 0, 0};
  Bench bench(3);
  const Load load = bench.run({.arrivals = arrivals, .clients = 3}, [](std::size_t request) {
    return (request == 1 ? 200 : 10) * kMicrosecond;
  });
  CHECK(near(load.seconds, 200e-6));
  CHECK(near(load.throughput, 3 / 200e-6));
}

TEST_CASE("nothing is sent that was intended after the deadline") {
  const Arrivals arrivals = {1 * kMicrosecond, 30 * kMicrosecond};
  Bench bench(1);
  const Load load = bench.run({.arrivals = arrivals, .deadline_ns = 20 * kMicrosecond},
                              [](std::size_t) { return 10 * kMicrosecond; });
  CHECK(load.sent == 1);
  CHECK(load.refusal == Refusal::kDeadline);
  CHECK(bench.clocks[0].now() == 11 * kMicrosecond);  // nor waited for
}

TEST_CASE("a service that sheds has not passed") {
  const MaxRate found = max_rate(100, 8, kMillisecond, [](double rate) {
    Load load;
    load.shed = rate > 400 ? 1 : 0;
    return load;
  });
  CHECK(found.refusal == Refusal::kNone);
  CHECK(found.per_second == grid_rate(100, 64));
}

TEST_CASE("what the service sheds is counted apart") {
  const Arrivals arrivals = constant_arrivals(1'000, 1'000);
  const auto run = [&](std::size_t shed_of_four) {
    Bench bench(1);
    return run_load_in_turn({.arrivals = arrivals}, bench.pointers, [&](int, std::size_t request) {
      const bool shed = request % 4 < shed_of_four;
      bench.clocks[0].pass(shed ? kMicrosecond : 200 * kMicrosecond);
      return shed ? Answer::kShed : Answer::kServed;
    });
  };
  const Load some = run(1);
  CHECK(some.refusal == Refusal::kNone);
  CHECK(some.sent == 1'000);
  CHECK(some.served == 750);
  CHECK(some.shed == 250);
  CHECK(some.latency.count() == 750);
  CHECK(some.latency.percentile(0) >= 200 * kMicrosecond);
  CHECK(near(some.goodput, 750 / some.seconds));
  const Load all = run(4);
  CHECK(all.refusal == Refusal::kNoAnswers);
  CHECK(all.served == 0);
}

TEST_CASE("a run ends at its deadline") {
  const Arrivals arrivals = constant_arrivals(1'000, 1'000);
  Bench bench(1);
  const Load load = bench.run({.arrivals = arrivals, .deadline_ns = 100 * kMillisecond},
                              [](std::size_t) { return 10 * kMillisecond; });
  CHECK(load.refusal == Refusal::kDeadline);
  CHECK(load.sent < 15);
  CHECK(load.why.find("of 1000 requests were sent within 0.1 s") != std::string::npos);
}

TEST_CASE("the largest rate within a limit is found on the grid") {
  CHECK(grid_rate(1000, 0) == 1000);
  CHECK(grid_rate(1000, 32) == 2000);
  CHECK(grid_rate(1000, -32) == 500);
  CHECK(grid_rate(1000, 16) == 1000 * std::sqrt(2));
  CHECK(near(grid_rate(1000, 33), 2000 * std::pow(2, 1.0 / 32)));

  // A service of 100 us with p99 within 1 ms.
  const auto trial = [](double rate) {
    const Arrivals arrivals = poisson_arrivals(20'000, rate, 4);
    Bench bench(1);
    return bench.run({.arrivals = arrivals, .deadline_ns = 1'000'000 * kMillisecond},
                     [](std::size_t) { return 100 * kMicrosecond; });
  };
  const MaxRate found = max_rate(100, 8, kMillisecond, trial);
  CHECK(found.refusal == Refusal::kNone);
  CHECK(found.trials <= 9);
  CHECK(found.per_second > 5'000);
  CHECK(found.per_second < 10'000);
  int step = 0;
  while (grid_rate(100, step) < found.per_second) ++step;
  CHECK(grid_rate(100, step) == found.per_second);
  CHECK(trial(grid_rate(100, step)).p99() <= kMillisecond);
  CHECK(trial(grid_rate(100, step + 1)).p99() > kMillisecond);

  const MaxRate none = max_rate(20'000, 4, kMillisecond, trial);
  CHECK(none.per_second == 0);
  CHECK(none.refusal == Refusal::kNone);
  const MaxRate all = max_rate(500, 2, kMillisecond, trial);
  CHECK(all.refusal == Refusal::kOffGrid);
  CHECK(all.per_second == 0);
  const MaxRate refused = max_rate(100, 8, kMillisecond, [](double) {
    Load late;
    late.refusal = Refusal::kLate;
    late.why = "late";
    return late;
  });
  CHECK(refused.refusal == Refusal::kLate);
  CHECK(refused.trials == 1);
  CHECK(refused.why.find("requests per second: late") != std::string::npos);
  // Overload is an answer, not a refusal.
  const MaxRate overloaded = max_rate(100, 8, kMillisecond, [](double rate) {
    Load load;
    if (rate > 400) load.refusal = Refusal::kDeadline;
    return load;
  });
  CHECK(overloaded.per_second == grid_rate(100, 64));
}

// A service of one thread, which answers what was posted to it in order.
class OneServer {
 public:
  // How long a request takes; one that takes kNever is not answered.
  static constexpr std::uint64_t kNever = ~std::uint64_t{0};
  explicit OneServer(std::function<std::uint64_t(std::size_t)> takes)
      : takes_(std::move(takes)), thread_([this] { serve(); }) {}
  ~OneServer() {
    post(kEnd, {});
    thread_.join();
  }
  void post(std::size_t request, Answered answered) {
    {
      const std::lock_guard lock(mutex_);
      posted_.emplace_back(request, answered);
    }
    somebody_.notify_one();
  }

 private:
  static constexpr std::size_t kEnd = ~std::size_t{0};
  void serve() {
    if (core_count() > 1) pin_to_core(1);
    for (;;) {
      std::unique_lock lock(mutex_);
      somebody_.wait(lock, [&] { return !posted_.empty(); });
      const auto [request, answered] = posted_.front();
      posted_.pop_front();
      lock.unlock();
      if (request == kEnd) return;
      const std::uint64_t takes = takes_(request);
      if (takes == kNever) continue;
      std::this_thread::sleep_for(std::chrono::nanoseconds(takes));
      answered(request % 10 == 9 ? Answer::kShed : Answer::kServed);
    }
  }
  const std::function<std::uint64_t(std::size_t)> takes_;
  std::mutex mutex_;
  std::condition_variable somebody_;
  std::deque<std::pair<std::size_t, Answered>> posted_;
  std::thread thread_;
};

Load post_to(OneServer& server, const LoadPlan& plan) {
  return run_load_posted(
      plan, [&](std::size_t request, Answered answered) { server.post(request, answered); });
}

TEST_CASE("posted requests are answered later, and wait for each other as users do") {
  // 100 at once, of 2 ms each: they are served in turn, and no client waits meanwhile.
  const Arrivals arrivals(100, kMillisecond);
  OneServer server([](std::size_t) { return 2 * kMillisecond; });
  const Load load = post_to(server, {.arrivals = arrivals, .limit_ns = 101 * kMillisecond});
  CHECK((load.refusal == Refusal::kNone || load.refusal == Refusal::kLate ||
         load.refusal == Refusal::kBusy));
  CHECK(load.sent == 100);
  CHECK(load.served == 90);
  CHECK(load.shed == 10);
  CHECK(load.latency.max() >= 198 * kMillisecond);
  CHECK(load.p50() >= 98 * kMillisecond);
  CHECK(load.latency.percentile(0) >= 2 * kMillisecond);
  CHECK(load.lateness.count() == 100);
  CHECK(load.seconds >= 0.2);
  CHECK(near(load.throughput, 90 / load.seconds));
  CHECK(load.goodput < load.throughput * 0.6);
}

TEST_CASE("a posted latency counts from the intended time") {
  const Arrivals arrivals = constant_arrivals(50, 1'000);
  OneServer server([](std::size_t) { return kMicrosecond; });
  // Whoever takes the request is slow: its post is late for those that follow, and that is seen.
  const Load load =
      run_load_posted({.arrivals = arrivals}, [&](std::size_t request, Answered answered) {
        if (request == 10) std::this_thread::sleep_for(std::chrono::milliseconds(20));
        server.post(request, answered);
      });
  CHECK(load.sent == 50);
  CHECK(load.latency.max() >= 20 * kMillisecond);
  CHECK(load.p50() < 20 * kMillisecond);
  CHECK(load.lateness.max() >= 18 * kMillisecond);
  CHECK(load.refusal == Refusal::kLate);
}

TEST_CASE("a generator that can't make the load is refused") {
  // Each post takes 100 us, and 20,000 per second are asked for.
  const Arrivals arrivals = constant_arrivals(200, 20'000);
  OneServer server([](std::size_t) { return kMicrosecond; });
  const Load load =
      run_load_posted({.arrivals = arrivals}, [&](std::size_t request, Answered answered) {
        const auto end = std::chrono::steady_clock::now() + std::chrono::microseconds(100);
        while (std::chrono::steady_clock::now() < end) {
        }
        server.post(request, answered);
      });
  CHECK((load.refusal == Refusal::kLate || load.refusal == Refusal::kBusy));
  CHECK(load.client_cpu_share > 0.8);
}

TEST_CASE("posted requests that are never answered hang, and may be answered after all") {
  const Arrivals arrivals = constant_arrivals(20, 10'000);
  std::vector<Answered> late;
  const Load load = run_load_posted(
      {.arrivals = arrivals, .deadline_ns = 50 * kMillisecond, .grace_ns = 50 * kMillisecond},
      [&](std::size_t request, Answered answered) {
        if (request % 5 == 0)
          late.push_back(answered);
        else
          answered();
      });
  CHECK(load.refusal == Refusal::kHangs);
  CHECK(load.why.find("4 of 20 requests had no answer 0.05 s after the deadline") !=
        std::string::npos);
  for (const Answered& answered : late) answered();
}

TEST_CASE("nothing is posted after the deadline") {
  const Arrivals arrivals = constant_arrivals(1'000, 1'000);
  const Load load = run_load_posted({.arrivals = arrivals, .deadline_ns = 50 * kMillisecond},
                                    [](std::size_t, Answered answered) { answered(); });
  CHECK(load.refusal == Refusal::kDeadline);
  CHECK(load.sent >= 10);
  CHECK(load.sent <= 51);
}

TEST_CASE("posting makes sense or is refused") {
  const Arrivals arrivals = {0, 0, 0};
  const Post twice = [](std::size_t, Answered answered) {
    answered();
    answered();
  };
  CHECK_THROWS_AS(run_load_posted({.arrivals = arrivals}, twice), std::logic_error);
  CHECK_THROWS_AS(run_load_posted({.requests = 3}, twice), std::invalid_argument);
  CHECK_THROWS_AS(run_load_posted({.arrivals = arrivals, .clients = 2}, twice),
                  std::invalid_argument);
  CHECK(run_load_posted({}, twice).sent == 0);
  const Load spinning =
      run_load_posted({.arrivals = arrivals, .service_spinners = core_count()}, twice);
  CHECK(spinning.refusal == Refusal::kSpinners);
}

TEST_CASE("a wider stride finds a rate of the same grid, in fewer trials") {
  const auto below = [](double limit) {
    return [limit](double rate) {
      Load load;
      load.shed = rate > limit ? 1 : 0;
      return load;
    };
  };
  for (const double limit : {120.0, 777.0, 5'000.0, 23'000.0}) {
    const MaxRate fine = max_rate(100, 8, kMillisecond, below(limit));
    const MaxRate wide = max_rate(100, 8, kMillisecond, below(limit), 4);
    CHECK(wide.per_second <= fine.per_second);
    CHECK(wide.per_second > fine.per_second / std::pow(2, 1.0 / 8));
    CHECK(wide.trials <= 7);
    CHECK(fine.trials >= 8);
  }
  double first = 0;
  max_rate(
      100, 8, kMillisecond,
      [&](double rate) {
        if (first == 0) first = rate;
        return Load{};
      },
      4);
  CHECK(first == first_rate(100, 8, 4));
}

TEST_CASE("plans that make no sense are refused") {
  CHECK_THROWS_AS(run_load({.requests = 1, .clients = 0}, nullptr), std::invalid_argument);
  const Arrivals back_in_time = {2, 1};
  CHECK_THROWS_AS(run_load({.arrivals = back_in_time}, nullptr), std::invalid_argument);
  const Arrivals arrivals = {1, 2};
  const Load load = run_load({.arrivals = arrivals, .clients = core_count() + 1}, nullptr);
  CHECK(load.refusal == Refusal::kSpinners);
  CHECK(load.why.find(std::to_string(core_count() + 1) + " threads would spin") !=
        std::string::npos);
  const Load with_service =
      run_load({.requests = 1, .service_spinners = core_count() + 1}, nullptr);
  CHECK(with_service.refusal == Refusal::kSpinners);
  const Load empty = run_load({}, nullptr);
  CHECK(empty.refusal == Refusal::kNone);
  CHECK(empty.sent == 0);
}

// With real threads. No timing is checked: the machine may be busy.
TEST_CASE("threads send each request once, at its time or later") {
  const int clients = GENERATE(1, 2, 4);
  const bool open = GENERATE(true, false);
  constexpr std::size_t kRequests = 400;
  const Arrivals arrivals = poisson_arrivals(open ? kRequests : 0, 4'000, 8);
  struct Seen {
    std::atomic<int> times{0};
    int client = -1;
  };
  std::vector<Seen> seen(kRequests);
  const Load load = run_load({.arrivals = arrivals,
                              .requests = kRequests,
                              .clients = clients,
                              .spin_ns = clients > core_count() ? 0 : 50 * kMicrosecond},
                             [&](int client, std::size_t request) {
                               seen[request].times.fetch_add(1);
                               seen[request].client = client;
                               std::this_thread::sleep_for(std::chrono::microseconds(100));
                               return request % 8 == 0 ? Answer::kShed : Answer::kServed;
                             });
  INFO(load.why);
  CHECK((load.refusal == Refusal::kNone || load.refusal == Refusal::kLate));
  CHECK(load.sent == kRequests);
  CHECK(load.shed == kRequests / 8);
  CHECK(load.latency.percentile(0) >= 100 * kMicrosecond);
  CHECK(load.client_cpu_share >= 0);
  if (open) CHECK(load.seconds >= static_cast<double>(arrivals.back()) * 1e-9);
  for (std::size_t i = 0; i < kRequests; ++i) {
    CHECK(seen[i].times == 1);
    CHECK(seen[i].client >= 0);
    CHECK(seen[i].client < clients);
  }
}

TEST_CASE("threads that take batches send each request once, in order") {
  const int clients = GENERATE(1, 3);
  constexpr std::size_t kRequests = 2'000;
  // All at once, in part: so that clients want the same ones.
  Arrivals arrivals = poisson_arrivals(kRequests, 50'000, 8);
  std::fill(arrivals.begin(), arrivals.begin() + kRequests / 2, 0);
  std::vector<std::atomic<int>> times(kRequests);
  std::atomic<std::size_t> together{0};
  const Load load = run_load_in_batches({.arrivals = arrivals, .clients = clients, .spin_ns = 0},
                                        [&](int, std::size_t first, std::size_t count) {
                                          for (std::size_t i = first; i < first + count; ++i)
                                            ++times[i];
                                          if (count > 1) together += count;
                                          std::this_thread::yield();
                                          return Answer::kServed;
                                        });
  INFO(load.why);
  CHECK((load.refusal == Refusal::kNone || load.refusal == Refusal::kLate));
  CHECK(load.served == kRequests);
  CHECK(together > 0);
  CHECK(std::all_of(times.begin(), times.end(), [](const auto& t) { return t == 1; }));
}

TEST_CASE("a service that hangs does not hang the run") {
  // Shared, since the thread that is left behind may still look at it.
  struct Service {
    std::atomic<bool> release{false};
    std::atomic<bool> left{false};
  };
  const auto service = std::make_shared<Service>();
  const Arrivals arrivals = constant_arrivals(20, 1'000);
  const auto begin = std::chrono::steady_clock::now();
  const Load load = run_load({.arrivals = arrivals,
                              .deadline_ns = 30 * kMillisecond,
                              .grace_ns = 30 * kMillisecond,
                              .spin_ns = 0},
                             [service](int, std::size_t request) {
                               while (request == 7 && !service->release)
                                 std::this_thread::sleep_for(std::chrono::milliseconds(1));
                               if (request == 7) service->left = true;
                               return Answer::kServed;
                             });
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(20));
  CHECK(load.refusal == Refusal::kHangs);
  CHECK(load.why.find("1 of 1 clients still waited") != std::string::npos);
  CHECK(!service->left);
  service->release = true;
  while (!service->left) std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

}  // namespace
}  // namespace headroom
