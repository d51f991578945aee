#include "bench/slot.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include <algorithm>
#include <fstream>
#include <optional>
#include <stdexcept>

#include "core/allowance.h"
#include "core/scratch.h"

namespace headroom {
namespace {

struct Bound {
  const Kernel* kernel = nullptr;
  std::string input;
  std::size_t n = 0;
  std::uint64_t seed = 0;
  Params params;
  std::unique_ptr<Instance> instance;
  std::size_t bytes = 0;
};

Bound& bound(Slot slot) {
  static Bound kernel, ceiling;
  return slot == Slot::kKernel ? kernel : ceiling;
}

// Bytes that can be taken: MemAvailable of /proc/meminfo, or less where control groups leave less.
// 0 where nothing says.
std::size_t available_memory() {
  const std::optional<std::size_t> left = control_groups().memory_left();
  const bool limited = left.has_value();
  std::size_t most = left.value_or(0);
  std::ifstream file("/proc/meminfo");
  std::string word;
  while (file >> word) {
    std::size_t kib = 0;
    if (word == "MemAvailable:" && file >> kib) {
      most = limited ? std::min(most, kib << 10) : kib << 10;
      break;
    }
  }
  return limited ? std::max<std::size_t>(most, 1) : most;
}

std::string mebibytes(std::size_t bytes) {
  return std::to_string((bytes + (1 << 20) - 1) >> 20) + " MiB";
}

void require_room(const Kernel& kernel, const Setting& setting) {
  const Demand demand = kernel.meta.demand(setting);
  const std::size_t memory = available_memory();
  if (memory != 0 && demand.memory > memory / 10 * 8)
    throw std::runtime_error("not enough memory: needs " + mebibytes(demand.memory) + ", " +
                             mebibytes(memory) + " are available");
  if (demand.scratch == 0) return;
  const std::size_t space = scratch_free_bytes();
  if (space < demand.scratch)
    throw std::runtime_error("not enough scratch space: needs " + mebibytes(demand.scratch) + ", " +
                             mebibytes(space) + " are free in " + scratch_folder());
}

}  // namespace

std::size_t allocated_bytes() {
#ifdef __GLIBC__
  const struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd + buffer_bytes_held();
#else
  return buffer_bytes_held();
#endif
}

std::size_t allocated_since(std::size_t before) {
  const std::size_t now = allocated_bytes();
  return now > before ? now - before : 0;
}

const Instance& bound_instance(const Kernel& kernel, const Setting& setting, Slot slot) {
  Bound& s = bound(slot);
  if (s.instance != nullptr && s.kernel == &kernel && s.n == setting.n &&
      s.input == setting.input.text() && s.seed == setting.seed && s.params == setting.params)
    return *s.instance;
  s.instance.reset();
  require_room(kernel, setting);
  s.kernel = &kernel;
  s.input = setting.input.text();
  s.n = setting.n;
  s.seed = setting.seed;
  s.params = setting.params;
  const std::size_t before = allocated_bytes();
  s.instance = kernel.bind(setting);
  s.bytes = allocated_since(before);
  return *s.instance;
}

void drop_instances() {
  bound(Slot::kKernel).instance.reset();
  bound(Slot::kCeiling).instance.reset();
}

std::size_t bound_input_bytes() { return bound(Slot::kKernel).bytes; }

}  // namespace headroom
