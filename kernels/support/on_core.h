// Threads at known places: on one core for a while, or free to run on any.
#pragma once

#include <pthread.h>
#include <sched.h>

#include <thread>

#include "core/cpu.h"

namespace headroom {

#ifdef __linux__
// The hardware threads that pin_to_core(slot) allows.
inline cpu_set_t cpus_of_core(int slot) {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::thread([&] {
    pin_to_core(slot);
    pthread_getaffinity_np(pthread_self(), sizeof set, &set);
  }).join();
  return set;
}

// All of them.
inline const cpu_set_t& cpus_of_all_cores() {
  static const cpu_set_t all = [] {
    cpu_set_t sum = cpus_of_core(0);
    for (int slot = 1; slot < core_count(); ++slot) {
      const cpu_set_t one = cpus_of_core(slot);
      CPU_OR(&sum, &sum, &one);
    }
    return sum;
  }();
  return all;
}

// Keeps the calling thread on a core while it lives. The bench program pins its thread to core 0 at
// the start, so there this costs one system call; a test's thread, which is free, gets its freedom
// back.
class OnCore {
 public:
  explicit OnCore(const cpu_set_t& core) {
    CPU_ZERO(&before_);
    moved_ = pthread_getaffinity_np(pthread_self(), sizeof before_, &before_) == 0 &&
             !CPU_EQUAL(&before_, &core) &&
             pthread_setaffinity_np(pthread_self(), sizeof core, &core) == 0;
  }
  ~OnCore() {
    if (moved_) pthread_setaffinity_np(pthread_self(), sizeof before_, &before_);
  }
  OnCore(const OnCore&) = delete;
  OnCore& operator=(const OnCore&) = delete;

 private:
  cpu_set_t before_;
  bool moved_ = false;
};
#endif

// Lets the calling thread run on every core from now on.
inline void move_to_any_core() {
#ifdef __linux__
  pthread_setaffinity_np(pthread_self(), sizeof(cpu_set_t), &cpus_of_all_cores());
#endif
}

// The same while it lives.
class OnAnyCore {
#ifdef __linux__
  OnCore cores_{cpus_of_all_cores()};
#endif
 public:
  OnAnyCore() {}
};

}  // namespace headroom
