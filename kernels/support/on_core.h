// Threads at known places: on one core for a while, or free to run on any.
#pragma once

#include <pthread.h>
#include <sched.h>

#include <cerrno>
#include <cstddef>
#include <thread>
#include <vector>

#include "core/cpu.h"

namespace headroom {

#ifdef __linux__
// Hardware threads that a thread may run on: as many as the kernel has, which refuses a mask that
// is shorter than its own. (A cpu_set_t alone has 1,024.)
class CpuMask {
 public:
  CpuMask() : parts_(count()) {}  // none
  static CpuMask of_this_thread() {
    CpuMask mask;
    mask.known_ = get(mask.parts_) == 0;
    return mask;
  }
  bool known() const { return known_; }
  // Moves the calling thread; false where the system refuses.
  bool apply() const {
    return known_ && pthread_setaffinity_np(pthread_self(), bytes(), set()) == 0;
  }
  void add(const CpuMask& more) {
    known_ = known_ && more.known_;
    for (std::size_t i = 0; i < parts_.size(); ++i) CPU_OR(&parts_[i], &parts_[i], &more.parts_[i]);
  }
  bool operator==(const CpuMask& other) const {
    return CPU_EQUAL_S(bytes(), set(), other.set()) != 0;
  }
  const cpu_set_t* set() const { return parts_.data(); }
  std::size_t bytes() const { return parts_.size() * sizeof(cpu_set_t); }

 private:
  static int get(std::vector<cpu_set_t>& parts) {
    return pthread_getaffinity_np(pthread_self(), parts.size() * sizeof(cpu_set_t), parts.data());
  }
  // Asked once of the kernel.
  static std::size_t count() {
    static const std::size_t enough = [] {
      std::size_t parts = 1;
      for (std::vector<cpu_set_t> tried(1); get(tried) == EINVAL && parts < 64; tried.resize(parts))
        parts *= 2;
      return parts;
    }();
    return enough;
  }
  std::vector<cpu_set_t> parts_;
  bool known_ = false;
};

// The hardware threads that pin_to_core(slot) allows.
inline CpuMask cpus_of_core(int slot) {
  CpuMask mask;
  std::thread([&] {
    pin_to_core(slot);
    mask = CpuMask::of_this_thread();
  }).join();
  return mask;
}

// All of them.
inline const CpuMask& cpus_of_all_cores() {
  static const CpuMask all = [] {
    CpuMask sum = cpus_of_core(0);
    for (int slot = 1; slot < core_count(); ++slot) sum.add(cpus_of_core(slot));
    return sum;
  }();
  return all;
}

// All but the first, on which a load generator is; of one core that one.
inline const CpuMask& cpus_of_other_cores() {
  static const CpuMask others = [] {
    CpuMask sum = cpus_of_core(1);
    for (int slot = 2; slot < core_count(); ++slot) sum.add(cpus_of_core(slot));
    return sum;
  }();
  return others;
}

// Keeps the calling thread on a core while it lives. The bench program pins its thread to core 0 at
// the start, so there this costs one system call; a test's thread, which is free, gets its freedom
// back.
class OnCore {
 public:
  explicit OnCore(const CpuMask& core)
      : before_(CpuMask::of_this_thread()),
        moved_(before_.known() && !(before_ == core) && core.apply()) {}
  ~OnCore() {
    if (moved_) before_.apply();
  }
  OnCore(const OnCore&) = delete;
  OnCore& operator=(const OnCore&) = delete;

 private:
  const CpuMask before_;
  const bool moved_;
};
#endif

// Lets the calling thread run on every core from now on.
inline void move_to_any_core() {
#ifdef __linux__
  cpus_of_all_cores().apply();
#endif
}

// Lets the calling thread run on every core but the first from now on.
inline void move_to_other_cores() {
#ifdef __linux__
  cpus_of_other_cores().apply();
#endif
}

// The same as move_to_any_core() while it lives.
class OnAnyCore {
#ifdef __linux__
  OnCore cores_{cpus_of_all_cores()};
#endif
 public:
  OnAnyCore() {}
};

}  // namespace headroom
