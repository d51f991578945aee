#include "core/cpu.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "core/allowance.h"

namespace headroom {
namespace {

#ifdef __linux__
// The hardware threads that the process was given at its start. An OpenMP runtime with
// OMP_PROC_BIND narrows the first thread's mask before main, so the bench program, which sets that
// variable, hands the original mask on in HEADROOM_CPUS ("0,1,4").
std::vector<int> allowed_cpus() {
  std::vector<int> cpus;
  // NOLINTNEXTLINE(concurrency-mt-unsafe): once, and nobody sets it any more
  if (const char* given = std::getenv("HEADROOM_CPUS")) {
    std::stringstream list(given);
    for (std::string item; std::getline(list, item, ',');) cpus.push_back(std::atoi(item.c_str()));
    return cpus;
  }
  return affinity();
}

std::vector<int> find_cores() {
  std::vector<int> cores;
  std::set<std::string> seen;
  for (int cpu : allowed_cpus()) {
    std::ifstream file("/sys/devices/system/cpu/cpu" + std::to_string(cpu) +
                       "/topology/thread_siblings_list");
    std::string siblings;
    if (!std::getline(file, siblings)) siblings = "cpu" + std::to_string(cpu);
    if (seen.insert(siblings).second) cores.push_back(cpu);
  }
  if (cores.empty()) cores.push_back(0);
  // Threads on more cores than a control group gives time for would be stopped in turn: what runs
  // in its first moments would pass for what they can do.
  if (const std::optional<double> quota = control_groups().quota())
    cores.resize(std::min(cores.size(), static_cast<std::size_t>(std::max(*quota, 1.0))));
  return cores;
}

const std::vector<int>& cores() {
  static const std::vector<int> found = find_cores();
  return found;
}
#endif

#ifdef _SC_LEVEL1_DCACHE_SIZE
constexpr int kL1Size = _SC_LEVEL1_DCACHE_SIZE, kL2Size = _SC_LEVEL2_CACHE_SIZE;
#else
constexpr int kL1Size = -1, kL2Size = -1;
#endif

std::size_t cache_bytes(int name, std::size_t usual) {
  const long bytes = name < 0 ? 0 : sysconf(name);
  return bytes > 0 ? static_cast<std::size_t>(bytes) : usual;
}

}  // namespace

int core_count() {
#ifdef __linux__
  return static_cast<int>(cores().size());
#else
  return std::max(1u, std::thread::hardware_concurrency());
#endif
}

bool pin_to_core(int slot) {
#ifdef __linux__
  return set_affinity({cores()[static_cast<std::size_t>(slot) % cores().size()]});
#else
  (void)slot;
  return false;
#endif
}

// Asked once: glibc asks the processor by an instruction for which a virtual machine stops.
std::size_t l1_bytes() {
  static const std::size_t bytes = cache_bytes(kL1Size, std::size_t{32} << 10);
  return bytes;
}
std::size_t l2_bytes() {
  static const std::size_t bytes = cache_bytes(kL2Size, std::size_t{512} << 10);
  return bytes;
}

}  // namespace headroom
