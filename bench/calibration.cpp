// How a pilot chooses calls, rounds and the ceiling's variant.
#include <algorithm>
#include <cmath>

#include "bench/ladder_session.h"
#include "core/cpu.h"

namespace headroom {
namespace {

constexpr double kLongCallNs =
    10'000'000;  // from here on no warm call comes before: it can't matter to a share of 1%
constexpr std::size_t kWorkBytes = std::size_t{64} << 20;  // copies of Work refilled for one epoch
constexpr double kSurelyOneCall = 4;  // times kEpochNs: whatever noise there was, k is 1
// How long an arm is watched becoming as fast as alone, where its memory fits L2 and where not, and
// so the longest that it is warmed.
constexpr double kSettleNs = 4'000'000, kSettleFarNs = 25'000'000;
constexpr double kDisturbNs = 20'000'000;  // so long at most the others run before
constexpr std::size_t kSettleEpochs = 200;
constexpr double kSettled = 1.02;  // times what it takes in the end

// How many of the epochs are slower than the last half of them, by more than a factor. The median
// of three counts: inputs differ, and a single epoch can be disturbed. 0 where there are too few.
std::size_t settled_after(const std::vector<double>& epochs) {
  constexpr std::size_t kFewest = 8;
  if (epochs.size() < kFewest) return 0;
  const auto half = epochs.begin() + static_cast<std::ptrdiff_t>(epochs.size() / 2);
  std::vector<double> last(half, epochs.end());
  std::sort(last.begin(), last.end());
  const double limit = kSettled * last[last.size() / 2];
  auto first = epochs.begin();
  while (first != half) {
    double three[] = {first[0], first[1], first[2]};
    std::sort(std::begin(three), std::end(three));
    if (three[1] <= limit) break;
    ++first;
  }
  return static_cast<std::size_t>(first - epochs.begin()) + (*first > limit ? 1 : 0);
}

}  // namespace

// The variants take turns, each warmed as in a round: one that goes over its memory again and again
// undisturbed finds more of it in the last cache than it will in the ladder, and then variants
// differ less, or the other way. The median decides, because a single call can be lucky; of long
// calls three are enough.
std::size_t LadderSession::fastest_variant(const Measured& ceiling) const {
  constexpr std::size_t kRepeats = 5, kRepeatsOfLong = 3;
  constexpr double kLongNs = 1'000'000;
  struct Candidate {
    std::size_t variant = 0;
    std::unique_ptr<Arm> arm;
    std::vector<double> ns;
  };
  std::vector<Candidate> candidates;
  for (std::size_t i = 0; i < ceiling.kernel->variants.size(); ++i)
    if (ceiling.kernel->variants[i].available())
      candidates.push_back({i, probe_->arm(i, ceiling.rung.threads), {}});
  std::size_t repeats = kRepeats;
  for (std::size_t repeat = 0; repeat < repeats; ++repeat) {
    for (Candidate& c : candidates) {
      run_untimed(*c.arm, 1);
      c.arm->refill(1);
      c.ns.push_back(time_epoch(*c.arm, 1, Reported::kWall).wall);
      if (repeat == 0 && c.ns.back() > kLongNs) repeats = kRepeatsOfLong;
    }
  }
  for (Candidate& c : candidates) std::sort(c.ns.begin(), c.ns.end());
  return std::min_element(candidates.begin(), candidates.end(),
                          [repeats](const Candidate& a, const Candidate& b) {
                            return a.ns[repeats / 2] < b.ns[repeats / 2];
                          })
      ->variant;
}

// Nanoseconds a call, by the wall clock: the least of three epochs long enough to be read. Leaves
// the most calls that an epoch may have in m.calls.
double LadderSession::ns_per_call(Measured& m) {
  const std::size_t limit = m.kernel->variants[m.rung.variant].shape == Shape::kMutating
                                ? std::max<std::size_t>(1, kWorkBytes / working_set(m.demand))
                                : std::size_t{1} << 30;
  m.calls = 1;
  const double unscaled = 1 / m.scale;
  // What took long in the check need not be warmed to find that out again.
  m.long_call = m.checked_ns >= kLongCallNs;
  const bool warmed = !m.long_call;
  const std::int64_t start = wall_ns();
  double per_call = epoch(m).wall * unscaled;
  m.long_call = per_call >= kLongCallNs;
  if (m.long_call && !warmed) m.epoch_s = static_cast<double>(wall_ns() - start) * 1e-9;
  while (per_call * static_cast<double>(m.calls) < kEpochNs / 2 && m.calls < limit) {
    const double wanted = std::ceil(kEpochNs / std::max(per_call, 0.1));
    m.calls = std::min({limit, m.calls * 16, static_cast<std::size_t>(wanted)});
    per_call = epoch(m).wall * unscaled;
  }
  // How long a call is need not be known better where an epoch is one call anyway.
  for (int i = 0; i < 2 && per_call < kSurelyOneCall * kEpochNs; ++i)
    per_call = std::min(per_call, epoch(m).wall * unscaled);
  m.calls = limit;
  return per_call;
}

bool waits(const Kernel& kernel) {
  const Axis axis = kernel.meta.axis;
  return axis == Axis::kNetwork || noise_class(axis) == NoiseClass::kStorage;
}

Reported usual_clock(const Kernel& kernel, bool several) {
  const bool device = kernel.meta.axis == Axis::kGpu;
  const bool wall = kernel.meta.clock == Clock::kWall ||
                    (kernel.meta.clock == Clock::kAuto && (several || device || waits(kernel)));
  return wall ? Reported::kWall : Reported::kCpu;
}

// Whether the pilot may choose how long the arm is warmed.
bool LadderSession::may_settle(const Measured& m) const {
  // A run of fixed rounds only checks.
  const bool measures = whole_.rounds_fixed == 0 && !m.ceiling;
  return measures && !m.long_call && !waits(kernel_) && m.kernel->meta.warm == Warm::kAuto;
}

// After the other arms have run: for how many calls this one is slower than it is in the end, when
// its caches, its TLB and the predictors are its own again.
std::size_t LadderSession::settling_calls(std::size_t index) {
  const std::int64_t disturbed = wall_ns();
  for (std::size_t i = 1; i < arms_.size(); ++i) {
    if (static_cast<double>(wall_ns() - disturbed) > kDisturbNs) break;
    Measured& other = arms_[(index + i) % arms_.size()];
    if (other.arm != nullptr) epoch(other);
  }
  Measured& m = arms_[index];
  const bool near = working_set(m.demand) <= l2_bytes() && m.held <= l2_bytes();
  const double limit = near ? kSettleNs : kSettleFarNs;
  std::vector<double> epochs;
  const std::int64_t start = wall_ns();
  while (epochs.size() < kSettleEpochs && static_cast<double>(wall_ns() - start) < limit) {
    m.arm->refill(m.calls);
    epochs.push_back(time_epoch(*m.arm, m.calls, plan_.clock).of(plan_.clock));
  }
  return settled_after(epochs) * m.calls;
}

void LadderSession::calibrate() {
  const bool several =
      std::any_of(arms_.begin(), arms_.end(), [](const Measured& m) { return m.rung.threads > 1; });
  plan_.clock = usual_clock(kernel_, several);
  empty_ = empty_epoch(*arms_.front().arm, plan_.clock);

  for (Measured& m : arms_) attempt(m, [&] { m.call_ns = ns_per_call(m); });
  drop_failed();
  std::vector<std::pair<double, std::size_t>> by_cost;  // ns per call, arm
  for (std::size_t i = 0; i < arms_.size(); ++i) by_cost.push_back({arms_[i].call_ns, i});
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

  for (std::size_t i = 0; i < arms_.size(); ++i) {
    Measured& m = arms_[i];
    if (!may_settle(m)) continue;
    attempt(m, [&] {
      const std::size_t calls = settling_calls(i);
      m.settle = calls > warm_calls(m) ? calls : 0;
    });
    if (m.settle != 0) m.epoch_s = 0;
  }
  drop_failed();

  round_s_ = 0;
  for (Measured& m : arms_) {
    const std::int64_t start = wall_ns();
    if (m.epoch_s == 0) epoch(m);
    round_s_ += m.epoch_s + static_cast<double>(wall_ns() - start) * 1e-9;
  }
  double affordable = whole_.budget_s / std::max(round_s_, 1e-9);
  // The counted rounds are part of the budget.
  if (open_counters().source != nullptr) affordable /= 1 + 1.0 / kRoundsPerCounted;
  plan_.rounds = whole_.rounds_fixed != 0
                     ? whole_.rounds_fixed
                     : static_cast<std::size_t>(std::clamp(
                           affordable, static_cast<double>(whole_.rounds_min),
                           static_cast<double>(std::max(whole_.rounds_max, whole_.rounds_min))));
  plan_.estimate_s = build_s_ + round_s_ * static_cast<double>(plan_.rounds);
  plan_.arms.clear();
  for (const Measured& m : arms_)
    plan_.arms.push_back({variant_name(m), m.rung.threads, m.calls, m.long_call, m.settle,
                          m.ceiling ? std::string(m.kernel->variants[m.rung.variant].name) : ""});
}

}  // namespace headroom
