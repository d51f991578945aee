// One group of one ladder at work: its arms built, checked, and timed round by round.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "bench/clocks.h"
#include "bench/counters.h"
#include "bench/ladder.h"
#include "bench/plan.h"
#include "bench/round_order.h"
#include "core/kernel.h"
#include "core/random.h"
#include "nlohmann/json_fwd.hpp"

namespace headroom {

inline constexpr std::size_t kPilotRounds = 3;  // at most
// The shortest epoch aimed at; variants that share their number of calls take up to twice it.
inline constexpr double kEpochNs = 100'000;
inline constexpr double kShortEpochNs = 50'000;  // below it the CPU clock is too dear

// Timed rounds for each with the counters on.
inline constexpr std::size_t kRoundsPerCounted = 10;

// What the command line asks of the ladders.
struct LaunchOptions {
  int launch = 0;        // 0 is the pilot; 2i - 1 and 2i allocate and first use in opposite order
  bool pilot = false;    // check, choose calls and rounds, and run few rounds
  bool planned = false;  // a plan was given; without one each ladder calibrates itself
  std::uint64_t chance = 0;  // a run's own: the order of the arms in memory and in time
  // Whether calls and rounds are chosen in this process, and so outputs checked before.
  bool calibrates() const { return pilot || !planned; }
};

// A variant's output differs from the baseline's.
struct Mismatch : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// A variant that threw: it is lost to the ladder, which goes on without it.
struct Failed {
  std::string variant;
  int threads = 1;
  std::string message;
};

// One arm with what it measured: nanoseconds a call, round by round. A ceiling is an arm of a
// probe's kernel; its times are scaled to what a call of the ladder's kernel takes at least.
struct Measured {
  const Kernel* kernel = nullptr;
  Rung rung;
  Demand demand;
  bool ceiling = false;
  double scale = 1;
  std::unique_ptr<Arm> arm;
  std::size_t calls = 0;
  bool long_call = false;
  std::size_t settle = 0;  // warm calls that the pilot found it to need; 0: the usual ones
  double checked_ns = 0;   // the quickest call of the check, whatever it found in the caches
  double call_ns = 0;      // what calibration found, unscaled
  double epoch_s = 0;      // what an epoch takes with all that comes before it; 0: not known yet
  std::size_t held = 0;    // bytes
  std::vector<double> wall, cpu;
  bool settled = false;                       // the last epoch's result is in the output
  std::size_t rounds = 0;                     // kept before the last round
  std::vector<double> values = {};            // the measure, where it isn't time
  std::map<std::string, double> counts = {};  // of a call, by counter
};

// The variant's name; "ceiling" for a ceiling's arm.
std::string variant_name(const Measured& m);
// Whether what the kernel does waits for a disk or a network.
bool waits(const Kernel& kernel);
// The clock that is reported, unless epochs are too short for it. several: some arm has threads.
Reported usual_clock(const Kernel& kernel, bool several);
// Bytes that calls come back to.
std::size_t working_set(const Demand& demand);

class LadderSession {
 public:
  // `whole` is the plan that `own`, this ladder's part, belongs to. All must outlive the session.
  LadderSession(const Ladder& ladder, LadderPlan& own, const Plan& whole,
                const LaunchOptions& options)
      : ladder_(ladder),
        plan_(own),
        whole_(whole),
        options_(options),
        kernel_(*ladder.kernel),
        setting_(ladder.setting(whole.seed)),
        demand_(kernel_.meta.demand(setting_)) {}

  // Builds the arms and checks them. A variant that throws is dropped; where it was the baseline, a
  // pilot goes on with the next as the baseline, a later launch doesn't. Throws Mismatch, or what
  // kept the ladder from being built.
  void prepare();
  // Chooses calls and rounds; only in a pilot or without a plan.
  void calibrate();
  // Rounds that a pilot runs: they tell little of a plan that is made, and long ones cost much.
  std::size_t pilot_rounds() const;
  // Runs every arm once; returns the seconds that were timed. After the last round all outputs are
  // those of one turn, for check_again().
  double round(bool last);
  // Takes back what the last round measured: the next one takes its place, in its order.
  void forget_round();
  // Runs every arm a few times more, untimed, with the counters on where there are any; returns
  // why there are none.
  CountersOpened count();
  // Checks the outputs that the last epoch left behind. Throws Mismatch.
  void check_again();
  nlohmann::ordered_json result(const std::string& status, const std::string& message) const;
  std::size_t skipped = 0;
  const std::vector<Measured>& arms() const { return arms_; }
  std::size_t last_arm() const { return last_arm_; }  // that ran in the last round
  Reported clock() const { return plan_.clock; }

 private:
  void add_arms();
  void add_ceiling();
  std::vector<std::size_t> placement() const;
  std::size_t fastest_variant(const Measured& ceiling) const;
  // Does something with one arm; false where it threw, which costs the ladder that arm alone.
  template <class Body>
  bool attempt(Measured& m, Body&& body) {
    try {
      body();
      return true;
    } catch (const std::bad_alloc&) {
      fail(m, "out of memory");
    } catch (const std::exception& error) {
      fail(m, error.what());
    }
    return false;
  }
  void fail(Measured& m, const std::string& why);
  void drop_failed();
  bool check(const std::vector<std::size_t>& order);
  void require_agreement(const Measured& m) const;
  void require_ok(const Measured& m, const absl::Status& status) const;
  static void settle(Measured& m);
  std::size_t warm_calls(const Measured& m) const;
  std::size_t first_turn(const Measured& m) const;
  void make_ready(Measured& m);
  EpochTime epoch(Measured& m);
  void keep_value(Measured& m) const;
  void meet_at_one_turn();
  double ns_per_call(Measured& m);
  bool may_settle(const Measured& m) const;
  std::size_t settling_calls(std::size_t index);

  const Ladder& ladder_;
  LadderPlan& plan_;
  const Plan& whole_;
  const LaunchOptions& options_;
  const Kernel& kernel_;
  const Setting setting_;
  const Demand demand_;
  const Instance* probe_ = nullptr;  // the ceiling's, where there is one
  std::vector<Measured> arms_;       // the baseline first, the ceiling last
  std::vector<Failed> failed_;
  std::optional<RoundOrder> order_;
  std::vector<std::size_t> round_order_;  // of the last round
  bool forgotten_ = false;                // the last round
  std::size_t last_arm_ = 0;
  std::size_t last_turn_ = 0;  // where the epochs of the round end; 0: wherever they come
  EpochTime empty_;
  double build_s_ = 0;  // input and arms made: what a launch pays before its first round
  double chose_s_ = 0;  // what a pilot alone does then: try the probe's variants
  double round_s_ = 0;  // what a round takes, as the pilot found
  std::int64_t began_ = wall_ns();
  std::int64_t ended_ = began_;
};

}  // namespace headroom
