// The agreement check must be able to fail, in each of the ways in which a variant can be wrong.
#include "core/agreement.h"

#include <algorithm>
#include <chrono>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "catch.h"
#include "faulty.h"

namespace headroom {
namespace {

using namespace faulty;

absl::Status check(const Kernel& kernel, std::size_t n, std::uint64_t seed = 1) {
  return check_agreement(kernel, {n, "default", seed}, 2);
}

std::string message(const absl::Status& status) { return std::string(status.message()); }

TEST_CASE("a sound variant agrees at every size") {
  const Kernel kernel = describe(metadata("faulty/sound"), kPair<naive>);
  for (std::size_t n : kernel.meta.test_sizes) CHECK(check(kernel, n).ok());
}

TEST_CASE("a variant wrong at one size is caught there, and the message says where") {
  const Kernel kernel = describe(metadata("faulty/one_size"), kPair<wrong_at_one_size>);
  CHECK(check(kernel, kBadSize - 1).ok());
  CHECK(check(kernel, kBadSize + 1).ok());
  const absl::Status status = check(kernel, kBadSize, 7);
  REQUIRE_FALSE(status.ok());
  for (const char* part : {"faulty/one_size", "variant broken", "n:1000", "seed:7", "index 500"})
    CHECK(message(status).find(part) != std::string::npos);
}

TEST_CASE("a variant that skips part of the input is caught") {
  const Kernel kernel = describe(metadata("faulty/skips"), kPair<skips_part>);
  for (std::size_t n : {4, 5, 64, 1001}) CHECK_FALSE(check(kernel, n).ok());
}

TEST_CASE("a variant with the right numbers in another order is caught") {
  const Kernel kernel = describe(metadata("faulty/reorders"), kPair<reorders>);
  for (std::size_t n : {16, 257}) CHECK_FALSE(check(kernel, n).ok());
}

TEST_CASE("a variant that writes nothing is caught, though the output held the right answer") {
  const Kernel kernel = describe(metadata("faulty/silent"), kPair<writes_nothing>);
  const std::unique_ptr<Instance> instance = kernel.bind({64, "default", 1});
  const std::unique_ptr<Arm> baseline = instance->arm(0, 1);
  const std::unique_ptr<Arm> silent = instance->arm(1, 1);
  CHECK_FALSE(check_turn(*silent, *baseline, 0).ok());
}

TEST_CASE("bytes given as an input are checked as other inputs are") {
  const std::vector<std::uint8_t> few(kBadSize - 1, 3), bad(kBadSize, 3);
  const Kernel sound = describe(metadata("faulty/sound"), kPair<naive>);
  CHECK(check_agreement(sound, bad).ok());
  const Kernel broken = describe(metadata("faulty/one_size"), kPair<wrong_at_one_size>);
  CHECK(check_agreement(broken, few).ok());
  const absl::Status status = check_agreement(broken, bad);
  REQUIRE_FALSE(status.ok());
  for (const char* part : {"faulty/one_size", "variant broken", "these 1000 bytes", "index 500"})
    CHECK(message(status).find(part) != std::string::npos);
}

TEST_CASE("a kernel whose problem takes no bytes says so") {
  Kernel kernel = describe(metadata("faulty/no_bytes"), kPair<naive>);
  kernel.bind_bytes = nullptr;
  const absl::Status status = check_agreement(kernel, std::vector<std::uint8_t>{1, 2});
  CHECK(message(status) == "faulty/no_bytes: takes no bytes as an input");
}

// A kernel whose calls see fresh data: turn t sees x[t % 5], and so many calls were made before.
struct Fresh {
  struct Input {
    std::vector<std::uint32_t> x;
    std::uint32_t at(std::size_t turn) const { return x[turn % x.size()]; }
  };
  using Call = std::uint32_t;
  using Output = std::uint32_t;
  static Input make(const Setting&, Rng&) { return {{10, 20, 30, 40, 50}}; }
  static absl::Status same(const Call&, const Output& want, const Output& got) {
    return exact(want, got);
  }
};
void fresh(const Fresh::Call& x, Fresh::Output& out) { out = x + 1; }
void wrong_in_a_later_turn(const Fresh::Call& x, Fresh::Output& out) { out = x == 30 ? 0 : x + 1; }
constexpr Variant<Fresh> kFresh[] = {{.name = "naive", .run = run<fresh>, .what = "w"},
                                     {.name = "same", .run = run<fresh>, .what = "w"}};
constexpr Variant<Fresh> kLater[] = {
    {.name = "naive", .run = run<fresh>, .what = "w"},
    {.name = "later", .run = run<wrong_in_a_later_turn>, .what = "w"}};

TEST_CASE("each turn is checked, and both sides see the same one") {
  const Kernel sound = describe(metadata("g/fresh"), kFresh);
  const auto instance = sound.bind({1});
  const auto baseline = instance->arm(0, 1), arm = instance->arm(1, 1);
  for (std::size_t turn : {4, 0, 3}) {
    CHECK(check_turn(*arm, *baseline, turn).ok());
    CHECK(arm->turn() == turn + 1);
    CHECK(baseline->turn() == turn + 1);
  }
  run_turn(*baseline, 2);
  CHECK_FALSE(arm->agrees_with(*baseline).ok());  // of turn 3: another answer

  const Kernel later = describe(metadata("g/later"), kLater);
  CHECK(check_agreement(later, {1}, 1).ok());
  CHECK_FALSE(check_agreement(later, {1}, 3).ok());
}

// The result lies in a copy for each call.
struct Doubled {
  struct Input {
    std::vector<std::uint32_t> x;
    std::span<const std::uint32_t> at(std::size_t turn) const { return {&x[turn % x.size()], 1}; }
  };
  using Call = std::span<const std::uint32_t>;
  using Output = std::uint32_t;
  struct Work {
    explicit Work(const Input&) {}
    void refill(const Call& call) { x = call[0]; }
    void answer(Output& out) const { out = x; }
    std::uint32_t x = 0;
  };
  static Input make(const Setting&, Rng&) { return {{10, 20, 30, 40, 50, 60, 70}}; }
  static absl::Status same(const Call&, const Output& want, const Output& got) {
    return exact(want, got);
  }
};
void doubled(Doubled::Work& work, std::uint32_t&) { work.x *= 2; }
std::size_t calls_of_epoch = 0;
template <std::size_t kWrong>
void doubled_but_one(Doubled::Work& work, std::uint32_t&) {
  work.x = calls_of_epoch++ == kWrong ? 7 : work.x * 2;
}
constexpr Variant<Doubled> kDoubled[] = {
    {.name = "naive", .run = run<doubled>, .what = "w"},
    {.name = "first", .run = run<doubled_but_one<0>>, .what = "w"},
    {.name = "second", .run = run<doubled_but_one<1>>, .what = "w"},
    {.name = "third", .run = run<doubled_but_one<2>>, .what = "w"}};

TEST_CASE("in an epoch the result of each call is checked, where each has a copy of its own") {
  const Kernel kernel = describe(metadata("g/doubled"), kDoubled);
  const auto instance = kernel.bind({1});
  const auto baseline = instance->arm(0, 1);
  for (std::size_t wrong = 0; wrong < 3; ++wrong) {
    const auto arm = instance->arm(wrong + 1, 1);
    for (std::size_t calls = 1; calls <= 4; ++calls) {
      INFO("call " << wrong << " of " << calls);
      calls_of_epoch = 0;
      CHECK(check_epoch(*arm, *baseline, 5, calls).ok() == (wrong >= calls));
      CHECK(arm->results() == calls);
    }
  }
}

// Right in the first call after a refill.
std::size_t calls_since_refill = 0;
struct Once : Doubled::Work {
  using Doubled::Work::Work;
  void refill(const Doubled::Call& call) {
    Doubled::Work::refill(call);
    calls_since_refill = 0;
  }
};
void doubled_once(Once& work, std::uint32_t&) {
  work.x = calls_since_refill++ == 0 ? work.x * 2 : 7;
}
constexpr Variant<Doubled> kOnce[] = {{.name = "naive", .run = run<doubled>, .what = "w"},
                                      {.name = "once", .run = run<doubled_once>, .what = "w"}};

TEST_CASE("what is right in the first call after a refill and wrong in the next is caught") {
  const Kernel kernel = describe(metadata("g/once"), kOnce);
  CHECK(check_agreement(kernel, {1}, 1).ok());
  CHECK_FALSE(check_agreement(kernel, {1}, 2).ok());
}

TEST_CASE("a turn takes as long as its call, without what makes it ready") {
  struct Slow final : Arm {
    static void wait(int ms) { std::this_thread::sleep_for(std::chrono::milliseconds(ms)); }
    void refill(std::size_t calls) override {
      diary += "refill " + std::to_string(calls) + ",";
      wait(40);
    }
    void run(std::size_t calls) override {
      diary += "run " + std::to_string(calls) + ",";
      wait(5);
    }
    void poison() override {
      diary += "poison,";
      wait(40);
    }
    void settle() override {
      diary += "settle,";
      wait(40);
    }
    absl::Status agrees_with(const Arm&) const override { return absl::OkStatus(); }
    bool spoil(Spoil) override { return false; }
    std::size_t turn() const override { return 0; }
    void set_turn(std::size_t turn) override { diary += "turn " + std::to_string(turn) + ","; }
    bool rotates() const override { return false; }
    std::string diary;
  };
  double least = 1e12;
  for (int i = 0; i < 20 && least >= 40e6; ++i) {
    Slow arm;
    least = std::min(least, run_turn(arm, 7));
    // Poison comes last: what makes ready could fill the output.
    REQUIRE(arm.diary == "turn 7,refill 1,poison,run 1,settle,");
  }
  CHECK(least >= 5e6);
  CHECK(least < 40e6);  // the best of twenty, where this machine is busy
}

// Variants that must not run: past their largest size, or of another number of threads.
struct Threads {
  using Input = int;
  using Output = int;
  static Input make(const Setting&, Rng&) { return 0; }
  static absl::Status same(const Input&, const Output& want, const Output& got) {
    return want == got ? absl::OkStatus() : absl::InternalError("differ");
  }
};
std::vector<int> asked;
void tell_threads(const Setting& setting, const int&, int& out) {
  asked.push_back(setting.threads);
  out = 1;
}
void never(const int&, int&) { throw std::runtime_error("must not run"); }
constexpr Need kNothingHasIt[] = {{"a flying carpet", [] { return false; }, "none"}};
constexpr Variant<Threads> kSome[] = {
    {.name = "naive", .run = run<tell_threads>, .what = "w", .single_thread = true},
    {.name = "all", .run = run<tell_threads>, .what = "w"},
    {.name = "small", .run = run<never>, .what = "w", .max_n = 9},
    {.name = "magic", .run = run<never>, .what = "w", .needs = kNothingHasIt},
};

TEST_CASE("agreement runs what a ladder would: no larger size, no missing need, its threads") {
  const Kernel kernel = describe(metadata("g/threads"), kSome);
  asked.clear();
  CHECK(check_agreement(kernel, {10, "default", 1, 3}, 1).ok());
  CHECK(asked == std::vector<int>{1, 3});
  CHECK_THROWS_AS(check_agreement(kernel, {9, "default", 1, 3}, 1), std::runtime_error);
}

// AddressSanitizer ends the process, so the read past the end is made in a child.
#if defined(__SANITIZE_ADDRESS__)
#define HEADROOM_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HEADROOM_ASAN 1
#endif
#endif
#ifdef HEADROOM_ASAN
}  // namespace
}  // namespace headroom
#include <sys/wait.h>
#include <unistd.h>
namespace headroom {
namespace {
TEST_CASE("a variant that reads past the end is caught by the sanitizer") {
  const Kernel kernel = describe(metadata("faulty/past_end"), kPair<reads_past_end>);
  for (std::size_t n : {16u, 1000u, 1u << 19}) {
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      close(STDERR_FILENO);
      _exit(check(kernel, n).ok() ? 0 : 1);
    }
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK_FALSE((WIFEXITED(status) && WEXITSTATUS(status) == 0));
  }
}
#endif

}  // namespace
}  // namespace headroom
