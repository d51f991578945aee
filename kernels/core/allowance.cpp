#include "core/allowance.h"

#ifdef __linux__
#include <sched.h>
#endif

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <sstream>

namespace headroom {
namespace {

std::optional<double> number_in(const std::string& path) {
  std::ifstream file(path);
  double value = 0;
  if (file >> value && value >= 0) return value;  // "max", and -1 in version 1: no limit
  return {};
}

// The value of a line "NAME NUMBER".
std::optional<double> field_in(const std::string& path, const std::string& name) {
  std::ifstream file(path);
  std::string word;
  for (double value = 0; file >> word >> value;)
    if (word == name) return value;
  return {};
}

// A path as mountinfo has it: "\040" is a space.
std::string unescaped(const std::string& text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto octal = [&](std::size_t at) { return text[at] >= '0' && text[at] <= '7'; };
    if (text[i] == '\\' && i + 3 < text.size() && octal(i + 1) && octal(i + 2) && octal(i + 3)) {
      plain += static_cast<char>(std::stoi(text.substr(i + 1, 3), nullptr, 8));
      i += 3;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

bool has_word(const std::string& list, const std::string& word) {
  return ("," + list + ",").find("," + word + ",") != std::string::npos;
}

// Version 1 tells no limit as a number of pages that no machine has.
constexpr double kUnlimited = static_cast<double>(std::uint64_t{1} << 60);

}  // namespace

#ifdef __linux__
// cpu_set_t holds 1,024 CPUs; the kernel refuses a mask that is smaller than its own.
std::vector<int> affinity() {
  constexpr int kMost = 1 << 16;
  for (int count = CPU_SETSIZE; count <= kMost; count *= 2) {
    cpu_set_t* const set = CPU_ALLOC(static_cast<std::size_t>(count));
    if (set == nullptr) return {};
    const std::size_t bytes = CPU_ALLOC_SIZE(static_cast<std::size_t>(count));
    CPU_ZERO_S(bytes, set);
    const bool told = sched_getaffinity(0, bytes, set) == 0;
    const bool too_small = !told && errno == EINVAL;
    std::vector<int> cpus;
    for (int cpu = 0; told && cpu < count; ++cpu)
      if (CPU_ISSET_S(static_cast<std::size_t>(cpu), bytes, set)) cpus.push_back(cpu);
    CPU_FREE(set);
    if (!too_small) return cpus;
  }
  return {};
}

bool set_affinity(const std::vector<int>& cpus) {
  if (cpus.empty()) return false;
  const auto count = static_cast<std::size_t>(
      std::max(*std::max_element(cpus.begin(), cpus.end()) + 1, CPU_SETSIZE));
  cpu_set_t* const set = CPU_ALLOC(count);
  if (set == nullptr) return false;
  const std::size_t bytes = CPU_ALLOC_SIZE(count);
  CPU_ZERO_S(bytes, set);
  for (int cpu : cpus) CPU_SET_S(static_cast<std::size_t>(cpu), bytes, set);
  const bool fine = sched_setaffinity(0, bytes, set) == 0;
  CPU_FREE(set);
  return fine;
}
#else
std::vector<int> affinity() { return {}; }
bool set_affinity(const std::vector<int>&) { return false; }
#endif

ControlGroups::ControlGroups(const std::string& root)
    : cpu_(places(root, "cpu")), memory_(places(root, "memory")) {}

ControlGroups::Places ControlGroups::places(const std::string& root,
                                            const std::string& controller) const {
  // "4:cpu,cpuacct:/path" of version 1, "0::/path" of version 2.
  std::string one, path;
  int version = 0;
  std::ifstream own(root + "/proc/self/cgroup");
  for (std::string line; std::getline(own, line);) {
    const std::size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string names = line.substr(first + 1, second - first - 1);
    if (has_word(names, controller)) {
      version = 1;
      path = line.substr(second + 1);
    } else if (names.empty() && version == 0) {
      version = 2;
      path = line.substr(second + 1);
    }
  }
  if (version == 0) return {};
  std::ifstream mounts(root + "/proc/self/mountinfo");
  for (std::string line; std::getline(mounts, line);) {
    const std::size_t bar = line.find(" - ");
    if (bar == std::string::npos) continue;
    std::istringstream left(line.substr(0, bar)), right(line.substr(bar + 3));
    std::string skipped, top, mount, kind, source, options;
    left >> skipped >> skipped >> skipped >> top >> mount;
    right >> kind >> source >> options;
    if (version == 2 ? kind != "cgroup2" : kind != "cgroup" || !has_word(options, controller))
      continue;
    top = unescaped(top);
    // A container may see its own group as the top, under its name outside or as "/".
    if (top != "/") {
      const bool below =
          path.starts_with(top) && (path.size() == top.size() || path[top.size()] == '/');
      path = below ? path.substr(top.size()) : std::string();
    }
    if (path.find("..") != std::string::npos) path.clear();
    while (!path.empty() && path.back() == '/') path.pop_back();
    Places found{version, {}};
    for (;;) {
      found.folders.push_back(root);
      found.folders.back().append(unescaped(mount)).append(path);
      if (path.empty()) return found;
      path.erase(path.rfind('/'));
    }
  }
  return {};
}

std::optional<double> ControlGroups::quota() const {
  std::optional<double> least;
  for (const std::string& folder : cpu_.folders) {
    double time = 0, period = 0;
    if (cpu_.version == 2) {
      std::ifstream file(folder + "/cpu.max");
      if (!(file >> time >> period)) continue;
    } else {
      time = number_in(folder + "/cpu.cfs_quota_us").value_or(0);
      period = number_in(folder + "/cpu.cfs_period_us").value_or(0);
    }
    if (time > 0 && period > 0) least = std::min(least.value_or(time / period), time / period);
  }
  return least;
}

std::optional<double> ControlGroups::throttled_s() const {
  if (!quota()) return {};
  double total = 0;
  for (const std::string& folder : cpu_.folders)
    total += cpu_.version == 2
                 ? field_in(folder + "/cpu.stat", "throttled_usec").value_or(0) * 1e-6
                 : field_in(folder + "/cpu.stat", "throttled_time").value_or(0) * 1e-9;
  return total;
}

std::optional<std::size_t> ControlGroups::memory_left() const {
  std::optional<std::size_t> least;
  const auto consider = [&](const std::string& folder, const char* limit_file,
                            const char* used_file, const char* spare) {
    const std::optional<double> limit = number_in(folder + limit_file);
    if (!limit || *limit >= kUnlimited) return;
    // Pages of files that nobody used lately are given up before anything is killed.
    const double used = number_in(folder + used_file).value_or(0) -
                        field_in(folder + "/memory.stat", spare).value_or(0);
    const auto left = static_cast<std::size_t>(std::max(*limit - std::max(used, 0.0), 0.0));
    least = std::min(least.value_or(left), left);
  };
  for (const std::string& folder : memory_.folders) {
    if (memory_.version == 2) {
      consider(folder, "/memory.max", "/memory.current", "inactive_file");
      consider(folder, "/memory.high", "/memory.current", "inactive_file");
    } else {
      consider(folder, "/memory.limit_in_bytes", "/memory.usage_in_bytes", "total_inactive_file");
    }
  }
  return least;
}

const ControlGroups& control_groups() {
  static const ControlGroups found = [] {
    // NOLINTNEXTLINE(concurrency-mt-unsafe): once, and nobody sets it
    const char* const root = std::getenv("HEADROOM_SYSTEM");
    return ControlGroups(root == nullptr ? "" : root);
  }();
  return found;
}

}  // namespace headroom
