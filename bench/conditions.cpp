#include "bench/conditions.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <numeric>
#include <string>

#include "bench/clocks.h"
#include "core/allowance.h"
#include "nlohmann/json.hpp"

namespace headroom {
namespace {

constexpr double kSlackS = 0.1;  // ticks come late

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
    if (file && ticks[3] + ticks[4] > 0) {
      now.idle = (ticks[3] + ticks[4]) * tick;
      now.stolen = ticks[7] * tick;
      now.all = std::accumulate(std::begin(ticks), std::end(ticks), 0.0) * tick;
    }
    // A container may be shown fewer CPUs here than the machine has.
    for (std::string line; std::getline(file, line);) now.cpus += line.rfind("cpu", 0) == 0;
  }
  now.throttled = control_groups().throttled_s();
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
  if (now.throttled && began.throttled) {
    c.throttled = std::max(*now.throttled - *began.throttled, 0.0);
    // It is in the time on run queues too.
    if (c.waited) c.waited = std::max(*c.waited - *c.throttled, 0.0);
  }
  // Nothing can be said where CPUs came or went, nor where the counts stand still.
  const bool counts = !now.all || !began.all ||
                      *now.all - *began.all + kSlackS > 0.5 * c.seconds * static_cast<double>(cpus);
  if (now.idle && began.idle && now.cpus == began.cpus && counts) {
    c.stolen = std::max(*now.stolen - *began.stolen, 0.0);
    // Idle time is counted exactly, busy time only sampled: others' share is what remains.
    const double all = c.seconds * static_cast<double>(cpus);
    const double own = now.own_cpu - began.own_cpu;
    c.others = std::max(all - (*now.idle - *began.idle) - *c.stolen - own, 0.0);
  }
  return c;
}

Conditions ConditionsWatch::so_far() const {
  const ConditionsReading now = read_conditions();
  return between(began_, now, now.cpus != 0 ? now.cpus : sysconf(_SC_NPROCESSORS_ONLN));
}

nlohmann::ordered_json to_json(const Conditions& c) {
  return {{"seconds", c.seconds},          {"waited_s", or_null(c.waited)},
          {"stolen_s", or_null(c.stolen)}, {"others_s", or_null(c.others)},
          {"switches", c.switches},        {"throttled_s", or_null(c.throttled)}};
}

}  // namespace headroom
