// What Google Benchmark reports of the benchmarks that a test runs in its own process.
#pragma once

#include <benchmark/benchmark.h>

#include <map>
#include <string>
#include <vector>

namespace headroom::diary {

struct GoogleRow {
  std::string name;
  double ns = 0;  // an iteration, real time
  double iterations = 0;
  std::string error;
  std::map<std::string, double> counters;
};

class Reporter final : public benchmark::BenchmarkReporter {
 public:
  bool ReportContext(const Context&) override { return true; }
  void ReportRuns(const std::vector<Run>& runs) override {
    for (const Run& run : runs) {
      GoogleRow& one = all.emplace_back();
      one.name = run.benchmark_name();
      one.iterations = static_cast<double>(run.iterations);
      one.ns = run.real_accumulated_time * 1e9 / one.iterations;
      one.error = error_of(run);
      for (const auto& [name, counter] : run.counters) one.counters[name] = counter.value;
    }
  }
  std::vector<GoogleRow> all;

 private:
  // 1.8 has other names for it.
  template <class Run>
  static std::string error_of(const Run& run) {
    if constexpr (requires { run.error_occurred; })
      return run.error_occurred ? run.error_message : "";
    else
      return run.skipped != 0 ? run.skip_message : "";
  }
};

// Runs what is registered and matches.
inline std::vector<GoogleRow> run_benchmarks(const std::string& filter) {
  Reporter reporter;
  benchmark::RunSpecifiedBenchmarks(&reporter, filter);
  return reporter.all;
}

}  // namespace headroom::diary
