// Cores and caches as the kernels see them (core/cpu.h).
#include "core/cpu.h"

#include <unistd.h>

#include <set>
#include <thread>
#include <vector>

#ifdef __linux__
#include <sched.h>
#endif

#include "catch.h"
#include "core/need.h"

namespace headroom {
namespace {

#ifdef __linux__
// The hardware threads that the calling thread may use; empty where that can't be told.
std::set<int> allowed() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::set<int> cpus;
  if (sched_getaffinity(0, sizeof set, &set) != 0) return cpus;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
    if (CPU_ISSET(cpu, &set)) cpus.insert(cpu);
  return cpus;
}

TEST_CASE("each slot is a core of its own, and they come around again") {
  const int count = core_count();
  std::vector<std::set<int>> places;
  bool pinned = true;
  std::thread([&] {
    for (int slot = 0; slot < 2 * count; ++slot) {
      pinned = pin_to_core(slot) && pinned;
      places.push_back(allowed());
    }
  }).join();
  CHECK(pinned);
  std::set<int> seen;
  for (std::size_t slot = 0; slot < places.size(); ++slot) {
    REQUIRE(places[slot].size() == 1);
    CHECK(places[slot] == places[slot % static_cast<std::size_t>(count)]);
    seen.insert(*places[slot].begin());
  }
  CHECK(seen.size() == static_cast<std::size_t>(count));
}
#endif

TEST_CASE("cores and caches are counted") {
  CHECK(core_count() >= 1);
  CHECK(internal::has_two_cores() == (core_count() >= 2));
#ifdef _SC_LEVEL1_DCACHE_SIZE
  // What the system doesn't know, it says is 0 or -1; then the usual size stands in.
  const long l1 = sysconf(_SC_LEVEL1_DCACHE_SIZE), l2 = sysconf(_SC_LEVEL2_CACHE_SIZE);
  CHECK(l1_bytes() == (l1 > 0 ? static_cast<std::size_t>(l1) : std::size_t{32} << 10));
  CHECK(l2_bytes() == (l2 > 0 ? static_cast<std::size_t>(l2) : std::size_t{512} << 10));
#endif
  CHECK(l1_bytes() < l2_bytes());
}

}  // namespace
}  // namespace headroom
