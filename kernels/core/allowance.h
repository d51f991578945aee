// What this process may use of the machine, which may be less than the machine has: some of the
// CPUs (affinity, cpuset), a share of their time and of the memory (control groups, version 1 and
// 2). tools/headroom_tools/machine/allowance.py does the same for the tools.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace headroom {

// The CPUs that the calling thread may run on, however many the machine has; empty where the system
// doesn't tell.
std::vector<int> affinity();
// Lets the calling thread run on these alone; false where the system refuses.
bool set_affinity(const std::vector<int>& cpus);

// The control groups of this process, each with those above it, found when it is made. `root` is
// the folder that has proc/ and sys/: another one in tests.
class ControlGroups {
 public:
  explicit ControlGroups(const std::string& root = "");

  // CPUs whose time may be used, like 0.5; none where it is not limited.
  std::optional<double> quota() const;
  // Seconds that we were kept from running for, each CPU counted; none where time is not limited.
  std::optional<double> throttled_s() const;
  // Bytes of memory that may still be taken; none where memory is not limited.
  std::optional<std::size_t> memory_left() const;

 private:
  struct Places {
    int version = 0;
    std::vector<std::string> folders = {};  // our own first
  };
  Places places(const std::string& root, const std::string& controller) const;

  Places cpu_, memory_;
};

// Those of this process; HEADROOM_SYSTEM names a folder with made-up ones.
const ControlGroups& control_groups();

}  // namespace headroom
