// The served shape: what its arm keeps, compares and reports, and that it can fail.
#include "support/served.h"

#include <atomic>
#include <chrono>
#include <memory>
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

TEST_CASE("a served arm throws where its service can't answer all in time") {
  const auto bound = instance("hurried", 100);
  const auto arm = bound->arm(kTakesAMillisecond, 1);
  CHECK_THROWS_AS(run_untimed(*arm, 1), std::runtime_error);
}

}  // namespace
}  // namespace headroom
