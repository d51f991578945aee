// What a process may use, on made-up trees of /proc and /sys (core/allowance.h).
#include "core/allowance.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "catch.h"

namespace headroom {
namespace {

struct Tree {
  Tree() { std::filesystem::create_directories(root); }
  ~Tree() { std::filesystem::remove_all(root); }
  void write(const std::string& name, const std::string& text) const {
    const std::filesystem::path path = root + name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << text;
  }
  std::string root =
      (std::filesystem::temp_directory_path() / ("headroom-allowance-" + std::to_string(getpid())))
          .string();
};

TEST_CASE("without control groups, or without limits, nothing is limited") {
  const Tree tree;
  const ControlGroups none(tree.root);
  CHECK((!none.quota() && !none.throttled_s() && !none.memory_left()));
  tree.write("/proc/self/cgroup", "0::/a\n");
  tree.write("/proc/self/mountinfo", "1 0 0:1 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
  tree.write("/sys/fs/cgroup/a/cpu.max", "max 100000\n");
  tree.write("/sys/fs/cgroup/a/memory.max", "max\n");
  const ControlGroups free(tree.root);
  CHECK((!free.quota() && !free.throttled_s() && !free.memory_left()));
}

TEST_CASE("version 2: the least of what a group and those above it allow") {
  const Tree tree;
  tree.write("/proc/self/cgroup", "0::/box/in ner\n");
  tree.write("/proc/self/mountinfo",
             "1 0 0:1 / /sys/fs/c\\040g rw shared:1 - cgroup2 cgroup2 rw\n");
  tree.write("/sys/fs/c g/box/cpu.max", "50000 100000\n");
  tree.write("/sys/fs/c g/box/in ner/cpu.max", "200000 100000\n");
  tree.write("/sys/fs/c g/box/cpu.stat", "usage_usec 7\nnr_throttled 2\nthrottled_usec 1500000\n");
  tree.write("/sys/fs/c g/box/memory.max", "1000000\n");
  tree.write("/sys/fs/c g/box/memory.current", "700000\n");
  tree.write("/sys/fs/c g/box/memory.stat", "anon 1\ninactive_file 100000\n");
  tree.write("/sys/fs/c g/box/in ner/memory.high", "500000\n");
  tree.write("/sys/fs/c g/box/in ner/memory.current", "50000\n");
  const ControlGroups groups(tree.root);
  CHECK(groups.quota().value() == 0.5);
  CHECK(groups.throttled_s().value() == 1.5);
  CHECK(groups.memory_left().value() == 400000);
}

TEST_CASE("version 1: a hierarchy for each controller, and a container's own group at its top") {
  const Tree tree;
  tree.write("/proc/self/cgroup", "4:memory:/d/x\n3:cpu,cpuacct:/d/x\n0::/elsewhere\n");
  tree.write("/proc/self/mountinfo",
             "1 0 0:1 /d/x /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n"
             "2 0 0:2 /d/x /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
             "3 0 0:3 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
  tree.write("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "10000\n");
  tree.write("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
  tree.write("/sys/fs/cgroup/cpu/cpu.stat", "nr_throttled 3\nthrottled_time 32000000000\n");
  tree.write("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  CHECK(ControlGroups(tree.root).quota().value() == 0.1);
  CHECK(ControlGroups(tree.root).throttled_s().value() == 32);
  CHECK(!ControlGroups(tree.root).memory_left());
  tree.write("/sys/fs/cgroup/memory/memory.limit_in_bytes", "1000\n");
  tree.write("/sys/fs/cgroup/memory/memory.usage_in_bytes", "1200\n");
  CHECK(ControlGroups(tree.root).memory_left().value() == 0);
  tree.write("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
  CHECK(!ControlGroups(tree.root).quota());
}

#ifdef __linux__
TEST_CASE("the calling thread's CPUs are told and set, beyond a cpu_set_t too") {
  const std::vector<int> all = affinity();
  REQUIRE(!all.empty());
  CHECK(set_affinity({all.back()}));
  CHECK(affinity() == std::vector<int>{all.back()});
  CHECK(set_affinity(all));
  CHECK(affinity() == all);
  CHECK(!set_affinity({}));
  CHECK(!set_affinity({50'000}));  // no such CPU, and no write beyond a mask
}
#endif

}  // namespace
}  // namespace headroom
