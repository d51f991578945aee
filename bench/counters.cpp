#include "bench/counters.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "bench/perf_counters.h"

namespace headroom {
namespace {

constexpr int kEmptyEpochs = 11;
// Less of an epoch than this says too little of the rest. Sharing works in turns of milliseconds,
// so an epoch of 100 us is mostly counted wholly or not at all.
constexpr double kLeastShare = 0.25;
constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

CounterFactory& factory() {
  static CounterFactory only;
  return only;
}

// The median of those values that are numbers; NaN of none.
double median_of_numbers(std::vector<double> values) {
  values.erase(std::remove_if(values.begin(), values.end(), [](double v) { return std::isnan(v); }),
               values.end());
  if (values.empty()) return kNone;
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

std::vector<double> column(const std::vector<std::vector<double>>& rows, std::size_t at) {
  std::vector<double> values;
  values.reserve(rows.size());
  for (const std::vector<double>& row : rows) values.push_back(row[at]);
  return values;
}

}  // namespace

CountersOpened open_counters() { return factory() ? factory()() : open_perf_counters(); }

void set_counter_factory(CounterFactory made) { factory() = std::move(made); }

std::vector<double> counted(const std::vector<CounterReading>& before,
                            const std::vector<CounterReading>& after) {
  std::vector<double> total(before.at(0).values.size(), 0.0);
  for (std::size_t thread = 0; thread < before.size(); ++thread) {
    const CounterReading& b = before[thread];
    const CounterReading& a = after.at(thread);
    const double enabled = static_cast<double>(a.enabled - b.enabled);
    const double running = static_cast<double>(a.running - b.running);
    if (enabled == 0) continue;  // this thread slept: there was nothing to count
    const double scale = running < kLeastShare * enabled ? kNone : enabled / running;
    for (std::size_t i = 0; i < total.size(); ++i)
      total[i] += static_cast<double>(a.values[i] - b.values[i]) * scale;
  }
  return total;
}

std::vector<double> count_epoch(CounterSource& source, Arm& arm, std::size_t calls) {
  const std::vector<CounterReading> before = source.read();
  arm.run(calls);
  return counted(before, source.read());
}

std::vector<double> count_empty_epoch(CounterSource& source, Arm& arm) {
  std::vector<std::vector<double>> epochs;
  for (int i = 0; i < kEmptyEpochs; ++i) {
    arm.refill(0);
    epochs.push_back(count_epoch(source, arm, 0));
  }
  std::vector<double> empty;
  for (std::size_t i = 0; i < source.names().size(); ++i)
    empty.push_back(median_of_numbers(column(epochs, i)));
  return empty;
}

std::map<std::string, double> counts_per_call(const std::vector<std::string_view>& names,
                                              const std::vector<std::vector<double>>& epochs,
                                              const std::vector<double>& empty, std::size_t calls) {
  std::map<std::string, double> found;
  for (std::size_t i = 0; i < names.size(); ++i) {
    const double whole = median_of_numbers(column(epochs, i));
    if (std::isnan(whole)) continue;
    const double own = whole - (std::isnan(empty[i]) ? 0 : empty[i]);
    found[std::string(names[i])] = std::max(own, 0.0) / static_cast<double>(calls);
  }
  return found;
}

}  // namespace headroom
