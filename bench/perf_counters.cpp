#include "bench/perf_counters.h"

#ifdef __linux__
#include <linux/perf_event.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <utility>
#endif

namespace headroom {

#ifdef __linux__
namespace {

constexpr int kNoSetting = -100;

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

// A descriptor that counts `event` in thread `tid` and those that it starts from now on, or -1 with
// errno. leader: -1 opens a group.
int open_event(const PerfEvent& event, pid_t tid, int leader) {
  perf_event_attr attr;
  std::memset(&attr, 0, sizeof attr);
  attr.size = sizeof attr;
  attr.type = event.type;
  attr.config = event.config;
  attr.inherit = 1;
  // The user-space part is what everybody may count, and the same question on every machine.
  attr.exclude_kernel = 1;
  attr.exclude_hv = 1;
  attr.read_format =
      PERF_FORMAT_GROUP | PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING;
  return static_cast<int>(
      syscall(SYS_perf_event_open, &attr, tid, -1, leader, PERF_FLAG_FD_CLOEXEC));
}

// The threads of this process, the calling one first.
std::vector<pid_t> thread_ids() {
  std::vector<pid_t> ids = {static_cast<pid_t>(syscall(SYS_gettid))};
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/task", ignored)) {
    const pid_t id = static_cast<pid_t>(std::stol(entry.path().filename().string()));
    if (id != ids.front()) ids.push_back(id);
  }
  return ids;
}

class PerfSource final : public CounterSource {
 public:
  // A group of `events` for each thread. Throws std::runtime_error where a thread can't be watched
  // like the first one.
  explicit PerfSource(const std::vector<PerfEvent>& events) {
    for (const PerfEvent& event : events) names_.push_back(event.name);
    for (const pid_t id : thread_ids()) {
      std::vector<Descriptor> group;
      for (const PerfEvent& event : events) {
        const int leader = group.empty() ? -1 : group.front().get();
        const int fd = open_event(event, id, leader);
        if (fd < 0 && errno == ESRCH && group.empty()) break;  // the thread ended meanwhile
        if (fd < 0) throw std::runtime_error(std::generic_category().message(errno));
        group.emplace_back(fd);
      }
      if (!group.empty()) groups_.push_back(std::move(group));
    }
  }

  const std::vector<std::string_view>& names() const override { return names_; }

  std::vector<CounterReading> read() override {
    std::vector<CounterReading> now;
    std::uint64_t buffer[3 + kCounterNames.size()];
    for (const std::vector<Descriptor>& group : groups_) {
      const ssize_t want = static_cast<ssize_t>((3 + names_.size()) * sizeof(std::uint64_t));
      if (::read(group.front().get(), buffer, sizeof buffer) != want)
        throw std::runtime_error("a hardware counter can't be read");
      now.push_back({{buffer + 3, buffer + 3 + names_.size()}, buffer[1], buffer[2]});
    }
    return now;
  }

 private:
  std::vector<std::string_view> names_;
  std::vector<std::vector<Descriptor>> groups_;
};

// The events that this machine can count, as far as one group takes them; errno of the last refusal
// in `error`.
std::vector<PerfEvent> countable(const std::vector<PerfEvent>& events, int& error) {
  std::vector<PerfEvent> good;
  std::vector<Descriptor> group;
  for (const PerfEvent& event : events) {
    const int fd = open_event(event, 0, group.empty() ? -1 : group.front().get());
    if (fd < 0) {
      error = errno;
      continue;
    }
    group.emplace_back(fd);
    good.push_back(event);
  }
  return good;
}

// Whether the counters ever get the hardware: another program may hold it for good (the kernel's
// own watchdog takes one), and the kernel finds that out only when it schedules the group.
bool ever_runs(CounterSource& source) {
  const std::uint64_t before = source.read().front().running;
  volatile int work = 0;
  for (int i = 0; i < 100'000; ++i) work = work + 1;
  return source.read().front().running > before;
}

int paranoid_setting() {
  std::ifstream file("/proc/sys/kernel/perf_event_paranoid");
  int value = kNoSetting;
  return file >> value ? value : kNoSetting;
}

bool in_virtual_machine() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string word; file >> word;)
    if (word == "hypervisor") return true;
  return false;
}

constexpr std::uint64_t kL1dReadMisses = PERF_COUNT_HW_CACHE_L1D |
                                         (PERF_COUNT_HW_CACHE_OP_READ << 8) |
                                         (PERF_COUNT_HW_CACHE_RESULT_MISS << 16);

}  // namespace

CountersOpened why_no_counters(int error, int paranoid, bool virtual_machine) {
  CountersOpened none;
  if (paranoid == kNoSetting) {
    none.why = "this kernel was built without perf events";
    none.cure = "boot one that has them";
  } else if ((error == EPERM || error == EACCES) && paranoid > 2) {
    none.why = "the system keeps them from users (perf_event_paranoid is " +
               std::to_string(paranoid) + ")";
    none.cure = "sudo sysctl kernel.perf_event_paranoid=2";
  } else if (error == EPERM || error == EACCES) {
    none.why = "this container or sandbox forbids perf_event_open";
    none.cure = "run outside of it, or allow it (docker run --cap-add PERFMON)";
  } else if (virtual_machine) {
    none.why = "this virtual machine has none";
    none.cure = "measure on the bare machine, or let its host pass them through";
  } else {
    none.why =
        "the kernel knows none of this processor (" + std::generic_category().message(error) + ")";
    none.cure = "a newer kernel may";
  }
  return none;
}

CountersOpened open_perf_events(const std::vector<PerfEvent>& events) {
  int error = ENOENT;
  std::vector<PerfEvent> good = countable(events, error);
  while (!good.empty()) {
    try {
      auto source = std::make_unique<PerfSource>(good);
      if (ever_runs(*source)) return {std::move(source)};
    } catch (const std::runtime_error& failed) {
      return {nullptr, std::string("not all threads can be watched: ") + failed.what(),
              "raise the limit of open files (ulimit -n)"};
    }
    good.pop_back();
    error = EBUSY;
  }
  if (error == EBUSY)
    return {nullptr, "another program holds them", "end it (perf, a profiler, a debugger)"};
  return why_no_counters(error, paranoid_setting(), in_virtual_machine());
}

CountersOpened open_perf_counters() {
  return open_perf_events({{kCounterNames[0], PERF_TYPE_HARDWARE, PERF_COUNT_HW_CPU_CYCLES},
                           {kCounterNames[1], PERF_TYPE_HARDWARE, PERF_COUNT_HW_INSTRUCTIONS},
                           {kCounterNames[2], PERF_TYPE_HARDWARE, PERF_COUNT_HW_BRANCH_MISSES},
                           {kCounterNames[3], PERF_TYPE_HARDWARE, PERF_COUNT_HW_CACHE_MISSES},
                           {kCounterNames[4], PERF_TYPE_HW_CACHE, kL1dReadMisses}});
}

#else

CountersOpened why_no_counters(int, int, bool) {
  return {nullptr, "this system has no perf_event_open", "measure on Linux"};
}
CountersOpened open_perf_events(const std::vector<PerfEvent>&) {
  return why_no_counters(0, 0, false);
}
CountersOpened open_perf_counters() { return why_no_counters(0, 0, false); }

#endif

}  // namespace headroom
