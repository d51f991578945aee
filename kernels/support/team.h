// What kernels of several threads have in common: threads that stand ready, and an even split.
#pragma once

#include <atomic>
#include <cstddef>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "core/cpu.h"
#include "core/setting.h"

namespace headroom {

struct Share {
  std::size_t begin = 0;
  std::size_t end = 0;
  std::size_t size() const { return end - begin; }
};

// Part `part` of `parts` of [0, count), in multiples of `unit` but for the last.
inline Share share(std::size_t count, std::size_t unit, int part, int parts) {
  const std::size_t units = count / unit;
  const auto at = [&](int i) {
    return i == parts
               ? count
               : units * static_cast<std::size_t>(i) / static_cast<std::size_t>(parts) * unit;
  };
  return {at(part), at(part + 1)};
}

// Two cache lines: the adjacent-line prefetcher of some processors fetches them in pairs.
inline constexpr std::size_t kApart = 128;

// Between two looks at a variable that another core writes. Without it the looking core has many
// loads of the line under way when it is written, must throw them away, and asks for the line back
// while its writer still needs it.
inline void spin_pause() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Threads that stand ready: started once, then given one body after the other. (An OpenMP region
// would do, but how long its threads stay awake differs by run time and setting, and a probe that
// has to wake them measures that.)
class Team {
 public:
  // How a member waits for the next body, and the caller for the members.
  enum class Wait {
    // Awake for some 50 us, so that calls in a row find all of them ready; then asleep. For bodies
    // that compute: a wake-up would be a large part of a short call.
    kAwake,
    // Asleep at once. For bodies that wait for a disk: more members than cores, which would take
    // the cores from each other (and from the kernel's own work) if they spun.
    kAsleep
  };
  struct Setup {
    int members = 1;
    bool caller_is_one = true;  // member 0 is the thread that calls run()
    Wait wait = Wait::kAwake;
    // Called on each thread that is started, with its number: where it is to run.
    std::function<void(int)> place = [](int member) { pin_to_core(member); };
  };

  // So many, each pinned to its core, the caller among them; a State makes one of setting.threads.
  explicit Team(int threads) : Team(Setup{.members = threads}) {}
  explicit Team(Setup setup)
      : count_(setup.members),
        caller_is_one_(setup.caller_is_one),
        asleep_(setup.wait == Wait::kAsleep),
        place_(std::move(setup.place)) {
    try {
      for (int i = caller_is_one_ ? 1 : 0; i < count_; ++i)
        started_.emplace_back([this, i] { work(i); });
    } catch (...) {  // no more threads to be had
      dismiss();
      throw;
    }
  }
  ~Team() { dismiss(); }
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;
  int count() const { return count_; }

  // body(i) on member i, all at once; returns when all are done. What a body throws is thrown here
  // (of several, the first), when the others are done too.
  template <class Body>
  void run(const Body& body) {
    if (started_.empty()) {
      if (caller_is_one_) body(0);
      return;
    }
    body_ = &body;
    call_ = [](const void* b, int i) { (*static_cast<const Body*>(b))(i); };
    left_.store(static_cast<int>(started_.size()), std::memory_order_relaxed);
    start();
    if (caller_is_one_) {
      try {
        body(0);
      } catch (...) {
        keep_error();
      }
    }
    if (asleep_) {
      for (int left; (left = left_.load(std::memory_order_acquire)) != 0;) left_.wait(left);
    } else {
      for (int spins = 0; left_.load(std::memory_order_acquire) != 0; ++spins) {
        spin_pause();
        if (spins > kSpins) std::this_thread::yield();
      }
    }
    if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
  }

 private:
  static constexpr int kSpins = 2000;  // some 50 us

  void start() {
    turn_.fetch_add(1, std::memory_order_release);
    turn_.notify_all();
  }
  void keep_error() {
    const std::lock_guard lock(mutex_);
    if (!error_) error_ = std::current_exception();
  }
  void work(int i) {
    place_(i);
    const int spins = asleep_ ? 0 : kSpins;
    for (unsigned seen = 0;; ++seen) {
      for (int s = 0; s < spins && turn_.load(std::memory_order_relaxed) == seen; ++s) spin_pause();
      turn_.wait(seen, std::memory_order_acquire);
      if (body_ == nullptr) return;
      try {
        call_(body_, i);
      } catch (...) {
        keep_error();
      }
      if (left_.fetch_sub(1, std::memory_order_release) == 1 && asleep_) left_.notify_one();
    }
  }
  void dismiss() {
    body_ = nullptr;
    start();
    for (std::thread& thread : started_) thread.join();
  }

  const int count_;
  const bool caller_is_one_, asleep_;
  const std::function<void(int)> place_;
  const void* body_ = nullptr;
  void (*call_)(const void*, int) = nullptr;
  std::mutex mutex_;  // guards error_ while members run
  alignas(kApart) std::atomic<unsigned> turn_{0};
  alignas(kApart) std::atomic<int> left_{0};
  std::exception_ptr error_;
  std::vector<std::thread> started_;
};

// One value for each member, apart from the others: what a body leaves for the caller.
template <class T>
struct alignas(kApart) Apart {
  T value{};
};

// A team of so many, the same for all who hold it at a time: an epoch has a Work for each call, and
// must not start threads for each.
inline std::shared_ptr<Team> ready_team(int threads) {
  static std::map<int, std::weak_ptr<Team>> known;
  std::weak_ptr<Team>& place = known[threads];
  std::shared_ptr<Team> team = place.lock();
  if (team == nullptr) place = team = std::make_shared<Team>(threads);
  return team;
}

// The State of a variant that adds up what each thread of a ready team comes to.
class TeamSum {
 public:
  template <class Input>
  TeamSum(const Input&, const Setting& setting)
      : team_(ready_team(setting.threads)), sums_(static_cast<std::size_t>(setting.threads)) {}
  // part(share) is the sum of items [share.begin, share.end) of `n`; each thread has one share.
  template <class Part>
  double of(std::size_t n, const Part& part) {
    team_->run([&](int i) {
      sums_[static_cast<std::size_t>(i)].value = part(share(n, 1, i, team_->count()));
    });
    double sum = 0;
    for (const Apart<double>& own : sums_) sum += own.value;
    return sum;
  }

 private:
  std::shared_ptr<Team> team_;
  std::vector<Apart<double>> sums_;
};

}  // namespace headroom
