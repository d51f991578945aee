// What else went on while a launch measured. Whether it was disturbed is judged by this alone,
// never by the times that it measured: that would bias them.
#pragma once

#include <sys/resource.h>

#include <map>
#include <optional>
#include <string>

#include "nlohmann/json_fwd.hpp"

namespace headroom {

// Sums over a stretch of time, in seconds; none where this system doesn't tell.
struct Conditions {
  double seconds = 0;                 // of the stretch
  std::optional<double> waited = {};  // threads of ours, ready to run, waited for a core
  std::optional<double> stolen = {};  // the hypervisor ran others on this machine's CPUs
  std::optional<double> others = {};  // other programs, and the kernel for them, ran on any core
  long switches = 0;                  // times that a thread of ours was pushed off its core
  // A control group stopped us, for our share of the CPUs' time was used up; no waiting.
  std::optional<double> throttled = {};
};

// How far what is counted has come; in seconds, from boot or from the start of a thread.
struct ConditionsReading {
  double clock = 0;
  std::map<long, double> waited = {};  // by thread
  std::optional<double> idle = {}, stolen = {};
  double own_cpu = 0;
  long switches = 0;
  std::optional<double> all = {};  // what each CPU did, idle time too, as it is counted
  long cpus = 0;                   // that these sums are of; 0: not told
  std::optional<double> throttled = {};
};

// `proc` is where this system tells: another folder in tests. Some sandboxes count nothing there,
// or no idle time: then nothing is known of what others did.
ConditionsReading read_conditions(const std::string& proc = "/proc");

// User and system time together.
double cpu_seconds(const rusage& used);

// What happened between two readings, on `cpus` CPUs.
Conditions between(const ConditionsReading& began, const ConditionsReading& now, long cpus);

// Begins a stretch when it is made.
class ConditionsWatch {
 public:
  ConditionsWatch() : began_(read_conditions()) {}
  Conditions so_far() const;

 private:
  ConditionsReading began_;
};

nlohmann::ordered_json to_json(const Conditions& conditions);

}  // namespace headroom
