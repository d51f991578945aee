// The arms that make the calls: which turn each call sees, and whose answer is compared.
#include <chrono>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "catch.h"
#include "core/agreement.h"
#include "diary.h"

namespace headroom {
namespace {

// The problem: a call tells its turn, ten times over.
struct Told {
  using Call = diary::Turns<true>::Call;
  struct Input {
    Call at(std::size_t turn) const { return {turn}; }
  };
  using Output = std::vector<std::size_t>;
  static Input make(const Setting&, Rng&) { return {}; }
  static void size(const Input&, Output& out) { out.resize(1); }
  // The baseline's answer is right for one turn alone: that of the last call.
  static absl::Status same(const Call& call, const Output& want, const Output& got) {
    compared = call.turn;
    return exact(want, got);
  }
  static inline std::size_t compared = 0;
};

std::vector<std::size_t> seen;  // the turns of all calls
std::vector<const void*> worked_on;
int threads_seen = 0;
int built = 0;

void pure(const Told::Call& call, Told::Output& out) {
  seen.push_back(call.turn);
  out = {10 * call.turn};
}
void with_threads(const Setting& setting, const Told::Call& call, Told::Output& out) {
  threads_seen = setting.threads;
  pure(call, out);
}
struct Memory {
  Memory(const Told::Input&, const Setting& setting) {
    ++built;
    threads_seen = setting.threads;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  std::size_t last = 0;
  void answer(Told::Output& out) const { out = {10 * last}; }
};
void stateful(Memory& memory, const Told::Call& call, Told::Output&) {
  seen.push_back(call.turn);
  memory.last = call.turn;
}
struct Sheet {
  explicit Sheet(const Told::Input&) {}
  void refill(const Told::Call& call) { turn = call.turn; }
  std::size_t turn = 0, result = 0;
  void answer(Told::Output& out) const { out = {result}; }
};
void mutating(Sheet& sheet, Told::Output&) {
  worked_on.push_back(&sheet);
  seen.push_back(sheet.turn);
  sheet.result = 10 * sheet.turn;
}
void late(const Told::Call& call, Told::Output& out) {
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  pure(call, out);
}
void from_turn_two(const Told::Call& call, Told::Output& out) {
  pure(call, out);
  if (call.turn == 2) ++out[0];
}

constexpr Variant<Told> kShapes[] = {
    {.name = "pure", .run = run<pure>, .what = "w"},
    {.name = "threads", .run = run<with_threads>, .what = "w"},
    {.name = "stateful", .run = run<stateful>, .what = "w"},
    {.name = "mutating", .run = run<mutating>, .what = "w"},
    {.name = "late", .run = run<late>, .what = "w"},
};
constexpr std::size_t kPure = 0, kThreads = 1, kStateful = 2, kMutating = 3, kLate = 4;

struct Shapes {
  Shapes() {
    seen.clear();
    worked_on.clear();
    built = 0;
  }
  Kernel kernel = describe(diary::metadata("d/shapes"), kShapes);
  std::unique_ptr<Instance> instance = kernel.bind({256});
};

using Seen = std::vector<std::size_t>;

TEST_CASE("an arm of any shape makes the calls asked for, turn by turn, and goes on from there") {
  for (std::size_t variant : {kPure, kThreads, kStateful, kMutating}) {
    Shapes shapes;
    INFO(shapes.kernel.variants[variant].name);
    const std::unique_ptr<Arm> arm = shapes.instance->arm(variant, 1);
    arm->refill(0);
    arm->run(0);
    CHECK(seen.empty());
    arm->refill(4);
    arm->run(4);
    CHECK(seen == Seen{0, 1, 2, 3});
    CHECK(arm->turn() == 4);
    arm->refill(2);
    arm->run(2);
    CHECK(seen == Seen{0, 1, 2, 3, 4, 5});
    arm->set_turn(40);
    arm->refill(1);
    arm->run(1);
    CHECK(seen.back() == 40);
    CHECK(arm->turn() == 41);
    CHECK(arm->rotates());
  }
}

TEST_CASE("what is compared is the settled output of the last call, at that call's turn") {
  for (std::size_t variant : {kThreads, kStateful, kMutating}) {
    Shapes shapes;
    INFO(shapes.kernel.variants[variant].name);
    const std::unique_ptr<Arm> arm = shapes.instance->arm(variant, 1);
    const std::unique_ptr<Arm> baseline = shapes.instance->arm(kPure, 1);
    for (Arm* a : {arm.get(), baseline.get()}) {
      a->set_turn(5);
      a->refill(3);
      a->run(3);
      a->settle();
    }
    CHECK(arm->agrees_with(*baseline).ok());
    CHECK(Told::compared == 7);
    CHECK(arm->results() == (variant == kMutating ? 3 : 1));
    if (variant == kMutating) {
      // An earlier call's, at its own turn; the baseline has no such result.
      run_turn(*baseline, 6);
      arm->settle_earlier(1);
      CHECK(arm->agrees_with(*baseline).ok());
      CHECK(Told::compared == 6);
      arm->settle();
      CHECK_FALSE(arm->agrees_with(*baseline).ok());
      CHECK(Told::compared == 7);
    }
    run_untimed(*arm, 1);
    arm->settle();
    CHECK_FALSE(arm->agrees_with(*baseline).ok());
  }
}

TEST_CASE("each call of a mutating variant has a copy of its own, and they are used again") {
  Shapes shapes;
  const std::unique_ptr<Arm> arm = shapes.instance->arm(kMutating, 1);
  run_untimed(*arm, 3);
  const std::vector<const void*> first = worked_on;
  CHECK(first[0] != first[1]);
  CHECK(first[1] != first[2]);
  worked_on.clear();
  run_untimed(*arm, 2);
  CHECK(worked_on == std::vector<const void*>{first[0], first[1]});
}

TEST_CASE("a state is built once, untimed, and how long that took is told") {
  Shapes shapes;
  const std::unique_ptr<Arm> arm = shapes.instance->arm(kStateful, 3);
  CHECK(threads_seen == 3);
  run_untimed(*arm, 5);
  CHECK(built == 1);
  CHECK(arm->build_ns() >= 5e6);
  CHECK(shapes.instance->arm(kPure, 1)->build_ns() == 0);
}

TEST_CASE("threads are those that the arm was made for") {
  Shapes shapes;
  run_untimed(*shapes.instance->arm(kThreads, 7), 1);
  CHECK(threads_seen == 7);
}

TEST_CASE("an untimed turn is the one asked for, on a poisoned output, and tells the call's time") {
  Shapes shapes;
  const std::unique_ptr<Arm> arm = shapes.instance->arm(kLate, 1);
  CHECK(run_turn(*arm, 9) >= 5e6);
  CHECK(seen == Seen{9});
  CHECK(arm->turn() == 10);
}

TEST_CASE("what disagrees at any of the turns checked is found, with its coordinates") {
  static constexpr Variant<Told> kTable[] = {
      {.name = "naive", .run = run<pure>, .what = "w"},
      {.name = "sound", .run = run<stateful>, .what = "w"},
      {.name = "broken", .run = run<from_turn_two>, .what = "w"},
  };
  const Kernel kernel = describe(diary::metadata("d/turns"), kTable);
  CHECK(check_agreement(kernel, {256}, 1).ok());
  const std::string message(
      check_agreement(kernel, {.n = 256, .seed = 5, .threads = 2, .params = {{"clients", 3}}}, 3)
          .message());
  CHECK(message ==
        "d/turns: variant broken disagrees with the baseline at n:256 input:default threads:2 "
        "clients:3 seed:5: at index 0: want 20, got 21");
}

// A problem whose answer is what its seed drew.
struct Drawn {
  struct Input {
    std::uint64_t drawn;
  };
  using Output = std::uint64_t;
  static Input make(const Setting&, Rng& rng) { return {rng()}; }
  static absl::Status same(const Input&, const Output& want, const Output& got) {
    return exact(want, got);
  }
};
void tells(const Drawn::Input& in, Drawn::Output& out) { out = in.drawn; }

TEST_CASE("each seed makes an input of its own") {
  static constexpr Variant<Drawn> kTable[] = {{.name = "naive", .run = run<tells>, .what = "w"}};
  const Kernel kernel = describe(diary::metadata("d/drawn"), kTable);
  const auto one = kernel.bind({.n = 1, .seed = 1}), again = kernel.bind({.n = 1, .seed = 1}),
             other = kernel.bind({.n = 1, .seed = 2});
  const std::unique_ptr<Arm> a = one->arm(0, 1), b = again->arm(0, 1), c = other->arm(0, 1);
  for (Arm* arm : {a.get(), b.get(), c.get()}) run_untimed(*arm, 1);
  CHECK(a->agrees_with(*b).ok());
  CHECK_FALSE(a->agrees_with(*c).ok());
}

TEST_CASE("the first variant that can run is the reference, and what can't is left out") {
  static constexpr Need kLacking[] = {{"luck", [] { return false; }, "try again"}};
  static constexpr Variant<Told> kTable[] = {
      {.name = "absent", .run = run<from_turn_two>, .what = "w", .needs = kLacking},
      {.name = "small", .run = run<from_turn_two>, .what = "w", .max_n = 255},
      {.name = "first", .run = run<pure>, .what = "w"},
      {.name = "second", .run = run<stateful>, .what = "w"},
  };
  const Kernel kernel = describe(diary::metadata("d/reference"), kTable);
  CHECK(check_agreement(kernel, {256}, 3).ok());
  CHECK_FALSE(check_agreement(kernel, {255}, 3).ok());
}

}  // namespace
}  // namespace headroom
