#include "bench/ladder_session.h"

#include <algorithm>
#include <span>

#include "bench/slot.h"
#include "core/agreement.h"
#include "core/cpu.h"

namespace headroom {

using nlohmann::ordered_json;

namespace {

constexpr std::size_t kCheckTurns = 3;     // before anything is timed; but
constexpr double kCheckNs = 30'000'000;    // no further one after this long
constexpr std::size_t kCountedRounds = 5;  // at most: counts scatter far less than times
constexpr double kLongPilotRoundS = 0.02;  // a pilot runs one such round

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
  const auto index = static_cast<std::uint64_t>(options_.launch);
  order_.emplace(arms_.size(), options_.chance + index);
  for (std::size_t i = 0; i < std::min(arms_.size(), plan_.arms.size()); ++i) {
    arms_[i].calls = plan_.arms[i].calls;
    arms_[i].long_call = plan_.arms[i].long_call;
  }
  // Where memory happens to lie is part of the result. Each pair of launches has an order of its
  // own, one of them the other way round. Only to swap the table's order would favour an arm: its
  // ends are not like its middle.
  RoundOrder pairs(arms_.size(), options_.chance);
  std::vector<std::size_t> placement;
  for (std::uint64_t pair = 0; pair <= (index + 1) / 2; ++pair) {
    const auto next = pairs.next();
    placement.assign(next.begin(), next.end());
  }
  if (index % 2 == 1) std::reverse(placement.begin(), placement.end());
  for (std::size_t i : placement) {
    Measured& m = arms_[i];
    set_threads(m.rung.threads);
    const std::size_t before = allocated_bytes();
    m.arm = (m.ceiling ? *probe_ : instance).arm(m.rung.variant);
    m.held = allocated_since(before);
  }
  build_s_ = static_cast<double>(wall_ns() - began_) * 1e-9;
  if (options_.calibrates()) check();
  for (std::size_t i : placement) {
    set_threads(arms_[i].rung.threads);
    arms_[i].arm->set_turn(0);
    // What was checked has made its first call.
    if (arms_[i].kernel->meta.warm != Warm::kNone && !arms_[i].long_call && !options_.calibrates())
      run_untimed(*arms_[i].arm, 1);
  }
  set_threads(arms_.front().rung.threads);
  arms_.front().arm->refill(0);
  empty_ = empty_epoch(*arms_.front().arm, plan_.clock);
  ended_ = wall_ns();
}

void LadderSession::require_agreement(const Measured& m) const {
  if (const absl::Status status = m.arm->agrees_with(*arms_.front().arm); !status.ok())
    throw Mismatch(std::string(
        disagreement(kernel_, m.rung.variant, setting_, m.rung.threads, status).message()));
}

// Compares every arm's output with the baseline's over the first turns. Where they take long one
// turn has to do: the outputs of the last epoch are compared too.
void LadderSession::check() {
  const std::int64_t start = wall_ns();
  for (std::size_t turn = 0; turn < kCheckTurns; ++turn) {
    if (turn > 0 && static_cast<double>(wall_ns() - start) > kCheckNs) break;
    for (Measured& m : arms_) {
      if (m.ceiling) continue;
      set_threads(m.rung.threads);
      const double ns = run_turn(*m.arm, turn);
      m.checked_ns = turn == 0 ? ns : std::min(m.checked_ns, ns);
      if (&m != &arms_.front()) require_agreement(m);
    }
  }
}

// All arms' last epochs end at one turn, so that the baseline's output is there to be compared
// with. An arm whose last epoch ended elsewhere (the deadline came) needs the baseline to go there
// first.
void LadderSession::check_again() {
  Measured& baseline = arms_.front();
  baseline.arm->settle();
  for (std::size_t i = 1; i < arms_.size(); ++i) {
    const Measured& m = arms_[i];
    if (m.ceiling || m.wall.empty()) continue;
    m.arm->settle();
    if (baseline.arm->rotates() && baseline.arm->turn() != m.arm->turn()) {
      set_threads(baseline.rung.threads);
      run_turn(*baseline.arm, m.arm->turn() - 1);
    }
    require_agreement(m);
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
void LadderSession::make_ready(Measured& m) {
  set_threads(m.rung.threads);
  const std::size_t warm = warm_calls(m);
  if (last_turn_ != 0 && !m.ceiling) m.arm->set_turn(last_turn_ - warm - m.calls);
  if (warm != 0) run_untimed(*m.arm, warm);
  m.arm->refill(m.calls);
}

// From here on epochs end at one turn, the next that all arms can reach going forward: variants
// make different numbers of calls, and so have come to different turns.
void LadderSession::meet_at_one_turn() {
  last_turn_ = 0;
  for (const Measured& m : arms_)
    if (!m.ceiling) last_turn_ = std::max(last_turn_, m.arm->turn() + warm_calls(m) + m.calls);
}

EpochTime LadderSession::epoch(Measured& m) {
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
  for (std::size_t i : order_->next()) {
    Measured& m = arms_[i];
    const EpochTime t = epoch(m);
    m.wall.push_back(t.wall);
    m.cpu.push_back(t.cpu);
    timed += t.wall / m.scale * static_cast<double>(m.calls) * 1e-9;
  }
  ended_ = wall_ns();
  return timed;
}

CountersOpened LadderSession::count() {
  CountersOpened opened = open_counters();
  const std::unique_ptr<CounterSource> source = std::move(opened.source);
  if (source == nullptr) return opened;
  Measured& baseline = arms_.front();
  set_threads(baseline.rung.threads);
  const std::vector<double> empty = count_empty_epoch(*source, *baseline.arm);
  std::vector<std::vector<std::vector<double>>> epochs(arms_.size());
  const std::size_t rounds =
      std::clamp<std::size_t>(plan_.rounds / kRoundsPerCounted, 1, kCountedRounds);
  last_turn_ = 0;
  for (std::size_t round = 0; round < rounds; ++round) {
    if (round + 1 == rounds) meet_at_one_turn();
    for (std::size_t i : order_->next()) {
      if (arms_[i].ceiling) continue;
      make_ready(arms_[i]);
      epochs[i].push_back(count_epoch(*source, *arms_[i].arm, arms_[i].calls));
    }
  }
  for (std::size_t i = 0; i < arms_.size(); ++i)
    if (!epochs[i].empty())
      arms_[i].counts = counts_per_call(source->names(), epochs[i], empty, arms_[i].calls);
  ended_ = wall_ns();
  return opened;
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

}  // namespace headroom
