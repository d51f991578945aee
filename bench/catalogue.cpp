#include "bench/catalogue.h"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <sstream>
#include <string>

#include "bench/ladder.h"
#include "bench/plan.h"
#include "bench/simd_target.h"
#include "core/cpu.h"
#include "nlohmann/json.hpp"
#include "support/opencl_device.h"
#include "support/ranks.h"

namespace headroom {
namespace {

using nlohmann::ordered_json;

// Google Benchmark tells whether it was itself built for debugging only in its own JSON.
bool benchmark_library_is_debug() {
  std::ostringstream out, err;
  benchmark::JSONReporter reporter;
  reporter.SetOutputStream(&out);
  reporter.SetErrorStream(&err);
  reporter.ReportContext(benchmark::BenchmarkReporter::Context());
  return out.str().find("\"library_build_type\": \"debug\"") != std::string::npos;
}

// "benchmark=1.7.1;abseil=20220623" -> an object.
ordered_json libraries() {
  ordered_json all = ordered_json::object();
  std::istringstream list(HEADROOM_LIBRARIES);
  for (std::string item; std::getline(list, item, '|');) {
    const std::size_t equals = item.find('=');
    if (equals != std::string::npos && equals + 1 < item.size())
      all[item.substr(0, equals)] = item.substr(equals + 1);
  }
  return all;
}

ordered_json describe_promise(Promise promise) {
  ordered_json all = ordered_json::array();
  for (std::string_view word : words(promise)) all.push_back(word);
  return all;
}

ordered_json describe_params(const std::vector<Param>& params) {
  ordered_json all = ordered_json::object();
  for (const Param& param : params) all[param.name] = param.values;
  return all;
}

ordered_json describe_variant(const VariantInfo& v, Promise baseline) {
  ordered_json needs = ordered_json::array();
  for (const Need& need : v.needs)
    needs.push_back({{"name", need.name}, {"available", need.met()}, {"cure", need.cure}});
  return {{"name", v.name},
          {"role", v.role},
          {"what", v.what},
          {"promise", describe_promise(v.promise)},
          {"lacks", describe_promise(without(baseline, v.promise))},
          {"promise_note", v.promise_note},
          {"available", v.available()},
          {"single_thread", v.single_thread},
          {"max_n", v.max_n == kNoLimit ? ordered_json() : ordered_json(v.max_n)},
          {"needs", std::move(needs)}};
}

ordered_json describe_ladder(const Ladder& ladder) {
  const Kernel& kernel = *ladder.kernel;
  ordered_json groups = ordered_json::array();
  for (const std::vector<Rung>& group : ladder.groups) {
    ordered_json names = ordered_json::array();
    for (const Rung& rung : group) names.push_back(kernel.variants[rung.variant].name);
    groups.push_back(std::move(names));
  }
  const Demand demand = kernel.meta.demand(ladder.setting(1));
  return {{"n", ladder.n},
          {"input", ladder.input},
          {"threads", ladder.threads},
          {"params", to_json(ladder.params)},
          {"headline", ladder.headline},
          {"groups", std::move(groups)},
          {"items", demand.items},
          {"bytes", demand.bytes},
          {"flops", demand.flops},
          {"memory_bytes", demand.memory},
          {"scratch_bytes", demand.scratch},
          {"written_bytes", demand.written},
          {"blocked", ladder.blocked}};
}

// Which placebo's spread is the kernel's noise floor: that of ranks for all that runs on some.
std::string noise_class_of(const Metadata& meta) {
  if (!meta.placebo.empty()) return meta.placebo;
  return cluster::uses_ranks(meta) ? "ranks" : std::string(name(noise_class(meta.axis)));
}

ordered_json describe_kernel(const Kernel& kernel) {
  const Metadata& meta = kernel.meta;
  ordered_json variants = ordered_json::array(), all_ladders = ordered_json::array();
  for (const VariantInfo& v : kernel.variants)
    variants.push_back(describe_variant(v, meta.promise));
  for (const Ladder& ladder : ladders(kernel)) all_ladders.push_back(describe_ladder(ladder));
  return {{"name", meta.name},
          {"group", kernel.group()},
          {"axis", name(meta.axis)},
          {"placebo", meta.placebo},
          {"noise_class", noise_class_of(meta)},
          {"probe", !meta.unit.empty()},
          {"unit", meta.unit},
          {"ceiling", meta.ceiling.probe.empty() || meta.ceiling.input.empty()
                          ? meta.ceiling.probe
                          : meta.ceiling.probe + " " + meta.ceiling.input},
          {"technique", meta.technique},
          {"measure",
           {{"name", meta.measure.name},
            {"unit", meta.measure.unit},
            {"better", meta.measure.more_is_better ? "more" : "less"}}},
          {"simulated", meta.simulated},
          {"promise", describe_promise(meta.promise)},
          {"fixtures", meta.fixtures},
          {"source", kernel.source},
          {"file", kernel.file},
          {"cache", meta.warm == Warm::kNone ? "cold" : "warm"},
          {"sizes", meta.sizes},
          {"headline", meta.headline},
          {"inputs", meta.inputs},
          {"threads", meta.sweeps_threads ? thread_counts() : std::vector<int>{1}},
          {"params", describe_params(meta.params)},
          {"variants", std::move(variants)},
          {"ladders", std::move(all_ladders)}};
}

// The device on which variants that need OpenCL run; null where there is none, or no such variant.
// Drivers take a while to look for devices: nobody else is to wait for them.
ordered_json describe_device() {
  const auto needs = [](const VariantInfo& v) {
    return std::any_of(v.needs.begin(), v.needs.end(),
                       [](const Need& need) { return need.name == opencl::kOpenCl.name; });
  };
  const bool asked = std::any_of(kernels().begin(), kernels().end(), [&](const Kernel& kernel) {
    return std::any_of(kernel.variants.begin(), kernel.variants.end(), needs);
  });
  const opencl::Device* const device = asked ? opencl::device() : nullptr;
  if (device == nullptr) return nullptr;
  return {{"name", device->name},
          {"vendor", device->vendor},
          {"type", device->type},
          {"platform", device->platform},
          {"driver", device->driver},
          {"version", device->version},
          {"compute_units", device->compute_units},
          {"memory_bytes", device->memory_bytes},
          {"shares_memory", device->shares_memory}};
}

// The MPI job that this process is the first rank of; null where it is none.
ordered_json describe_job() {
  const cluster::Job* const job = cluster::job();
  if (job == nullptr) return nullptr;
  return {{"ranks", job->ranks()},
          {"hosts", job->hosts(job->ranks())},
          {"library", job->library},
          {"yields", job->yields}};
}

}  // namespace

ordered_json catalogue() {
  ordered_json all = ordered_json::array();
  for (const Kernel& kernel : kernels()) all.push_back(describe_kernel(kernel));
  return {{"version", kFileVersion},
          {"build",
           {{"compiler", HEADROOM_COMPILER},
            {"flags", HEADROOM_FLAGS},
            {"build_type", HEADROOM_BUILD_TYPE},
            {"isa", HEADROOM_ISA},
            {"preset", HEADROOM_PRESET},
            {"benchmark_library_debug", benchmark_library_is_debug()}}},
          {"libraries", libraries()},
          {"simd_targets", simd_targets()},
          {"threads_available", core_count()},
          {"device", describe_device()},
          {"cluster", describe_job()},
          {"kernels", std::move(all)}};
}

}  // namespace headroom
