#include "core/cpu.h"

#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace headroom {
namespace {

#ifdef __linux__
// The hardware threads that the process was given at its start. An OpenMP runtime with
// OMP_PROC_BIND narrows the first thread's mask before main, so the bench program, which sets that
// variable, hands the original mask on in HEADROOM_CPUS ("0,1,4").
std::vector<int> allowed_cpus() {
  std::vector<int> cpus;
  if (const char* given = std::getenv("HEADROOM_CPUS")) {
    std::stringstream list(given);
    for (std::string item; std::getline(list, item, ',');) cpus.push_back(std::atoi(item.c_str()));
    return cpus;
  }
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) != 0) return cpus;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
    if (CPU_ISSET(cpu, &set)) cpus.push_back(cpu);
  return cpus;
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
  return cores;
}

const std::vector<int>& cores() {
  static const std::vector<int> found = find_cores();
  return found;
}
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
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cores()[static_cast<std::size_t>(slot) % cores().size()], &set);
  return pthread_setaffinity_np(pthread_self(), sizeof set, &set) == 0;
#else
  (void)slot;
  return false;
#endif
}

void run_team(int count, const std::function<void(int)>& body) {
  std::vector<std::thread> team;
  team.reserve(static_cast<std::size_t>(std::max(0, count - 1)));
  for (int i = 1; i < count; ++i) {
    team.emplace_back([i, &body] {
      pin_to_core(i);
      body(i);
    });
  }
  body(0);
  for (std::thread& thread : team) thread.join();
}

#ifdef _SC_LEVEL1_DCACHE_SIZE
std::size_t l1_bytes() { return cache_bytes(_SC_LEVEL1_DCACHE_SIZE, std::size_t{32} << 10); }
std::size_t l2_bytes() { return cache_bytes(_SC_LEVEL2_CACHE_SIZE, std::size_t{512} << 10); }
#else
std::size_t l1_bytes() { return cache_bytes(-1, std::size_t{32} << 10); }
std::size_t l2_bytes() { return cache_bytes(-1, std::size_t{512} << 10); }
#endif

}  // namespace headroom
