// A clock that is made up, and kernels that keep a diary: who was made, poisoned, refilled and
// called, with which turn, and when which clock was read. A call takes exactly what its script
// says.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "bench/ladder_session.h"
#include "core/kernel.h"

namespace headroom::diary {

enum class What { kWall, kCpu, kMade, kPoison, kRefill, kRun, kCall, kSettle, kCompare };

struct Entry {
  What what;
  std::size_t who = 0;  // the variant's index; of a clock: 0
  std::size_t n = 0;    // calls of a refill or run, the turn of a call
};

// What a reading of a clock takes, by both clocks.
inline constexpr std::int64_t kWallRead = 30, kCpuRead = 500;
// So an empty epoch takes, by the clock that is read outermost and by the one innermost:
inline constexpr double kEmptyCpu = kCpuRead, kEmptyWall = kWallRead;
inline constexpr double kOuterWall = kWallRead + 2 * kCpuRead, kOuterCpu = kCpuRead + 2 * kWallRead;

inline constexpr std::size_t kNever = std::numeric_limits<std::size_t>::max();

// How a variant behaves.
struct Script {
  std::int64_t wall_ns = 1000, cpu_ns = 1000;             // of each call
  std::function<std::int64_t(std::size_t)> wall_of = {};  // of the n-th call, instead of both
  std::function<bool(std::size_t)> wrong_at = {};         // by turn
  std::size_t cold_calls = 0;                             // so many calls after another arm's take
  std::int64_t cold_ns = 0;                               // so much longer
  std::size_t wrong_from_call = kNever;                   // counted over the arm's life
  bool writes = true;
  std::size_t throws_from_call = kNever;
  bool throws_when_made = false;
  std::size_t refused_runs = 0;  // of those that were timed: the first so many; kNever: all
  std::size_t holds = 0;         // bytes: in a Buffer, and as many from malloc
  double value = 0;              // what the quantity "score" says, plus the number of the run
};

// The one diary. Events are kept in order; `keep` is false where millions would come.
struct Diary {
  std::vector<Entry> entries;
  std::vector<Script> scripts;  // by variant; probes' begin at kProbe
  bool keep = true;
  std::int64_t wall = 1'000'000'000, cpu = 7'000'000;
  std::function<std::int64_t(std::int64_t)> wall_read = {};  // what a reading takes then
  std::size_t counted = 0;  // what made-up hardware counters stand at: calls made
  std::size_t last_who = kNever, in_a_row = 0;  // which arm was called last, and how often
};
Diary& book();
inline constexpr std::size_t kProbe = 10;
inline constexpr std::size_t kScripts = 24;

// While one lives bench/ reads the made-up clock, and finds no hardware counters unless a test
// makes them up. A fresh diary for each, and no bound input left.
class MadeUpTime {
 public:
  MadeUpTime();
  ~MadeUpTime();
  MadeUpTime(const MadeUpTime&) = delete;
  MadeUpTime& operator=(const MadeUpTime&) = delete;

 private:
  Clocks real_;
};

// The problem: tell the turn. kRotates: whether calls see turns.
template <bool kRotates>
struct Turns;
template <>
struct Turns<true> {
  struct Call {
    std::size_t turn;
  };
  struct Input {
    Call at(std::size_t turn) const { return {turn}; }
  };
  using Output = std::vector<std::size_t>;
  static Input make(const Setting&, Rng&) { return {}; }
  static void size(const Input&, Output& out) { out.resize(3); }
  static absl::Status same(const Call&, const Output& want, const Output& got) {
    book().entries.push_back({What::kCompare});
    return exact(want, got);
  }
};
template <>
struct Turns<false> {
  struct Input {};
  using Output = std::vector<std::size_t>;
  static Input make(const Setting&, Rng&) { return {}; }
  static void size(const Input&, Output& out) { out.resize(3); }
  static absl::Status same(const Input&, const Output& want, const Output& got) {
    book().entries.push_back({What::kCompare});
    return exact(want, got);
  }
};

// One call of variant `who`: it writes down the call, moves the clock, and maybe answers.
void called(std::size_t who, std::size_t turn, std::size_t nth, std::vector<std::size_t>& output);

template <bool kRotates, std::size_t kWho>
class DiaryArm final : public ArmOf<Turns<kRotates>> {
 public:
  using Base = ArmOf<Turns<kRotates>>;
  DiaryArm(const typename Base::Input& input, const Setting& setting)
      : Base(input, setting), held_(script().holds), allocated_(script().holds) {
    note(What::kMade, static_cast<std::size_t>(setting.threads));
    if (script().throws_when_made) throw std::runtime_error("can't be made");
  }
  void refill(std::size_t calls) override {
    refilled_ = calls;
    note(What::kRefill, calls);
  }
  void run(std::size_t calls) override {
    if (refilled_ != calls) throw std::logic_error("not refilled for so many calls");
    refilled_ = kNever;
    ++runs_;
    note(What::kRun, calls);
    for (std::size_t i = 0; i < calls; ++i) called(kWho, this->turn_++, calls_++, this->output_);
  }
  void poison() override {
    note(What::kPoison, 0);
    Base::poison();
  }
  void settle() override { note(What::kSettle, 0); }
  Quantities quantities() const override {
    return {{"score", {script().value + static_cast<double>(runs_), "points"}}};
  }
  std::string refused() const override {
    if (script().refused_runs == kNever || asked_++ < script().refused_runs) return "too late";
    return "";
  }

 private:
  static const Script& script() { return book().scripts[kWho]; }
  static void note(What what, std::size_t n) {
    if (book().keep) book().entries.push_back({what, kWho, n});
  }
  Buffer<char> held_;
  std::vector<char> allocated_;
  std::size_t refilled_ = kNever, runs_ = 0, calls_ = 0;
  mutable std::size_t asked_ = 0;
};

// What a table's `run` is: variant kWho, of whatever shape.
template <std::size_t kWho, Shape kShape = Shape::kPure>
struct Keeps {
  template <class P>
  static consteval Shape shape() {
    return kShape;
  }
  template <class P>
  static std::unique_ptr<Arm> make(const InputOf<P>& input, const Setting& setting) {
    return std::make_unique<DiaryArm<Rotating<P>, kWho>>(input, setting);
  }
};

// Three variants, of one shape.
template <bool kRotates, Shape kShape = Shape::kPure>
inline constexpr Variant<Turns<kRotates>> kThree[] = {
    {.name = "naive", .run = Keeps<0, kShape>{}, .what = "the reference"},
    {.name = "second", .run = Keeps<1, kShape>{}, .what = "another"},
    {.name = "third", .run = Keeps<2, kShape>{}, .what = "a further one"},
};

Metadata metadata(const std::string& name);

// Enters every round of a ladder that is already planned.
struct PlannedArm {
  std::string variant;
  std::size_t calls;
};

// A ladder of `kernel` at work, as a launch has it: all its variants, in one group, with one thread
// unless said otherwise.
class Work {
 public:
  explicit Work(Kernel made, std::size_t n = 256, int threads = 1);
  // Before the session is made.
  Plan whole;
  LadderPlan own;
  LaunchOptions options = {.pilot = true};
  Ladder ladder;
  // As a later launch follows a pilot: with these calls for each.
  void follow(const std::vector<PlannedArm>& arms, Reported clock = Reported::kCpu);
  LadderSession& session();
  // prepare(), and in a pilot calibrate().
  LadderSession& prepared();
  // So many rounds, the last one as the last.
  LadderSession& rounds(std::size_t count);

 private:
  Kernel kernel_;
  std::unique_ptr<LadderSession> session_;
};

// What `body` throws, in words ("mismatch: ..." for a Mismatch); empty where it throws nothing.
std::string thrown(const std::function<void()>& body);

// An epoch that was timed.
struct Epoch {
  std::size_t who = 0;
  std::size_t first = 0;  // turn
  std::size_t calls = 0;
  std::size_t warm = 0;        // calls right before it, untimed
  std::size_t warm_first = 0;  // their first turn
  Reported innermost = Reported::kCpu;
  std::size_t at = 0;  // where in the diary
};
// All of them since entry `from`. Empty ones (the empty epoch's) are left out.
std::vector<Epoch> timed(std::size_t from = 0);

}  // namespace headroom::diary
