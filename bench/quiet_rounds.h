// Which rounds count: those before and after which the core was worth all that it can be, and in
// which we were not stopped.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <utility>

#include "bench/sentinel.h"

namespace headroom {

// Beside a launch of one thread. Another tenant on the core's other hardware thread comes in bursts
// of some milliseconds, so it is cheaper to wait for the end of one, and to run again the round
// that it met, than to measure a whole launch again. Only the sentinel decides, never what the
// kernels took.
class QuietRounds {
 public:
  static constexpr double kSlower = 1.05;   // a reading beyond so many times the fastest is slow
  static constexpr double kLongest = 20e6;  // ns: a longer round counts whatever met it
  // What may be spent on waiting and on rounds run again, in ns, beside so much of the other time.
  static constexpr double kPatience = 50e6, kShare = 0.5;
  static constexpr std::size_t kOwnEffect = 3;  // readings after an arm that tell what it does

  // best: what the sentinel reads on this machine at its best, ns per iteration; 0: not known.
  QuietRounds(Sentinel& sentinel, double best, Sentinel::Clock clock = wall_ns);

  // Before the first round of a ladder, and before a round is run again: comes back when the core
  // is quiet, or when patience is at its end.
  void wait();
  // After a round that began at `began`: whether it counts. If not, it has to be run again.
  bool counts(const Sentinel::Place& place, std::int64_t began);

  std::size_t again() const { return again_; }        // rounds run again
  double waited_s() const { return waited_ * 1e-9; }  // seconds spent on waiting for a quiet core

 private:
  struct After {
    std::size_t readings = 0;
    double fastest = 0;
  };
  bool patient(std::int64_t now) const;
  double read(const Sentinel::Place& place);
  bool slow_after(const Sentinel::Place& place, double ns);

  Sentinel& sentinel_;
  Sentinel::Clock clock_;
  std::int64_t began_;
  double best_;
  bool quiet_ = true;             // at the last reading
  double lost_ = 0, waited_ = 0;  // ns: rounds run again, waiting
  std::size_t again_ = 0;
  std::map<std::pair<std::size_t, std::size_t>, After> after_;  // by ladder and arm
};

// A control group that has used up its share of the CPUs' time is stopped for the rest of a period,
// most often of 100 ms. A round that met that is run again, right after the stop, when a whole
// share is there; one that takes longer than a share is always stopped, so there is an end to it.
class StoppedRounds {
 public:
  static constexpr std::size_t kMore = 16;  // run again at most, and as many as counted
  using Total = std::function<std::optional<double>()>;  // seconds stopped so far

  StoppedRounds();
  explicit StoppedRounds(Total total) : total_(std::move(total)) {}

  void begin();   // a round
  bool counts();  // the round that ends here; if not, it has to be run again
  // Seconds for which rounds that count were stopped; none where nothing limits our time.
  std::optional<double> counted_s() const;
  std::size_t again() const { return again_; }

 private:
  Total total_;
  std::optional<double> before_;
  bool known_ = false;
  double counted_s_ = 0;
  std::size_t counted_ = 0, again_ = 0;
};

}  // namespace headroom
