// What else went on while a launch measured. Whether it was disturbed is judged by this alone,
// never by the times that it measured: that would bias them.
#pragma once

#include <map>
#include <optional>

#include "nlohmann/json.hpp"

namespace headroom {

// Sums over a stretch of time, in seconds; none where this system doesn't tell.
struct Conditions {
  double seconds = 0;                 // of the stretch
  std::optional<double> waited = {};  // threads of ours, ready to run, waited for a core
  std::optional<double> stolen = {};  // the hypervisor ran others on this machine's CPUs
  std::optional<double> others = {};  // other programs, and the kernel for them, ran on any core
  long switches = 0;                  // times that a thread of ours was pushed off its core
};

// Begins a stretch when it is made.
class ConditionsWatch {
 public:
  ConditionsWatch() : began_(read()) {}
  Conditions so_far() const;

 private:
  // Readings in seconds, counted from boot or from the start of a thread.
  struct Reading {
    double clock = 0;
    std::map<long, double> waited;  // by thread
    std::optional<double> idle, stolen;
    double own_cpu = 0;
    long switches = 0;
  };
  static Reading read();

  Reading began_;
};

nlohmann::ordered_json to_json(const Conditions& conditions);

}  // namespace headroom
