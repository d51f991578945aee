#include "bench/conditions.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>

#include "bench/clocks.h"
#include "nlohmann/json.hpp"

namespace headroom {
namespace {

double seconds_of(const timeval& t) {
  return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
}

nlohmann::ordered_json or_null(const std::optional<double>& value) {
  return value ? nlohmann::ordered_json(*value) : nlohmann::ordered_json();
}

}  // namespace

double cpu_seconds(const rusage& used) {
  return seconds_of(used.ru_utime) + seconds_of(used.ru_stime);
}

ConditionsReading read_conditions(const std::string& proc) {
  ConditionsReading now;
  rusage own{};
  getrusage(RUSAGE_SELF, &own);
  now.own_cpu = cpu_seconds(own);
  now.switches = own.ru_nivcsw;
  now.clock = static_cast<double>(wall_ns()) * 1e-9;
#ifdef __linux__
  // The second number of schedstat: ns on a run queue. Exact, where the ticks below have 10 ms.
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(proc + "/self/task", ignored)) {
    std::ifstream file(entry.path() / "schedstat");
    double ran = 0, waited = 0;
    if (file >> ran >> waited)
      now.waited[std::stol(entry.path().filename().string())] = waited * 1e-9;
  }
  // "cpu user nice system idle iowait irq softirq steal": all CPUs, idle ones counted exactly.
  std::ifstream file(proc + "/stat");
  std::string cpu;
  double ticks[8];
  if (file >> cpu) {
    for (double& field : ticks) file >> field;
    const double tick = 1.0 / static_cast<double>(sysconf(_SC_CLK_TCK));
    if (file) {
      now.idle = (ticks[3] + ticks[4]) * tick;
      now.stolen = ticks[7] * tick;
    }
  }
#else
  (void)proc;
#endif
  return now;
}

Conditions between(const ConditionsReading& began, const ConditionsReading& now, long cpus) {
  Conditions c;
  c.seconds = now.clock - began.clock;
  c.switches = now.switches - began.switches;
  if (!now.waited.empty()) {
    double waited = 0;
    for (const auto& [thread, total] : now.waited) {
      const auto before = began.waited.find(thread);
      waited += total - (before == began.waited.end() ? 0 : before->second);
    }
    c.waited = std::max(waited, 0.0);
  }
  if (now.idle && began.idle) {
    c.stolen = std::max(*now.stolen - *began.stolen, 0.0);
    // Idle time is counted exactly, busy time only sampled: others' share is what remains.
    const double all = c.seconds * static_cast<double>(cpus);
    const double own = now.own_cpu - began.own_cpu;
    c.others = std::max(all - (*now.idle - *began.idle) - *c.stolen - own, 0.0);
  }
  return c;
}

Conditions ConditionsWatch::so_far() const {
  return between(began_, read_conditions(), sysconf(_SC_NPROCESSORS_ONLN));
}

nlohmann::ordered_json to_json(const Conditions& c) {
  return {{"seconds", c.seconds},
          {"waited_s", or_null(c.waited)},
          {"stolen_s", or_null(c.stolen)},
          {"others_s", or_null(c.others)},
          {"switches", c.switches}};
}

}  // namespace headroom
