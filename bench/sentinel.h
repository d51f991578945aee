// A fixed loop, timed between rounds: what the core itself was worth meanwhile. Another tenant on
// the core's other hardware thread and a slower clock show nowhere else in a virtual machine.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "bench/clocks.h"
#include "nlohmann/json_fwd.hpp"

namespace headroom {

// Runs the loop; each of its steps has a part in what it returns. It has more independent work than
// any core has ports for, and touches no memory. On x86-64 and Arm its instructions are the same in
// every build.
std::uint64_t sentinel_loop(std::uint64_t seed, std::uint64_t iterations);

// Takes the readings of a launch, on the thread that starts the rounds and so on its core alone.
class Sentinel {
 public:
  using Clock = std::int64_t (*)();  // nanoseconds

  static constexpr std::uint64_t kIterations = 8'192;  // of a reading: 10 to 20 us
  static constexpr std::size_t kFirst = 4;             // readings before the first round
  static constexpr std::size_t kMost = 8;              // at once: after a long round
  static constexpr double kShare = 0.02;               // of the time since it was made, at most

  explicit Sentinel(Clock clock = wall_ns);

  // Where a reading is taken: after `round` rounds of the ladder that is number `ladder` of this
  // launch, the last epoch that of its arm number `arm`; before the first round there is none.
  struct Place {
    std::size_t ladder = 0, round = 0;
    std::optional<std::size_t> arm = {};
  };

  // To be called where no round runs. Takes as many readings as its share of the time allows, often
  // none.
  void between_rounds(const Place& place);
  // Takes a reading, whatever its share; nanoseconds per iteration. The last one can be taken back.
  double read(const Place& place);
  void forget_last() { readings_.pop_back(); }

  // The middle one of the readings, ns per iteration; 0 where there are none.
  double middle() const;
  // {"iterations", "ns": of an iteration, by reading, "ladder", "round", "arm": its place}
  nlohmann::ordered_json to_json() const;

 private:
  struct Reading {
    double ns = 0;
    Place place;
  };

  Clock clock_;
  std::int64_t began_;
  std::int64_t spent_ = 0;
  std::uint64_t state_ = 1;  // each run's result is the next one's seed: none can be left out
  std::vector<Reading> readings_;
};

}  // namespace headroom
