#include "bench/ladder_benchmark.h"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <deque>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <utility>
#include <vector>

#include "bench/clocks.h"
#include "bench/counters.h"
#include "bench/slot.h"
#include "core/agreement.h"
#include "core/cpu.h"

namespace headroom {
namespace {

using nlohmann::ordered_json;

constexpr double kEpochNs =
    100'000;  // the shortest epoch aimed at; variants that share k take up to twice it
constexpr double kShortEpochNs = 50'000;  // below it the CPU clock is too dear
constexpr double kLongCallNs =
    10'000'000;  // from here on no warm call comes before: it can't matter to a share of 1%
constexpr std::size_t kWorkBytes = std::size_t{64} << 20;  // copies of Work refilled for one epoch
constexpr std::size_t kMinRounds = 5;
constexpr std::size_t kPilotRounds = 3;
constexpr std::size_t kUnplannedRounds = 30;
constexpr std::size_t kPilotTurns = 3;
constexpr std::size_t kRoundsPerCounted = 10;  // timed ones for each with the counters on
constexpr std::size_t kCountedRounds = 5;      // at most: counts scatter far less than times
constexpr std::size_t kAfterLastEpoch = 0;     // for check(): the outputs as they are

// A registered benchmark: one group of one ladder.
struct Job {
  Ladder ladder;
  LadderPlan plan;
};

// Shared by all ladders of this process.
struct Launch {
  Plan plan;  // without its ladders: those are in the jobs
  LaunchOptions options;
  std::deque<Job> jobs;  // a deque: benchmarks keep references to them
  ordered_json results = ordered_json::array();
  bool mismatch = false;
  std::int64_t started = wall_ns();
  std::optional<ConditionsWatch> watch;  // from the first round on
  Conditions conditions;                 // up to the last round
  CountersOpened counters;               // without the source, which is open only while it counts
};

Launch& launch() {
  static Launch only;
  return only;
}

struct Mismatch : std::runtime_error {
  using std::runtime_error::runtime_error;
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
  std::size_t held = 0;  // bytes
  std::vector<double> wall, cpu;
  std::map<std::string, double> counts = {};  // of a call, by counter
};

std::string variant_name(const Measured& m) {
  return m.ceiling ? "ceiling" : std::string(m.kernel->variants[m.rung.variant].name);
}

std::size_t working_set(const Demand& demand) {
  return std::max<std::size_t>(
      1, demand.working_set != 0 ? demand.working_set : static_cast<std::size_t>(demand.bytes));
}

// The index of a variant in a kernel's table. Throws std::runtime_error where there is none.
std::size_t variant_named(const Kernel& kernel, const std::string& name) {
  for (std::size_t i = 0; i < kernel.variants.size(); ++i)
    if (kernel.variants[i].name == name) return i;
  throw std::runtime_error("the plan names " + kernel.meta.name + "/" + name +
                           ", which this build lacks; start a new run");
}

class LadderSession {
 public:
  LadderSession(const Ladder& ladder, LadderPlan& plan, std::uint64_t seed)
      : ladder_(ladder),
        plan_(plan),
        kernel_(*ladder.kernel),
        setting_(ladder.setting(seed)),
        demand_(kernel_.meta.demand(setting_)),
        order_rng_(seed * 1'000'003 + static_cast<std::uint64_t>(launch().options.launch)) {}

  // Builds the arms and checks them. Throws Mismatch, or what kept it from being built.
  void prepare();
  // Chooses calls and rounds; only in a pilot or without a plan.
  void calibrate();
  // Runs every arm once; returns the seconds that were timed.
  double round();
  // Runs every arm a few times more, untimed, with the counters on where there are any.
  void count();
  // Checks the outputs after the last epoch. Throws Mismatch.
  void check_again() { check(kAfterLastEpoch); }
  ordered_json result(const std::string& status, const std::string& message) const;
  std::size_t skipped = 0;
  const std::vector<Measured>& arms() const { return arms_; }
  Reported clock() const { return plan_.clock; }

 private:
  void add_ceiling();
  std::size_t fastest_variant(const Measured& ceiling) const;
  void check(std::size_t turns);
  std::size_t warm_calls(const Measured& m) const;
  void make_ready(Measured& m, bool warm);
  EpochTime epoch(Measured& m, bool warm);
  double ns_per_call(Measured& m);

  const Ladder& ladder_;
  LadderPlan& plan_;
  const Kernel& kernel_;
  const Setting setting_;
  const Demand demand_;
  FastRng order_rng_;
  const Instance* probe_ = nullptr;  // the ceiling's, where there is one
  std::vector<Measured> arms_;       // the baseline first, the ceiling last
  std::vector<std::size_t> order_;
  EpochTime empty_;
  double build_s_ = 0;  // input and arms made: what a launch pays before its first round
  std::int64_t began_ = wall_ns();
  std::int64_t ended_ = began_;
};

void LadderSession::prepare() {
  const Instance& instance = bound_instance(kernel_, setting_);
  const std::vector<Rung>& rungs = ladder_.groups.at(static_cast<std::size_t>(plan_.group));
  for (const Rung& rung : rungs) {
    Measured& m = arms_.emplace_back();
    m.kernel = &kernel_;
    m.rung = rung;
    m.demand = demand_;
  }
  add_ceiling();
  for (std::size_t i = 0; i < arms_.size(); ++i) {
    order_.push_back(i);
    if (i >= plan_.arms.size()) continue;
    arms_[i].calls = plan_.arms[i].calls;
    arms_[i].long_call = plan_.arms[i].long_call;
  }
  // Where memory happens to lie is part of the result; swapping who comes first in every other
  // launch keeps it from favouring one arm.
  std::vector<std::size_t> placement = order_;
  if (launch().options.launch % 2 == 1) std::reverse(placement.begin(), placement.end());
  for (std::size_t i : placement) {
    Measured& m = arms_[i];
    set_threads(m.rung.threads);
    const std::size_t before = allocated_bytes();
    m.arm = (m.ceiling ? *probe_ : instance).arm(m.rung.variant);
    m.held = allocated_since(before);
  }
  build_s_ = static_cast<double>(wall_ns() - began_) * 1e-9;
  if (launch().options.pilot || !launch().options.planned) check(kPilotTurns);
  for (std::size_t i : placement) {
    set_threads(arms_[i].rung.threads);
    arms_[i].arm->set_turn(0);
    if (arms_[i].kernel->meta.warm != Warm::kNone && !arms_[i].long_call)
      run_untimed(*arms_[i].arm, 1);
  }
  set_threads(arms_.front().rung.threads);
  arms_.front().arm->refill(0);
  empty_ = empty_epoch(*arms_.front().arm, plan_.clock);
  ended_ = wall_ns();
}

// Compares every arm's output with the baseline's: over `turns` turns from the first one, or, for
// kAfterLastEpoch, what the last epoch left behind.
void LadderSession::check(std::size_t turns) {
  Measured& baseline = arms_.front();
  const auto compare = [&](const Measured& m) {
    if (const absl::Status status = m.arm->agrees_with(*baseline.arm); !status.ok())
      throw Mismatch(std::string(
          disagreement(kernel_, m.rung.variant, setting_, m.rung.threads, status).message()));
  };
  const auto run_baseline = [&](std::size_t turn) {
    set_threads(baseline.rung.threads);
    run_turn(*baseline.arm, turn);
  };
  // The baseline is the slowest by far in many ladders: it runs once a turn, not once an arm.
  for (std::size_t turn = 0; turn < turns; ++turn) {
    run_baseline(turn);
    for (std::size_t i = 1; i < arms_.size(); ++i) {
      if (arms_[i].ceiling) continue;
      set_threads(arms_[i].rung.threads);
      run_turn(*arms_[i].arm, turn);
      compare(arms_[i]);
    }
  }
  if (turns != kAfterLastEpoch) return;
  // Variants that made as many calls stand at the same turn: the baseline runs once for them all.
  std::vector<std::size_t> others;
  for (std::size_t i = 1; i < arms_.size(); ++i)
    if (!arms_[i].ceiling) others.push_back(i);
  const auto turn = [&](std::size_t i) { return arms_[i].arm->turn(); };
  std::stable_sort(others.begin(), others.end(),
                   [&](std::size_t a, std::size_t b) { return turn(a) < turn(b); });
  std::optional<std::size_t> ran;
  for (const std::size_t i : others) {
    arms_[i].arm->settle();
    if (!ran || (baseline.arm->rotates() && *ran != turn(i)))
      run_baseline(turn(i) == 0 ? 0 : turn(i) - 1);
    ran = turn(i);
    compare(arms_[i]);
  }
}

// Appends the ceiling's arm, where the kernel names a probe and this build has it. In a pilot all
// the probe's variants are tried, and the fastest stays.
void LadderSession::add_ceiling() {
  const Ceiling& ceiling = kernel_.meta.ceiling;
  const Kernel* probe = ceiling.probe.empty() ? nullptr : find_kernel(ceiling.probe);
  if (probe == nullptr || !probe->variants.front().available()) return;
  const std::size_t n = probe->meta.sizes.size() > 1 ? std::max<std::size_t>(1, demand_.working_set)
                                                     : probe->meta.sizes.front();
  const Setting setting{n, ceiling.input.empty() ? probe->meta.inputs.front() : ceiling.input,
                        setting_.seed};
  Measured m;
  m.kernel = probe;
  m.ceiling = true;
  m.demand = probe->meta.demand(setting);
  m.rung.threads = probe->meta.sweeps_threads ? ladder_.threads : 1;
  const std::string& unit = probe->meta.unit;
  m.scale = unit == "B/s"      ? demand_.bytes / m.demand.bytes
            : unit == "FLOP/s" ? demand_.flops / m.demand.flops
                               : demand_.accesses / m.demand.items;
  if (!(m.scale > 0)) return;
  probe_ = &bound_instance(*probe, setting, Slot::kCeiling);
  m.rung.variant =
      plan_.arms.empty() ? fastest_variant(m) : variant_named(*probe, plan_.arms.back().probe);
  arms_.push_back(std::move(m));
}

// The variants take turns, each warmed as in a round: one that goes over its memory again and again
// undisturbed finds more of it in the last cache than it will in the ladder, and then variants
// differ less, or the other way. The median decides, lest it be the luck of one call.
std::size_t LadderSession::fastest_variant(const Measured& ceiling) const {
  constexpr std::size_t kRepeats = 5;
  struct Candidate {
    std::size_t variant = 0;
    std::unique_ptr<Arm> arm;
    std::vector<double> ns;
  };
  std::vector<Candidate> candidates;
  set_threads(ceiling.rung.threads);
  for (std::size_t i = 0; i < ceiling.kernel->variants.size(); ++i)
    if (ceiling.kernel->variants[i].available()) candidates.push_back({i, probe_->arm(i), {}});
  for (std::size_t repeat = 0; repeat < kRepeats; ++repeat) {
    for (Candidate& c : candidates) {
      run_untimed(*c.arm, 1);
      c.arm->refill(1);
      c.ns.push_back(time_epoch(*c.arm, 1, Reported::kWall).wall);
    }
  }
  for (Candidate& c : candidates) std::sort(c.ns.begin(), c.ns.end());
  return std::min_element(candidates.begin(), candidates.end(),
                          [](const Candidate& a, const Candidate& b) {
                            return a.ns[kRepeats / 2] < b.ns[kRepeats / 2];
                          })
      ->variant;
}

std::size_t LadderSession::warm_calls(const Measured& m) const {
  const std::size_t whole = m.calls;
  if (m.long_call) return 0;
  switch (m.kernel->meta.warm) {
    case Warm::kNone:
      return 0;
    case Warm::kCall:
      return 1;
    case Warm::kEpoch:
      return whole;
    case Warm::kAuto:
      break;
  }
  const bool partial = m.arm->rotates() || m.kernel->variants[m.rung.variant].shape != Shape::kPure;
  return partial && working_set(m.demand) <= l2_bytes() ? whole : 1;
}

// All that comes before an epoch.
void LadderSession::make_ready(Measured& m, bool warm) {
  set_threads(m.rung.threads);
  if (const std::size_t calls = warm ? warm_calls(m) : 0; calls != 0) run_untimed(*m.arm, calls);
  m.arm->refill(m.calls);
}

EpochTime LadderSession::epoch(Measured& m, bool warm) {
  make_ready(m, warm);
  EpochTime t = time_epoch(*m.arm, m.calls, plan_.clock);
  const double per_call = m.scale / static_cast<double>(m.calls);
  t.wall = std::max(t.wall - empty_.wall, 1.0) * per_call;
  t.cpu = std::max(t.cpu - empty_.cpu, 1.0) * per_call;
  return t;
}

// Nanoseconds a call, by the wall clock: the least of three epochs long enough to be read. Leaves
// the most calls that an epoch may have in m.calls.
double LadderSession::ns_per_call(Measured& m) {
  const std::size_t limit = m.kernel->variants[m.rung.variant].shape == Shape::kMutating
                                ? std::max<std::size_t>(1, kWorkBytes / working_set(m.demand))
                                : std::size_t{1} << 30;
  m.calls = 1;
  const double unscaled = 1 / m.scale;
  double per_call = epoch(m, true).wall * unscaled;
  // A second epoch of a long call would tell little, and take long.
  m.long_call = per_call >= kLongCallNs;
  while (per_call * static_cast<double>(m.calls) < kEpochNs / 2 && m.calls < limit) {
    const double wanted = std::ceil(kEpochNs / std::max(per_call, 0.1));
    m.calls = std::min({limit, m.calls * 16, static_cast<std::size_t>(wanted)});
    per_call = epoch(m, true).wall * unscaled;
  }
  for (int i = 0; i < 2 && !m.long_call; ++i)
    per_call = std::min(per_call, epoch(m, true).wall * unscaled);
  m.calls = limit;
  return per_call;
}

void LadderSession::calibrate() {
  const Axis axis = kernel_.meta.axis;
  const bool several =
      std::any_of(arms_.begin(), arms_.end(), [](const Measured& m) { return m.rung.threads > 1; });
  const bool waits = axis == Axis::kNetwork || noise_class(axis) == NoiseClass::kStorage;
  plan_.clock = kernel_.meta.clock == Clock::kWall ||
                        (kernel_.meta.clock == Clock::kAuto && (several || waits))
                    ? Reported::kWall
                    : Reported::kCpu;
  empty_ = empty_epoch(*arms_.front().arm, plan_.clock);

  std::vector<std::pair<double, std::size_t>> by_cost;  // ns a call, arm
  for (std::size_t i = 0; i < arms_.size(); ++i) by_cost.push_back({ns_per_call(arms_[i]), i});
  std::sort(by_cost.begin(), by_cost.end());
  // Variants within 2x of each other share k, so that the length of an epoch can't favour one.
  double shortest_epoch = kEpochNs;
  for (std::size_t first = 0; first < by_cost.size();) {
    std::size_t last = first;
    std::size_t limit = arms_[by_cost[first].second].calls;
    while (last < by_cost.size() && by_cost[last].first <= 2 * by_cost[first].first) {
      limit = std::min(limit, arms_[by_cost[last].second].calls);
      ++last;
    }
    const double wanted = std::ceil(kEpochNs / std::max(by_cost[first].first, 0.1));
    const std::size_t calls = std::clamp<std::size_t>(static_cast<std::size_t>(wanted), 1, limit);
    shortest_epoch = std::min(shortest_epoch, by_cost[first].first * static_cast<double>(calls));
    for (; first < last; ++first) arms_[by_cost[first].second].calls = calls;
  }
  if (shortest_epoch < kShortEpochNs && kernel_.meta.clock != Clock::kCpu) {
    plan_.clock = Reported::kWall;
    empty_ = empty_epoch(*arms_.front().arm, plan_.clock);
  }

  const std::int64_t start = wall_ns();
  for (Measured& m : arms_) epoch(m, true);
  const double cost = static_cast<double>(wall_ns() - start) * 1e-9;
  const Plan& plan = launch().plan;
  double affordable = plan.budget_s / std::max(cost, 1e-9);
  // The counted rounds are part of the budget.
  if (open_counters().source != nullptr) affordable /= 1 + 1.0 / kRoundsPerCounted;
  plan_.rounds = plan.rounds_fixed != 0
                     ? plan.rounds_fixed
                     : static_cast<std::size_t>(
                           std::clamp(affordable, static_cast<double>(kMinRounds),
                                      static_cast<double>(std::max(plan.rounds_max, kMinRounds))));
  plan_.estimate_s = build_s_ + cost * static_cast<double>(plan_.rounds);
  plan_.arms.clear();
  for (const Measured& m : arms_)
    plan_.arms.push_back({variant_name(m), m.rung.threads, m.calls, m.long_call,
                          m.ceiling ? std::string(m.kernel->variants[m.rung.variant].name) : ""});
}

double LadderSession::round() {
  shuffle(std::span(order_), order_rng_);
  double timed = 0;
  for (std::size_t i : order_) {
    Measured& m = arms_[i];
    const EpochTime t = epoch(m, true);
    m.wall.push_back(t.wall);
    m.cpu.push_back(t.cpu);
    timed += t.wall / m.scale * static_cast<double>(m.calls) * 1e-9;
  }
  ended_ = wall_ns();
  return timed;
}

void LadderSession::count() {
  CountersOpened opened = open_counters();
  const std::unique_ptr<CounterSource> source = std::move(opened.source);
  launch().counters = std::move(opened);
  if (source == nullptr) return;
  Measured& baseline = arms_.front();
  set_threads(baseline.rung.threads);
  const std::vector<double> empty = count_empty_epoch(*source, *baseline.arm);
  std::vector<std::vector<std::vector<double>>> epochs(arms_.size());
  const std::size_t rounds =
      std::clamp<std::size_t>(plan_.rounds / kRoundsPerCounted, 1, kCountedRounds);
  for (std::size_t round = 0; round < rounds; ++round) {
    shuffle(std::span(order_), order_rng_);
    for (std::size_t i : order_) {
      if (arms_[i].ceiling) continue;
      make_ready(arms_[i], true);
      epochs[i].push_back(count_epoch(*source, *arms_[i].arm, arms_[i].calls));
    }
  }
  for (std::size_t i = 0; i < arms_.size(); ++i)
    if (!epochs[i].empty())
      arms_[i].counts = counts_per_call(source->names(), epochs[i], empty, arms_[i].calls);
  ended_ = wall_ns();
}

ordered_json LadderSession::result(const std::string& status, const std::string& message) const {
  ordered_json arms = ordered_json::array();
  std::size_t working_set = bound_input_bytes();
  for (const Measured& m : arms_) {
    if (!m.ceiling) working_set += m.held;
    ordered_json quantities = ordered_json::object();
    if (m.arm != nullptr)
      for (const auto& [name, q] : m.arm->quantities())
        quantities[name] = {{"value", q.value}, {"unit", q.unit}};
    const VariantInfo& v = m.kernel->variants[m.rung.variant];
    arms.push_back({{"variant", variant_name(m)},
                    {"role", m.ceiling ? "ceiling" : v.role},
                    {"threads", m.rung.threads},
                    {"calls", m.calls},
                    {"wall_ns", m.wall},
                    {"cpu_ns", m.cpu},
                    {"held_bytes", m.held},
                    {"quantities", std::move(quantities)}});
    if (!m.counts.empty()) arms.back()["counters"] = m.counts;
    if (m.ceiling) arms.back()["probe"] = m.kernel->meta.name + "/" + std::string(v.name);
  }
  const std::size_t first =
      ladder_.groups.at(static_cast<std::size_t>(plan_.group)).front().variant;
  return {{"n", ladder_.n},
          {"input", ladder_.input},
          {"threads", ladder_.threads},
          {"group", plan_.group},
          {"baseline", kernel_.variants[first].name},
          {"clock", plan_.clock == Reported::kCpu ? "cpu" : "wall"},
          {"working_set", working_set},
          {"empty_wall_ns", empty_.wall},
          {"empty_cpu_ns", empty_.cpu},
          {"skipped_rounds", skipped},
          {"setup_s", build_s_},
          {"seconds", static_cast<double>(ended_ - began_) * 1e-9},
          {"status", status},
          {"message", message},
          {"arms", std::move(arms)}};
}

bool past_deadline() {
  const double deadline = launch().plan.deadline_s;
  return deadline > 0 && static_cast<double>(wall_ns() - launch().started) * 1e-9 > deadline;
}

double median_log_ratio(const Measured& baseline, const Measured& arm, Reported clock) {
  const std::vector<double>& b = clock == Reported::kCpu ? baseline.cpu : baseline.wall;
  const std::vector<double>& a = clock == Reported::kCpu ? arm.cpu : arm.wall;
  std::vector<double> logs;
  for (std::size_t i = 0; i < a.size(); ++i) logs.push_back(std::log(b[i] / a[i]));
  if (logs.empty()) return 0;
  std::nth_element(logs.begin(), logs.begin() + static_cast<std::ptrdiff_t>(logs.size() / 2),
                   logs.end());
  return logs[logs.size() / 2];
}

void run_ladder(benchmark::State& state, Job& job) {
  const Ladder& ladder = job.ladder;
  LadderSession session(ladder, job.plan, launch().plan.seed);
  std::string status = "ok", message;
  try {
    session.prepare();
    if (launch().options.pilot || !launch().options.planned) session.calibrate();
  } catch (const Mismatch& error) {
    launch().mismatch = true;
    status = "mismatch";
    message = error.what();
  } catch (const std::bad_alloc&) {
    status = "no-memory";
    message = "out of memory";
  } catch (const std::exception& error) {
    message = error.what();
    status = message.rfind("not enough memory", 0) == 0          ? "no-memory"
             : message.rfind("not enough scratch space", 0) == 0 ? "no-space"
                                                                 : "error";
  }
  if (status != "ok") state.SkipWithError(message.c_str());
  if (!launch().watch) launch().watch.emplace();
  for (auto _ : state) {
    double seconds = 0;
    // Leaving the loop early aborts in some builds of the library: skip instead.
    if (status != "ok" || past_deadline()) {
      ++session.skipped;
    } else {
      try {
        seconds = session.round();
      } catch (const std::exception& error) {
        status = "error";
        message = error.what();
      }
    }
    state.SetIterationTime(std::max(seconds, 1e-9));
  }
  launch().conditions = launch().watch->so_far();
  if (status == "ok") {
    try {
      if (!past_deadline()) session.count();
      session.check_again();
    } catch (const Mismatch& error) {
      launch().mismatch = true;
      status = "mismatch";
      message = error.what();
    } catch (const std::exception& error) {
      status = "error";
      message = error.what();
    }
  }
  if (status == "ok") {
    const std::vector<Measured>& arms = session.arms();
    for (std::size_t i = 1; i < arms.size(); ++i)
      state.counters["speedup:" + variant_name(arms[i])] =
          std::exp(median_log_ratio(arms.front(), arms[i], session.clock()));
  }
  launch().results.push_back(session.result(status, message));
}

// True if the plan's arms are those that this build would run.
bool plan_fits(const Job& job) {
  const Kernel& kernel = *job.ladder.kernel;
  const std::vector<Rung>& rungs = job.ladder.groups[static_cast<std::size_t>(job.plan.group)];
  const bool ceiling = !job.plan.arms.empty() && job.plan.arms.back().variant == "ceiling";
  if (job.plan.arms.size() != rungs.size() + ceiling) return false;
  for (std::size_t i = 0; i < rungs.size(); ++i) {
    const ArmPlan& arm = job.plan.arms[i];
    if (kernel.variants[rungs[i].variant].name != arm.variant || rungs[i].threads != arm.threads ||
        arm.calls == 0)
      return false;
  }
  return true;
}

void register_job(Job& job, const std::string& name) {
  const LaunchOptions& options = launch().options;
  const bool follows_plan = options.planned && !options.pilot;
  if (follows_plan && (job.plan.rounds == 0 || !plan_fits(job)))
    throw std::runtime_error("the plan is not one for this build; start a new run");
  const std::size_t rounds = options.pilot  ? kPilotRounds
                             : follows_plan ? job.plan.rounds
                                            : kUnplannedRounds;
  benchmark::RegisterBenchmark(("ladder/" + name).c_str(),
                               [&job](benchmark::State& state) { run_ladder(state, job); })
      ->UseManualTime()
      ->Iterations(static_cast<benchmark::IterationCount>(rounds));
}

}  // namespace

void register_ladders(const Plan& plan, const LaunchOptions& options) {
  Launch& all = launch();
  all.options = options;
  all.plan = plan;
  const Kernel* kernel = find_kernel(plan.kernel);
  if (kernel == nullptr) throw std::runtime_error("no kernel named " + plan.kernel);
  const std::vector<Ladder> known = ladders(*kernel);
  for (const LadderPlan& wanted : plan.ladders) {
    const auto ladder = std::find_if(known.begin(), known.end(), [&](const Ladder& l) {
      return l.n == wanted.n && l.input == wanted.input && l.threads == wanted.threads;
    });
    const std::string name = cell_name(*kernel, "", wanted.n, wanted.input, wanted.threads);
    if (ladder == known.end()) throw std::runtime_error("no ladder " + name);
    if (!ladder->blocked.empty()) throw std::runtime_error(name + ": " + ladder->blocked);
    for (std::size_t g = 0; g < ladder->groups.size(); ++g) {
      if (wanted.group >= 0 && static_cast<std::size_t>(wanted.group) != g) continue;
      Job& job = all.jobs.emplace_back(Job{*ladder, wanted});
      job.plan.group = static_cast<int>(g);
      register_job(job, name + (ladder->groups.size() > 1 ? "/group:" + std::to_string(g) : ""));
    }
  }
}

const ordered_json& ladder_results() { return launch().results; }

Plan completed_plan() {
  Plan plan = launch().plan;
  plan.ladders.clear();
  for (const Job& job : launch().jobs) plan.ladders.push_back(job.plan);
  return plan;
}

bool any_mismatch() { return launch().mismatch; }

const Conditions& launch_conditions() { return launch().conditions; }

ordered_json counters_missing() {
  const CountersOpened& counters = launch().counters;
  if (counters.why.empty()) return nullptr;
  return {{"why", counters.why}, {"cure", counters.cure}};
}

}  // namespace headroom
