#include "bench/quiet_rounds.h"

#include <algorithm>

#include "core/allowance.h"

namespace headroom {

QuietRounds::QuietRounds(Sentinel& sentinel, double best, Sentinel::Clock clock)
    : sentinel_(sentinel), clock_(clock), began_(clock()), best_(best) {}

bool QuietRounds::patient(std::int64_t now) const {
  const double spent = lost_ + waited_;
  const double other = static_cast<double>(now - began_) - spent;
  return spent < kPatience + kShare * other;
}

// A slow reading is taken again at once: the kernel's timer interrupt falls into every hundredth.
double QuietRounds::read(const Sentinel::Place& place) {
  double ns = sentinel_.read(place);
  if (best_ > 0 && ns > best_ * kSlower) {
    sentinel_.forget_last();
    ns = std::min(ns, sentinel_.read(place));
  }
  best_ = best_ > 0 ? std::min(best_, ns) : ns;
  return ns;
}

void QuietRounds::wait() {
  std::int64_t now = clock_();
  do {
    const std::int64_t before = now;
    quiet_ = read({}) <= best_ * kSlower;
    sentinel_.forget_last();
    now = clock_();
    waited_ += static_cast<double>(now - before);
  } while (!quiet_ && patient(now));
}

// Held against the fastest reading after the same arm where there are some: what an arm does to the
// clock of its core (wide vectors on some processors) is no reason to run again what it ends.
bool QuietRounds::slow_after(const Sentinel::Place& place, double ns) {
  if (!place.arm) return ns > best_ * kSlower;
  After& after = after_[{place.ladder, *place.arm}];
  after.fastest = after.readings++ == 0 ? ns : std::min(after.fastest, ns);
  return ns > (after.readings > kOwnEffect ? after.fastest : best_) * kSlower;
}

bool QuietRounds::counts(const Sentinel::Place& place, std::int64_t began) {
  const std::int64_t now = clock_();
  const auto took = static_cast<double>(now - began);
  const bool before = quiet_;
  quiet_ = !slow_after(place, read(place));
  if ((before && quiet_) || took > kLongest || !patient(now)) return true;
  sentinel_.forget_last();
  lost_ += took;
  ++again_;
  return false;
}

// Asked once whether time is limited: the files are read before and after each round.
StoppedRounds::StoppedRounds()
    : total_(control_groups().quota() ? Total([] { return control_groups().throttled_s(); })
                                      : Total([] { return std::optional<double>(); })) {}

void StoppedRounds::begin() {
  before_ = total_();
  known_ = known_ || before_.has_value();
}

bool StoppedRounds::counts() {
  const std::optional<double> now = total_();
  const double stopped = now && before_ ? *now - *before_ : 0;
  if (stopped > 0 && again_ < kMore + counted_) {
    ++again_;
    return false;
  }
  ++counted_;
  counted_s_ += std::max(stopped, 0.0);
  return true;
}

std::optional<double> StoppedRounds::counted_s() const {
  return known_ ? std::optional<double>(counted_s_) : std::nullopt;
}

}  // namespace headroom
