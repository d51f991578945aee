#include "core/kernel.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <set>
#include <stdexcept>

namespace headroom {
namespace {

std::vector<Kernel>& registered() {
  static std::vector<Kernel> all;
  return all;
}

// What is wrong with a kernel's description, or nothing.
std::string flaw(const Kernel& kernel) {
  const Metadata& meta = kernel.meta;
  if (std::count(meta.name.begin(), meta.name.end(), '/') != 1) return "name is not group/kernel";
  if (!meta.demand) return "no demand";
  if (meta.inputs.empty()) return "no input";
  if (std::set<std::string>(meta.inputs.begin(), meta.inputs.end()).size() != meta.inputs.size())
    return "an input twice (kInputs of the problem and inputs of the metadata are not both needed)";
  for (const Param& param : meta.params) {
    if (param.name.empty() || param.name.find_first_of("/: ,") != std::string::npos)
      return "param " + param.name + " has no name that fits into a cell's";
    if (param.values.empty()) return "param " + param.name + " has no value";
    for (std::int64_t value : param.headline)
      if (std::find(param.values.begin(), param.values.end(), value) == param.values.end())
        return "param " + param.name + ": headline value " + std::to_string(value) +
               " is not among its values";
  }
  if (meta.sizes.empty() || !std::is_sorted(meta.sizes.begin(), meta.sizes.end()))
    return "sizes are missing or not ascending";
  for (std::size_t n : meta.headline)
    if (!std::binary_search(meta.sizes.begin(), meta.sizes.end(), n))
      return "headline size " + std::to_string(n) + " is not among its sizes";
  if (meta.headline.empty()) return "no headline size";
  static const std::set<std::string> units = {"", "B/s", "FLOP/s", "Hz", "ns"};
  if (units.count(meta.unit) == 0) return "unknown unit " + meta.unit;
  if (meta.simulated && meta.measure.name == "time")
    return "it is simulated, and judged by the time that the simulation takes";
  std::set<std::string_view> names;
  std::size_t standards = 0;
  for (const VariantInfo& v : kernel.variants) {
    if (v.what.empty()) return "variant " + std::string(v.name) + " does not say what it does";
    if (!names.insert(v.name).second) return "two variants named " + std::string(v.name);
    if (!v.built && v.needs.empty())
      return "variant " + std::string(v.name) + " was not built and names no need";
    if (v.role == "standard" && ++standards > 1) return "more than one standard variant";
  }
  return "";
}

}  // namespace

std::string_view name(Axis axis) {
  switch (axis) {
    case Axis::kScalar:
      return "scalar";
    case Axis::kSimd:
      return "simd";
    case Axis::kCores:
      return "cores";
    case Axis::kCache:
      return "cache";
    case Axis::kMemoryBandwidth:
      return "memory-bandwidth";
    case Axis::kMemoryLatency:
      return "memory-latency";
    case Axis::kStorageSequential:
      return "storage-sequential";
    case Axis::kStorageRandom:
      return "storage-random";
    case Axis::kStorageSync:
      return "storage-sync";
    case Axis::kSyscall:
      return "syscall";
    case Axis::kNetwork:
      return "network";
    case Axis::kCoherence:
      return "coherence";
    case Axis::kGpu:
      return "gpu";
  }
  std::abort();
}

std::string_view name(NoiseClass noise_class) {
  switch (noise_class) {
    case NoiseClass::kCpu:
      return "cpu";
    case NoiseClass::kDram:
      return "dram";
    case NoiseClass::kThreads:
      return "threads";
    case NoiseClass::kStorage:
      return "storage";
  }
  std::abort();
}

NoiseClass noise_class(Axis axis) {
  switch (axis) {
    case Axis::kScalar:
    case Axis::kSimd:
    case Axis::kCache:
      return NoiseClass::kCpu;
    case Axis::kMemoryBandwidth:
    case Axis::kMemoryLatency:
      return NoiseClass::kDram;
    case Axis::kCores:
    case Axis::kGpu:
    case Axis::kCoherence:
    case Axis::kNetwork:
      return NoiseClass::kThreads;
    case Axis::kStorageSequential:
    case Axis::kStorageRandom:
    case Axis::kStorageSync:
    case Axis::kSyscall:
      return NoiseClass::kStorage;
  }
  std::abort();
}

bool VariantInfo::available() const {
  return built && std::all_of(needs.begin(), needs.end(), [](const Need& n) { return n.met(); });
}

namespace internal {

std::string last_folder_and_name(std::string_view path) {
  const std::size_t name = path.rfind('/');
  if (name == std::string_view::npos || name == 0) return std::string(path);
  return std::string(path.substr(path.rfind('/', name - 1) + 1));
}

Setting with_known_input(const std::string& kernel, const std::vector<std::string>& inputs,
                         const std::vector<std::string>& test_inputs, Setting setting) {
  for (const std::vector<std::string>* names : {&inputs, &test_inputs}) {
    for (const std::string& name : *names) {
      if (name != setting.input.text()) continue;
      setting.input = name;
      return setting;
    }
  }
  std::string known;
  for (const std::string& name : inputs) known += (known.empty() ? "" : ", ") + name;
  throw std::invalid_argument(kernel + ": no input " + std::string(setting.input.text()) +
                              "; it has " + known);
}

}  // namespace internal

Registrar::Registrar(Kernel kernel) { registered().push_back(std::move(kernel)); }

void adapt_kernels(void (*adapt)(Kernel&)) {
  for (Kernel& kernel : registered()) adapt(kernel);
}

const std::vector<Kernel>& kernels() {
  static const bool checked = [] {
    std::vector<Kernel>& all = registered();
    std::sort(all.begin(), all.end(),
              [](const Kernel& a, const Kernel& b) { return a.meta.name < b.meta.name; });
    for (std::size_t i = 0; i < all.size(); ++i) {
      std::string problem = flaw(all[i]);
      if (i > 0 && all[i].meta.name == all[i - 1].meta.name) problem = "registered twice";
      if (problem.empty()) continue;
      std::fprintf(stderr, "headroom: kernel %s (%s): %s\n", all[i].meta.name.c_str(),
                   all[i].source.c_str(), problem.c_str());
      std::exit(2);  // NOLINT(concurrency-mt-unsafe): at the start, by one thread
    }
    return true;
  }();
  (void)checked;
  return registered();
}

const Kernel* find_kernel(std::string_view name) {
  for (const Kernel& kernel : kernels())
    if (kernel.meta.name == name) return &kernel;
  return nullptr;
}

}  // namespace headroom
