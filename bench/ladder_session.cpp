#include "bench/ladder_session.h"

#include <algorithm>
#include <span>
#include <utility>

#include "bench/slot.h"
#include "core/agreement.h"
#include "core/cpu.h"
#include "nlohmann/json.hpp"

namespace headroom {

using nlohmann::ordered_json;

namespace {

constexpr std::size_t kCheckTurns = 3;     // before anything is timed; but
constexpr double kCheckNs = 30'000'000;    // no further one after this long
constexpr std::size_t kCountedRounds = 5;  // at most: counts scatter far less than times
constexpr double kLongPilotRoundS = 0.02;  // a pilot runs one such round
constexpr int kRefusedEpochs = 3;          // repeated so often, then the variant is given up

// The index of a variant in a kernel's table. Throws std::runtime_error where there is none.
std::size_t variant_named(const Kernel& kernel, const std::string& name) {
  for (std::size_t i = 0; i < kernel.variants.size(); ++i)
    if (kernel.variants[i].name == name) return i;
  throw std::runtime_error("the plan names " + kernel.meta.name + "/" + name +
                           ", which this build lacks; start a new run");
}

}  // namespace

std::string variant_name(const Measured& m) {
  return m.ceiling ? "ceiling" : std::string(m.kernel->variants[m.rung.variant].name);
}

std::size_t working_set(const Demand& demand) {
  return std::max<std::size_t>(
      1, demand.working_set != 0 ? demand.working_set : static_cast<std::size_t>(demand.bytes));
}

// The arms of this ladder's group, or those of the plan: the pilot leaves out what failed.
void LadderSession::add_arms() {
  for (const Rung& rung : ladder_.groups.at(static_cast<std::size_t>(plan_.group))) {
    const std::string_view name = kernel_.variants[rung.variant].name;
    const auto planned = std::find_if(plan_.arms.begin(), plan_.arms.end(), [&](const ArmPlan& a) {
      return a.variant == name && a.threads == rung.threads;
    });
    if (!plan_.arms.empty() && planned == plan_.arms.end()) continue;
    Measured& m = arms_.emplace_back();
    m.kernel = &kernel_;
    m.rung = rung;
    m.demand = demand_;
  }
  add_ceiling();
  for (std::size_t i = 0; i < std::min(arms_.size(), plan_.arms.size()); ++i) {
    arms_[i].calls = plan_.arms[i].calls;
    arms_[i].long_call = plan_.arms[i].long_call;
    arms_[i].settle = plan_.arms[i].settle;
  }
}

// In which order the arms are made and first used. Where memory happens to lie is part of the
// result. Each pair of launches has an order of its own, one of them the other way round. Only to
// swap the table's order would favour an arm: its ends are not like its middle.
std::vector<std::size_t> LadderSession::placement() const {
  const auto index = static_cast<std::uint64_t>(options_.launch);
  RoundOrder pairs(arms_.size(), options_.chance);
  std::vector<std::size_t> order;
  for (std::uint64_t pair = 0; pair <= (index + 1) / 2; ++pair) {
    const auto next = pairs.next();
    order.assign(next.begin(), next.end());
  }
  if (index % 2 == 1) std::reverse(order.begin(), order.end());
  return order;
}

void LadderSession::fail(Measured& m, const std::string& why) {
  failed_.push_back({variant_name(m), m.rung.threads, why});
  m.arm.reset();
}

// Takes the arms that failed out of the ladder. Throws std::runtime_error where it can't go on.
void LadderSession::drop_failed() {
  const bool baseline_failed = arms_.front().arm == nullptr;
  std::erase_if(arms_, [](const Measured& m) { return m.arm == nullptr; });
  const bool none = arms_.empty() || arms_.front().ceiling;
  if (none || (baseline_failed && !options_.calibrates()))
    throw std::runtime_error(failed_.front().variant + ": " + failed_.front().message);
  order_.emplace(arms_.size(), options_.chance + static_cast<std::uint64_t>(options_.launch));
}

void LadderSession::prepare() {
  const Instance& instance = bound_instance(kernel_, setting_);
  add_arms();
  for (std::size_t i : placement()) {
    Measured& m = arms_[i];
    const std::size_t before = allocated_bytes();
    attempt(m,
            [&] { m.arm = (m.ceiling ? *probe_ : instance).arm(m.rung.variant, m.rung.threads); });
    m.held = allocated_since(before);
  }
  build_s_ = static_cast<double>(wall_ns() - began_) * 1e-9 - chose_s_;
  do {
    drop_failed();
  } while (!check(placement()));
  for (Measured& m : arms_) m.arm->set_turn(0);
  empty_ = empty_epoch(*arms_.front().arm, plan_.clock);
  ended_ = wall_ns();
}

void LadderSession::require_agreement(const Measured& m) const {
  require_ok(m, m.arm->agrees_with(*arms_.front().arm));
}

void LadderSession::require_ok(const Measured& m, const absl::Status& status) const {
  if (!status.ok()) {
    Setting setting = setting_;
    setting.threads = m.rung.threads;
    throw Mismatch(std::string(disagreement(kernel_, m.rung.variant, setting, status).message()));
  }
}

// Compares every arm's output with the baseline's, in a pilot over the first turns. Where they take
// long one turn has to do: the outputs of the last epoch are compared too. False where an arm
// failed: the others have to be checked without it. Throws Mismatch.
bool LadderSession::check(const std::vector<std::size_t>& order) {
  const std::int64_t start = wall_ns();
  const std::size_t turns = options_.calibrates() ? kCheckTurns : 1;
  for (std::size_t turn = 0; turn < turns; ++turn) {
    if (turn > 0 && static_cast<double>(wall_ns() - start) > kCheckNs) break;
    bool all = true;
    for (std::size_t i : order) {
      Measured& m = arms_[i];
      all &= attempt(m, [&] {
        if (m.ceiling) return run_untimed(*m.arm, 1);
        const double ns = run_turn(*m.arm, turn);
        m.checked_ns = turn == 0 ? ns : std::min(m.checked_ns, ns);
      });
    }
    if (!all) return false;
    for (std::size_t i = 1; i < arms_.size(); ++i)
      if (!arms_[i].ceiling) require_agreement(arms_[i]);
  }
  return true;
}

// All arms' last epochs end at one turn, so that the baseline's output is there to be compared
// with. An arm whose last epoch ended elsewhere (the deadline came) needs the baseline to go there
// first.
void LadderSession::check_again() {
  Measured& baseline = arms_.front();
  settle(baseline);
  for (std::size_t i = 1; i < arms_.size(); ++i) {
    Measured& m = arms_[i];
    if (m.ceiling || m.arm == nullptr || m.wall.empty()) continue;
    settle(m);
    if (baseline.arm->rotates() && baseline.arm->turn() != m.arm->turn())
      run_turn(*baseline.arm, m.arm->turn() - 1);
    require_agreement(m);
  }
  // Then the calls before the last, where each has left a result.
  for (std::size_t i = 1; i < arms_.size(); ++i) {
    const Measured& m = arms_[i];
    if (m.ceiling || m.arm == nullptr || m.wall.empty() || m.arm->results() < 2) continue;
    if (baseline.arm->rotates() && baseline.arm->turn() != m.arm->turn()) continue;
    baseline.arm->settle();
    require_ok(m, check_earlier(*m.arm, *baseline.arm, kCheckNs));
  }
}

// Brings the result of the arm's last epoch into its output, once: what arms share and change is
// another one's after the next epoch.
void LadderSession::settle(Measured& m) {
  if (!std::exchange(m.settled, true)) m.arm->settle();
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
                        setting_.seed, probe->meta.sweeps_threads ? ladder_.threads : 1};
  Measured m;
  m.kernel = probe;
  m.ceiling = true;
  m.demand = probe->meta.demand(setting);
  m.rung.threads = setting.threads;
  const std::string& unit = probe->meta.unit;
  m.scale = unit == "B/s"      ? demand_.bytes / m.demand.bytes
            : unit == "FLOP/s" ? demand_.flops / m.demand.flops
                               : demand_.accesses / m.demand.items;
  if (!(m.scale > 0)) return;
  // Without one in the plan, the pilot could not use it.
  if (!plan_.arms.empty() && plan_.arms.back().probe.empty()) return;
  probe_ = &bound_instance(*probe, setting, Slot::kCeiling);
  const std::int64_t choosing = wall_ns();
  m.rung.variant =
      plan_.arms.empty() ? fastest_variant(m) : variant_named(*probe, plan_.arms.back().probe);
  chose_s_ = static_cast<double>(wall_ns() - choosing) * 1e-9;
  arms_.push_back(std::move(m));
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
  if (m.settle != 0) return m.settle;
  const bool partial = m.arm->rotates() || m.kernel->variants[m.rung.variant].shape != Shape::kPure;
  return partial && working_set(m.demand) <= l2_bytes() ? whole : 1;
}

// The turn of the first call of the next epoch.
std::size_t LadderSession::first_turn(const Measured& m) const {
  if (last_turn_ != 0 && !m.ceiling) return last_turn_ - m.calls;
  return std::max(m.arm->turn(), warm_calls(m));
}

// All that comes before an epoch. Warm calls see again what the last epoch saw, so that every turn
// is timed: with turns of their own, one warm call and one timed would time every other turn, in
// some kernels needles that occur and never one that doesn't.
void LadderSession::make_ready(Measured& m) {
  const std::size_t first = first_turn(m), warm = warm_calls(m);
  m.arm->set_turn(first - warm);
  // Never more calls at once than an epoch has: what is changed is copied for each.
  for (std::size_t left = warm; left != 0; left -= std::min(left, m.calls))
    run_untimed(*m.arm, std::min(left, m.calls));
  m.arm->refill(m.calls);
}

// From here on epochs end at one turn, the next that all arms can reach going forward: variants
// make different numbers of calls, and so have come to different turns.
void LadderSession::meet_at_one_turn() {
  last_turn_ = 0;
  std::size_t last = 0;
  for (const Measured& m : arms_)
    if (!m.ceiling && m.arm != nullptr) last = std::max(last, first_turn(m) + m.calls);
  last_turn_ = last;
}

// What the last epoch came to by the kernel's measure.
void LadderSession::keep_value(Measured& m) const {
  const std::string& name = kernel_.meta.measure.name;
  if (m.ceiling || name == "time") return;
  const Quantities all = m.arm->quantities();
  const auto found = all.find(name);
  if (found == all.end()) throw std::runtime_error("reports no " + name);
  m.values.push_back(found->second.value);
}

EpochTime LadderSession::epoch(Measured& m) {
  m.settled = false;
  make_ready(m);
  EpochTime t = time_epoch(*m.arm, m.calls, plan_.clock);
  const double per_call = m.scale / static_cast<double>(m.calls);
  t.wall = std::max(t.wall - empty_.wall, 1.0) * per_call;
  t.cpu = std::max(t.cpu - empty_.cpu, 1.0) * per_call;
  return t;
}

std::size_t LadderSession::pilot_rounds() const {
  return round_s_ > kLongPilotRoundS ? 1 : kPilotRounds;
}

double LadderSession::round(bool last) {
  if (last) meet_at_one_turn();
  double timed = 0;
  if (!forgotten_) {
    const auto next = order_->next();
    round_order_.assign(next.begin(), next.end());
  }
  forgotten_ = false;
  for (Measured& m : arms_) m.rounds = m.wall.size();
  for (std::size_t i : round_order_) {
    Measured& m = arms_[i];
    if (m.arm == nullptr) continue;
    last_arm_ = i;
    attempt(m, [&] {
      EpochTime t = epoch(m);
      for (int again = 0; again < kRefusedEpochs && !m.arm->refused().empty(); ++again)
        t = epoch(m);
      // A pilot keeps no figure, nor does a run that only checks (its rounds are fixed): they go on
      // on a busy machine too.
      if (const std::string why = m.arm->refused();
          !why.empty() && !options_.pilot && whole_.rounds_fixed == 0)
        throw std::runtime_error(why);
      keep_value(m);
      if (last) settle(m);
      m.wall.push_back(t.wall);
      m.cpu.push_back(t.cpu);
      timed += t.wall / m.scale * static_cast<double>(m.calls) * 1e-9;
    });
    if (arms_.front().arm == nullptr)
      throw std::runtime_error("the baseline failed: " + failed_.back().message);
  }
  ended_ = wall_ns();
  return timed;
}

void LadderSession::forget_round() {
  for (Measured& m : arms_) {
    m.wall.resize(m.rounds);
    m.cpu.resize(m.rounds);
    m.values.resize(std::min(m.values.size(), m.rounds));
  }
  forgotten_ = true;
}

CountersOpened LadderSession::count() {
  CountersOpened opened = open_counters();
  const std::unique_ptr<CounterSource> source = std::move(opened.source);
  if (source == nullptr) return opened;
  Measured& baseline = arms_.front();
  const std::vector<double> empty = count_empty_epoch(*source, *baseline.arm);
  std::vector<std::vector<std::vector<double>>> epochs(arms_.size());
  const std::size_t rounds =
      std::clamp<std::size_t>(plan_.rounds / kRoundsPerCounted, 1, kCountedRounds);
  last_turn_ = 0;
  for (std::size_t round = 0; round < rounds; ++round) {
    if (round + 1 == rounds) meet_at_one_turn();
    for (std::size_t i : order_->next()) {
      if (arms_[i].ceiling || arms_[i].arm == nullptr) continue;
      arms_[i].settled = false;
      make_ready(arms_[i]);
      epochs[i].push_back(count_epoch(*source, *arms_[i].arm, arms_[i].calls));
      if (round + 1 == rounds) settle(arms_[i]);
    }
  }
  for (std::size_t i = 0; i < arms_.size(); ++i)
    if (!epochs[i].empty())
      arms_[i].counts = counts_per_call(source->names(), epochs[i], empty, arms_[i].calls);
  ended_ = wall_ns();
  return opened;
}

ordered_json LadderSession::result(const std::string& status, const std::string& message) const {
  ordered_json arms = ordered_json::array(), failed = ordered_json::array();
  std::size_t working_set = bound_input_bytes();
  for (const Measured& m : arms_) {
    if (m.arm == nullptr) continue;  // among the failed
    if (!m.ceiling) working_set += m.held;
    ordered_json quantities = ordered_json::object();
    for (const auto& [name, q] : m.arm->quantities())
      quantities[name] = {{"value", q.value}, {"unit", q.unit}};
    const VariantInfo& v = m.kernel->variants[m.rung.variant];
    arms.push_back(
        {{"variant", variant_name(m)},
         {"role", m.ceiling ? "ceiling" : v.role},
         {"threads", m.rung.threads},
         {"calls", m.calls},
         {"wall_ns", m.wall},
         {"cpu_ns", m.cpu},
         {"held_bytes", m.held},
         {"build_ns", m.arm->build_ns() > 0 ? ordered_json(m.arm->build_ns()) : ordered_json()},
         {"quantities", std::move(quantities)}});
    if (!m.values.empty()) arms.back()["values"] = m.values;
    if (!m.counts.empty()) arms.back()["counters"] = m.counts;
    if (m.ceiling) arms.back()["probe"] = m.kernel->meta.name + "/" + std::string(v.name);
  }
  for (const Failed& f : failed_)
    failed.push_back({{"variant", f.variant}, {"threads", f.threads}, {"message", f.message}});
  const std::size_t first =
      ladder_.groups.at(static_cast<std::size_t>(plan_.group)).front().variant;
  const std::string baseline = arms_.empty() || arms_.front().ceiling
                                   ? std::string(kernel_.variants[first].name)
                                   : variant_name(arms_.front());
  return {{"n", ladder_.n},
          {"input", ladder_.input},
          {"threads", ladder_.threads},
          {"params", to_json(ladder_.params)},
          {"group", plan_.group},
          {"baseline", baseline},
          {"clock", plan_.clock == Reported::kCpu ? "cpu" : "wall"},
          {"working_set", working_set},
          {"empty_wall_ns", empty_.wall},
          {"empty_cpu_ns", empty_.cpu},
          {"skipped_rounds", skipped},
          {"setup_s", build_s_},
          {"seconds", static_cast<double>(ended_ - began_) * 1e-9},
          {"status", status},
          {"message", message},
          {"failed", std::move(failed)},
          {"arms", std::move(arms)}};
}

}  // namespace headroom
