#include "bench/ladder_benchmark.h"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <deque>
#include <optional>
#include <stdexcept>
#include <vector>

#include "bench/quiet_rounds.h"
#include "bench/sentinel.h"
#include "nlohmann/json.hpp"

namespace headroom {
namespace {

using nlohmann::ordered_json;

constexpr std::size_t kUnplannedRounds = 30;

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
  Sentinel sentinel;
  StoppedRounds stopped;
  std::optional<QuietRounds> quiet;  // from the first ladder on whose rounds it may judge
  CountersOpened counters;           // without the source, which is open only while it counts
};

std::optional<Launch>& launch_slot() {
  static std::optional<Launch> only;
  return only;
}

Launch& launch() {
  std::optional<Launch>& slot = launch_slot();
  if (!slot) slot.emplace();
  return *slot;
}

bool past_deadline() {
  const double deadline = launch().plan.deadline_s;
  return deadline > 0 && static_cast<double>(wall_ns() - launch().started) * 1e-9 > deadline;
}

// How much better than the baseline, as the median over rounds; by the kernel's measure.
double median_speedup(const Measured& baseline, const Measured& arm, Reported clock) {
  const Measure& measure = baseline.kernel->meta.measure;
  const auto of = [&](const Measured& m) -> const std::vector<double>& {
    return !m.values.empty() ? m.values : clock == Reported::kCpu ? m.cpu : m.wall;
  };
  const std::vector<double>&b = of(baseline), &a = of(arm);
  std::vector<double> logs;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i)
    logs.push_back(std::log(b[i] / a[i]));
  if (logs.empty()) return 1;
  const auto middle = logs.begin() + static_cast<std::ptrdiff_t>(logs.size() / 2);
  std::nth_element(logs.begin(), middle, logs.end());
  return std::exp(measure.more_is_better ? -*middle : *middle);
}

// Whether the sentinel may speak of this ladder's rounds. It runs on one core: what happens to the
// others it doesn't see, and threads that spin after their work may slow it themselves. A pilot and
// a run that only checks keep no figure.
bool judged_by_sentinel(const Ladder& ladder) {
  const NoiseClass noise = noise_class(ladder.kernel->meta.axis);
  return ladder.threads == 1 && (noise == NoiseClass::kCpu || noise == NoiseClass::kDram) &&
         !launch().options.calibrates() && launch().plan.rounds_fixed == 0;
}

// Runs the ladder's round number `round`, and again while what else ran on its core speaks against
// it; returns the seconds that were timed.
double counted_round(LadderSession& session, QuietRounds* quiet, std::size_t index,
                     std::size_t round, bool last) {
  while (true) {
    const std::int64_t began = wall_ns();
    launch().stopped.begin();
    const double seconds = session.round(last);
    if (!launch().stopped.counts() && !past_deadline()) {
      session.forget_round();
      continue;
    }
    const Sentinel::Place place{index, round, session.last_arm()};
    if (quiet == nullptr) {
      launch().sentinel.between_rounds(place);
      return seconds;
    }
    if (past_deadline() || quiet->counts(place, began)) return seconds;
    session.forget_round();
    quiet->wait();
  }
}

void run_ladder(benchmark::State& state, Job& job) {
  const Ladder& ladder = job.ladder;
  LadderSession session(ladder, job.plan, launch().plan, launch().options);
  std::string status = "ok", message;
  try {
    session.prepare();
    // What disturbs a pilot disturbs the plan.
    if (!launch().watch && launch().options.calibrates()) launch().watch.emplace();
    if (launch().options.calibrates()) session.calibrate();
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
  const std::size_t index = launch().results.size();
  QuietRounds* quiet = nullptr;
  if (status == "ok") {
    launch().sentinel.between_rounds({index, 0});
    if (judged_by_sentinel(ladder)) {
      if (!launch().quiet) launch().quiet.emplace(launch().sentinel, launch().plan.sentinel_ns);
      quiet = &*launch().quiet;
      quiet->wait();
    }
  }
  const auto most = static_cast<std::size_t>(state.max_iterations);
  const std::size_t rounds = launch().options.pilot ? session.pilot_rounds() : most;
  std::size_t round = 0;
  for (auto _ : state) {
    double seconds = 0;
    // Leaving the loop early aborts in some builds of the library: skip instead.
    if (++round > rounds) {
      // A pilot has seen enough.
    } else if (status != "ok" || past_deadline()) {
      ++session.skipped;
    } else {
      try {
        seconds = counted_round(session, quiet, index, round, round == rounds);
      } catch (const std::exception& error) {
        status = "error";
        message = error.what();
      }
    }
    state.SetIterationTime(std::max(seconds, 1e-9));
  }
  launch().conditions = launch().watch->so_far();
  launch().conditions.throttled = launch().stopped.counted_s();
  if (status == "ok") {
    try {
      if (!past_deadline()) launch().counters = session.count();
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
      if (arms[i].arm != nullptr)
        state.counters["speedup:" + variant_name(arms[i])] =
            median_speedup(arms.front(), arms[i], session.clock());
  }
  launch().results.push_back(session.result(status, message));
}

// True if the plan's arms are among those that this build would run, in their order.
bool plan_fits(const Job& job) {
  const Kernel& kernel = *job.ladder.kernel;
  const std::vector<Rung>& rungs = job.ladder.groups[static_cast<std::size_t>(job.plan.group)];
  auto next = rungs.begin();
  for (const ArmPlan& arm : job.plan.arms) {
    if (arm.calls == 0) return false;
    if (arm.variant == "ceiling") continue;
    next = std::find_if(next, rungs.end(), [&](const Rung& rung) {
      return kernel.variants[rung.variant].name == arm.variant && rung.threads == arm.threads;
    });
    if (next == rungs.end()) return false;
    ++next;
  }
  return next != rungs.begin();
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
      return l.n == wanted.n && l.input == wanted.input && l.threads == wanted.threads &&
             l.params == wanted.params;
    });
    const std::string name =
        cell_name(*kernel, "", {wanted.n, wanted.input, plan.seed, wanted.threads, wanted.params});
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

ordered_json sentinel_told() {
  ordered_json told = launch().sentinel.to_json();
  const std::optional<QuietRounds>& quiet = launch().quiet;
  told["rounds_again"] = quiet ? quiet->again() : 0;
  told["waited_s"] = quiet ? quiet->waited_s() : 0.0;
  return told;
}

ordered_json counters_missing() {
  const CountersOpened& counters = launch().counters;
  if (counters.why.empty()) return nullptr;
  return {{"why", counters.why}, {"cure", counters.cure}};
}

void forget_ladders() {
  benchmark::ClearRegisteredBenchmarks();  // they refer to the jobs
  launch_slot().reset();
}

}  // namespace headroom
