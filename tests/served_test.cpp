// The served shape: what its arm keeps, compares and reports, and that it can fail.
#include "support/served.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <span>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "catch.h"
#include "core/agreement.h"

namespace headroom {
namespace {

struct Doubling {
  using Request = int;
  struct Reply {
    std::int64_t doubled;
    std::int64_t later;  // what the service writes beside its replies
    friend bool operator==(const Reply&, const Reply&) = default;
  };
  struct Input {
    std::vector<int> requests;
    Arrivals arrivals;
  };
  using Output = std::vector<Reply>;
  static constexpr auto kInputs = inputs("open", "closed", "asleep", "hurried");

  static Input make(const Setting& setting, Rng&) {
    Input in;
    for (std::size_t i = 0; i < setting.n; ++i) in.requests.push_back(static_cast<int>(i) + 1);
    if (setting.input != kInputs["closed"])
      in.arrivals =
          constant_arrivals(setting.n, setting.input == kInputs["asleep"] ? 1'000 : 10'000);
    return in;
  }
  static LoadPlan plan(const Input& in, const Setting& setting) {
    LoadPlan plan{.arrivals = in.arrivals, .requests = in.requests.size()};
    if (setting.input == kInputs["closed"]) plan.clients = 3;
    if (setting.input == kInputs["asleep"]) plan.spin_ns = 0;
    if (setting.input == kInputs["hurried"]) plan.deadline_ns = 2'000'000;
    return plan;
  }
  static bool shed(const Reply& reply) { return reply.doubled == 0; }
  static absl::Status same(const Input&, const Output& want, const Output& got) {
    return exact(want, got);
  }
};

std::atomic<int> services_made{0};

struct Service {
  explicit Service(const Doubling::Input& in) : later(in.requests.size()) { ++services_made; }
  void answer(Doubling::Output& out) const {
    for (std::size_t i = 0; i < out.size(); ++i) out[i].later = later[i];
  }
  Quantities quantities() const { return {{"written", {static_cast<double>(written), "items"}}}; }
  std::vector<std::int64_t> later;
  std::atomic<int> written{0};
};

void twice(Service& service, const int& request, Doubling::Reply& reply) {
  reply.doubled = 2 * request;
  service.later[static_cast<std::size_t>(request) - 1] = request;
  ++service.written;
}
void writes_nothing(Service& service, const int& request, Doubling::Reply&) {
  service.later[static_cast<std::size_t>(request) - 1] = request;
}
void loses_the_last(Service& service, const int& request, Doubling::Reply& reply) {
  reply.doubled = 2 * request;
  if (static_cast<std::size_t>(request) != service.later.size())
    service.later[static_cast<std::size_t>(request) - 1] = request;
}
void sheds_odd_ones(Service& service, const int& request, Doubling::Reply& reply) {
  twice(service, request, reply);
  if (request % 2 == 1) reply.doubled = 0;
}
void takes_a_millisecond(Service& service, const int& request, Doubling::Reply& reply) {
  twice(service, request, reply);
  std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

constexpr Variant<Doubling> kVariants[] = {
    {.name = "twice", .run = serve<twice>, .what = "right"},
    {.name = "again", .run = serve<twice>, .what = "right as well"},
    {.name = "writes_nothing", .run = serve<writes_nothing>, .what = "replies with what was there"},
    {.name = "loses_the_last", .run = serve<loses_the_last>, .what = "loses the last late work"},
    {.name = "sheds_odd_ones", .run = serve<sheds_odd_ones>, .what = "rejects half"},
    {.name = "takes_a_millisecond", .run = serve<takes_a_millisecond>, .what = "slow"},
};
enum Row : std::size_t {
  kTwice,
  kAgain,
  kWritesNothing,
  kLosesTheLast,
  kShedsOddOnes,
  kTakesAMillisecond
};

std::unique_ptr<Instance> instance(InputName input, std::size_t n) {
  static const Kernel kernel =
      describe({.name = "faulty/doubling", .sizes = {100}, .headline = {100}}, kVariants);
  CHECK(kernel.variants.front().shape == Shape::kServed);
  return kernel.bind({.n = n, .input = input});
}

absl::Status check(Row row, InputName input, std::size_t n) {
  const auto bound = instance(input, n);
  const auto baseline = bound->arm(kTwice, 1), arm = bound->arm(row, 1);
  return check_turn(*arm, *baseline, 0);
}

TEST_CASE("served variants agree where all replies do, and only there") {
  for (const char* input : {"open", "closed"})
    for (const std::size_t n : {0, 1, 2, 100}) {
      INFO(input << " " << n);
      CHECK(check(kAgain, input, n).ok());
      CHECK(check(kWritesNothing, input, n).ok() == (n == 0));
      CHECK(check(kLosesTheLast, input, n).ok() == (n == 0));
    }
  const absl::Status lost = check(kLosesTheLast, "open", 100);
  CHECK(std::string(lost.message()).find("at index 99") != std::string::npos);
}

TEST_CASE("a served arm reports what users saw, and its service's own quantities") {
  const auto bound = instance("open", 50);
  const auto arm = bound->arm(kShedsOddOnes, 1);
  CHECK(arm->quantities().empty());
  const int made = services_made;
  run_untimed(*arm, 3);
  CHECK(services_made == made + 3);  // one for each schedule
  CHECK(arm->turn() == 3);
  const Quantities all = arm->quantities();
  for (const char* name : {"p50", "p99", "p999", "throughput", "goodput", "lateness"}) {
    INFO(name);
    REQUIRE(all.count(name) == 1);
    CHECK(all.at(name).value > 0);
  }
  CHECK(all.at("p50").unit == "ns");
  CHECK(all.at("goodput").unit == "1/s");
  CHECK(all.at("client_cpu_share").value >= 0);
  CHECK(all.at("shed").value == 25);
  CHECK(all.at("written").value == 50);  // of the last schedule
  run_untimed(*arm, 0);
  CHECK(arm->turn() == 3);
}

TEST_CASE("a served arm says where its load generator was late") {
  // A client that only sleeps is late by more than such a service takes.
  const auto bound = instance("asleep", 100);
  const auto arm = bound->arm(kTwice, 1);
  CHECK(arm->refused().empty());
  run_untimed(*arm, 1);
  CHECK(arm->refused().find("the load generator was late") != std::string::npos);
  CHECK(check(kAgain, "asleep", 100).ok());  // its answers are right all the same
}

// The same without shedding, for a service that takes what is there.
struct Batched {
  using Request = int;
  using Reply = std::int64_t;
  struct Input {
    std::vector<int> requests;
    Arrivals arrivals;
  };
  using Output = std::vector<Reply>;
  static Input make(const Setting& setting, Rng&) {
    Input in;
    for (std::size_t i = 0; i < setting.n; ++i) in.requests.push_back(static_cast<int>(i) + 1);
    in.arrivals = constant_arrivals(setting.n, 10'000);
    return in;
  }
  static LoadPlan plan(const Input& in, const Setting&) { return {.arrivals = in.arrivals}; }
  static absl::Status same(const Input&, const Output& want, const Output& got) {
    return exact(want, got);
  }
};
struct Counting {
  explicit Counting(const Batched::Input&) {}
  Quantities quantities() const { return {{"calls", {static_cast<double>(calls), "calls"}}}; }
  int calls = 0;
};
void one_by_one(Counting& service, const int& request, Batched::Reply& reply) {
  ++service.calls;
  reply = 2 * request;
}
// Takes as long as three requests need to come, so that there are batches.
void all_at_once(Counting& service, std::span<const int> requests,
                 std::span<Batched::Reply> replies) {
  ++service.calls;
  for (std::size_t i = 0; i < requests.size(); ++i) replies[i] = 2 * requests[i];
  std::this_thread::sleep_for(std::chrono::microseconds(300));
}
void forgets_the_last(Counting& service, std::span<const int> requests,
                      std::span<Batched::Reply> replies) {
  all_at_once(service, requests, replies);
  if (requests.back() == 100) replies.back() = 0;
}
constexpr Variant<Batched> kBatched[] = {
    {.name = "one_by_one", .run = serve<one_by_one>, .what = "right"},
    {.name = "all_at_once", .run = serve<all_at_once>, .what = "right"},
    {.name = "forgets_the_last", .run = serve<forgets_the_last>, .what = "wrong"},
};

TEST_CASE("a served variant may take all requests that are there") {
  static const Kernel kernel =
      describe({.name = "faulty/batched", .sizes = {100}, .headline = {100}}, kBatched);
  CHECK(kernel.variants[1].shape == Shape::kServed);
  for (const std::size_t n : {0, 1, 100}) {
    const auto bound = kernel.bind({.n = n});
    const auto baseline = bound->arm(0, 1), arm = bound->arm(1, 1), wrong = bound->arm(2, 1);
    CHECK(check_turn(*arm, *baseline, 0).ok());
    CHECK(check_turn(*wrong, *baseline, 0).ok() == (n != 100));
    if (n != 100) continue;
    CHECK(baseline->quantities().at("calls").value == 100);
    CHECK(arm->quantities().at("calls").value < 60);
    CHECK(arm->quantities().at("p50").value > 300'000);
  }
}

// Its requests are answered by a thread of the service.
struct Posted {
  using Request = int;
  using Reply = std::int64_t;
  struct Input {
    std::vector<int> requests;
    Arrivals arrivals;
  };
  using Output = std::vector<Reply>;
  static Input make(const Setting& setting, Rng&) {
    Input in;
    for (std::size_t i = 0; i < setting.n; ++i) in.requests.push_back(static_cast<int>(i) + 1);
    in.arrivals = constant_arrivals(setting.n, 10'000);
    return in;
  }
  static LoadPlan plan(const Input& in, const Setting&) { return {.arrivals = in.arrivals}; }
  // Of 1,000 rates of 2,000 per second and more: a trial is 20 ms.
  static RateSearch search(const Input&, const Setting&) {
    return {.lowest = 500, .octaves = 4, .p99_ns = 5'000'000, .stride = 16};
  }
  static Arrivals arrivals(const Input& in, const Setting&, double per_second) {
    return constant_arrivals(
        std::min(in.requests.size(), static_cast<std::size_t>(per_second / 50)), per_second);
  }
  static absl::Status right(const Input& in, std::span<const Reply> replies) {
    for (std::size_t i = 0; i < replies.size(); ++i)
      if (replies[i] != 2 * in.requests[i]) return absl::InternalError("not the double");
    return absl::OkStatus();
  }
  static absl::Status same(const Input&, const Output& want, const Output& got) {
    return exact(want, got);
  }
};
// Sheds request `kSheds`, and answers wrongly beyond `kRight`.
template <int kTakesUs, int kSheds = 0, int kRight = 1'000'000>
class Worker {
 public:
  explicit Worker(const Posted::Input&) : thread_([this] { work(); }) {}
  ~Worker() {
    {
      const std::lock_guard lock(mutex_);
      closed_ = true;
    }
    changed_.notify_one();
    thread_.join();
  }
  void post(const int& request, Posted::Reply& reply, Answered answered) {
    {
      const std::lock_guard lock(mutex_);
      jobs_.push_back({&request, &reply, answered});
    }
    changed_.notify_one();
  }

 private:
  struct Job {
    const int* request;
    Posted::Reply* reply;
    Answered answered;
  };
  void work() {
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [&] { return closed_ || !jobs_.empty(); });
      if (jobs_.empty()) return;
      const Job job = jobs_.front();
      jobs_.pop_front();
      lock.unlock();
      std::this_thread::sleep_for(std::chrono::microseconds(kTakesUs));
      *job.reply = 2 * *job.request + (*job.request > kRight ? 1 : 0);
      job.answered(*job.request == kSheds ? Answer::kShed : Answer::kServed);
      lock.lock();
    }
  }
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Job> jobs_;
  bool closed_ = false;
  std::thread thread_;
};
template <class AnyWorker>
void hand_over(AnyWorker& worker, const int& request, Posted::Reply& reply, Answered answered) {
  worker.post(request, reply, answered);
}
struct AtOnce {
  explicit AtOnce(const Posted::Input&) {}
};
void at_once(AtOnce&, const int& request, Posted::Reply& reply, Answered answered) {
  reply = 2 * request;
  answered();
}
constexpr Variant<Posted> kPostedVariants[] = {
    {.name = "at_once", .run = serve<at_once>, .what = "right"},
    {.name = "later", .run = serve<hand_over<Worker<200, 7>>>, .what = "right, and sheds one"},
    {.name = "wrong", .run = serve<hand_over<Worker<1, 0, 100>>>, .what = "wrong beyond 100"},
    {.name = "slow", .run = largest_rate<hand_over<Worker<500>>>, .what = "1,700 per second"},
    {.name = "sheds", .run = largest_rate<hand_over<Worker<20, 9>>>, .what = "passes nowhere"},
    {.name = "off_grid", .run = largest_rate<hand_over<Worker<20>>>, .what = "12,000 per second"},
    {.name = "wrong_later",
     .run = largest_rate<hand_over<Worker<20, 0, 100>>>,
     .what = "wrong, but not at the first rate of a search"},
};
enum PostedRow : std::size_t { kAtOnce, kLater, kWrong, kSlow, kSheds, kOffTheGrid, kWrongLater };

std::unique_ptr<Instance> posted(std::size_t n) {
  static const Kernel kernel =
      describe({.name = "faulty/posted", .sizes = {100}, .headline = {100}}, kPostedVariants);
  CHECK(kernel.variants[kLater].shape == Shape::kServed);
  CHECK(kernel.variants[kSlow].shape == Shape::kServed);
  return kernel.bind({.n = n});
}

TEST_CASE("a served variant may answer later, from a thread of its own") {
  for (const std::size_t n : {0, 1, 101}) {
    const auto bound = posted(n);
    const auto baseline = bound->arm(kAtOnce, 1), arm = bound->arm(kLater, 1),
               wrong = bound->arm(kWrong, 1);
    CHECK(check_turn(*arm, *baseline, 0).ok());
    CHECK(check_turn(*wrong, *baseline, 0).ok() == (n != 101));
    if (n != 101) continue;
    run_untimed(*arm, 1);
    CHECK(arm->quantities().at("p50").value > 200'000);
    CHECK(arm->quantities().at("shed").value == 1);
  }
}

// What a search came to: a rate, or why there is none.
struct Found {
  std::string why;
  double rate = -1;
  double trials = 0;
};
Found search(PostedRow row) {
  const auto bound = posted(1'000);
  Found found;
  for (int i = 0; i < 10; ++i) {
    const auto arm = bound->arm(row, 1);
    CHECK(arm->quantities().empty());
    try {
      run_untimed(*arm, 1);
    } catch (const std::runtime_error& error) {
      found.why = error.what();
      return found;
    }
    found.why = arm->refused();
    found.rate = arm->quantities().at("max_rate").value;
    found.trials = arm->quantities().at("trials").value;
    CHECK(arm->turn() == 1);
    if (found.why.empty()) break;
  }
  return found;
}
// On a busy machine a trial may be refused each time: then that is said, and there is no rate.
bool refused(const Found& found) {
  if (found.why.find("requests per second: the load generator was ") == std::string::npos)
    return false;
  CHECK(found.rate == 0);
  WARN(found.why);
  return true;
}

TEST_CASE("a search reports the largest rate within a latency") {
  const Found slow = search(kSlow);
  if (!refused(slow)) {
    CHECK(slow.why.empty());
    CHECK(slow.trials >= 3);
    // It serves fewer than 2,000 per second, and 5 ms may build up in 20.
    CHECK(slow.rate < 4'000);
  }
  // A ninth request comes at every rate.
  const Found sheds = search(kSheds);
  if (!refused(sheds)) CHECK(sheds.rate == 0);
}

TEST_CASE("a search without an end is no figure, nor one with a wrong reply in any trial") {
  const Found wrong = search(kWrongLater);
  // Where the machine is too slow for it to pass the first rates, it never comes to the wrong ones.
  if (!refused(wrong) && wrong.rate != 0 && wrong.rate < 4'000) return;
  if (wrong.rate == 0) return;
  CHECK(wrong.why.find("not the double") != std::string::npos);
  CHECK(wrong.why.find("wrong at ") != std::string::npos);
  const Found off = search(kOffTheGrid);
  if (!refused(off) && off.rate < 0)
    CHECK(off.why.find("the highest rate tried, passed; add octaves") != std::string::npos);
}

TEST_CASE("a served arm throws where its service can't answer all in time") {
  const auto bound = instance("hurried", 100);
  const auto arm = bound->arm(kTakesAMillisecond, 1);
  CHECK_THROWS_AS(run_untimed(*arm, 1), std::runtime_error);
}

}  // namespace
}  // namespace headroom
