// One value that many threads read and one thread replaces now and then, as a whole: no reader ever
// sees a part of one and a part of the other.
//
// T is trivially copyable and made of whole 64-bit words. Threads have numbers from 0 on, fewer
// than kMostThreads; a thread that reads is between online() and offline(), and says now and then
// that it holds no reference: quiescent(). Only Qsbr needs that; the others do nothing there.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <thread>
#include <type_traits>
#include <vector>

#include "support/team.h"

namespace headroom {

inline constexpr int kMostThreads = 1024;

// A slot for each thread, on lines of its own.
template <class Slot>
class Slots {
 public:
  Slot& operator[](int thread) {
    if (thread < 0 || thread >= kMostThreads) throw std::out_of_range("snapshots: thread number");
    return slots_[static_cast<std::size_t>(thread)].slot;
  }
  // Threads of this number and lower ones may use their slots from here on.
  void meet(int thread) {
    for (int most = most_.load(std::memory_order_relaxed);
         most <= thread &&
         !most_.compare_exchange_weak(most, thread + 1, std::memory_order_seq_cst);) {
    }
  }
  // All slots in use have smaller numbers. Sequentially consistent with meet(), as the users' own
  // stores and loads are: whoever misses a thread here has changed what that thread looks at next.
  int most() const { return most_.load(std::memory_order_seq_cst); }

 private:
  struct alignas(kApart) Apart {
    Slot slot;
  };
  std::vector<Apart> slots_ = std::vector<Apart>(kMostThreads);
  alignas(kApart) std::atomic<int> most_{0};
};

struct NoQuiescence {
  void online(int) {}
  void quiescent(int) {}
  void offline(int) {}
};

// A reader copies, and copies again where the value changed meanwhile: it writes nothing, so the
// line stays in every core's cache. It may be held up by a writer that never pauses. Lameter,
// "Effective synchronization on Linux/NUMA systems" (2005); the orders are those of Boehm, "Can
// seqlocks get along with programming language memory models?" (2012).
// (Word is an atomic 64-bit word: a test's own stops where it is loaded or stored.)
template <class T, class Word = std::atomic<std::uint64_t>>
class SeqLock : public NoQuiescence {
  static_assert(std::is_trivially_copyable_v<T> && sizeof(T) % sizeof(std::uint64_t) == 0);

 public:
  explicit SeqLock(const T& value) { store(value); }
  template <class Use>
  auto read(int, const Use& use) const {
    std::array<std::uint64_t, kWords> copy;
    for (int looks = 0;; ++looks) {
      // Acquire: the words are loaded after it, and not before. Odd: a writer is at work.
      const std::uint64_t before = turn_.load(std::memory_order_acquire);
      if (before % 2 == 0) {
        for (std::size_t i = 0; i < kWords; ++i)
          copy[i] = words_[i].load(std::memory_order_relaxed);
        // Any word that a writer stored after its odd turn makes that turn visible to the load
        // below: its release fence and this acquire fence are a pair.
        std::atomic_thread_fence(std::memory_order_acquire);
        if (turn_.load(std::memory_order_relaxed) == before) break;
      }
      looks < 1000 ? spin_pause() : std::this_thread::yield();
    }
    T value;
    std::memcpy(static_cast<void*>(&value), copy.data(), sizeof value);
    return use(value);
  }
  // By one thread at a time.
  void write(const T& value) {
    const std::uint64_t turn = turn_.load(std::memory_order_relaxed);
    turn_.store(turn + 1, std::memory_order_relaxed);
    // No word is stored before the odd turn.
    std::atomic_thread_fence(std::memory_order_release);
    store(value);
    // Nor after the even one.
    turn_.store(turn + 2, std::memory_order_release);
  }

 private:
  static constexpr std::size_t kWords = sizeof(T) / sizeof(std::uint64_t);
  void store(const T& value) {
    std::array<std::uint64_t, kWords> copy;
    std::memcpy(copy.data(), &value, sizeof value);
    for (std::size_t i = 0; i < kWords; ++i) words_[i].store(copy[i], std::memory_order_relaxed);
  }
  alignas(kApart) Word turn_{0};
  std::array<Word, kWords> words_;
};

// Two values: readers have one while the writer changes the other. A reader never waits; it says
// in its own slot that it is there, which is one store that others must see before it looks. The
// writer waits for those that may still have the old one. Ramalhete and Correia, "Left-Right: a
// concurrency control technique with wait-free population oblivious reads" (2013).
//
// Orders: sequentially consistent where a thread stores one variable and then looks at another's
// (reader: here_, then side_; writer: side_, then here_): weaker ones would let each miss the
// other. A reader leaves with release and the writer looks with at least acquire, so the reads are
// over before the value is changed.
template <class T>
class LeftRight : public NoQuiescence {
 public:
  explicit LeftRight(const T& value) : values_{{{value}, {value}}} {}
  void online(int thread) { slots_.meet(thread); }
  template <class Use>
  auto read(int thread, const Use& use) {
    Slot& slot = slots_[thread];
    const int list = list_.load(std::memory_order_seq_cst);
    std::atomic<bool>& here = slot.here[static_cast<std::size_t>(list)];
    here.store(true, std::memory_order_seq_cst);
    const auto side = static_cast<std::size_t>(side_.load(std::memory_order_seq_cst));
    auto result = use(const_cast<const T&>(values_[side].value));
    here.store(false, std::memory_order_release);
    return result;
  }
  // By one thread at a time, which must not be reading.
  void write(const T& value) {
    const int side = side_.load(std::memory_order_relaxed);
    values_[static_cast<std::size_t>(1 - side)].value = value;
    side_.store(1 - side, std::memory_order_seq_cst);
    // Readers that come from here on have the new value. Those that may have the old one are in one
    // of two lists; new ones are sent to the list that is empty, so that the other empties.
    const int list = list_.load(std::memory_order_relaxed);
    wait_until_empty(1 - list);
    list_.store(1 - list, std::memory_order_seq_cst);
    wait_until_empty(list);
    values_[static_cast<std::size_t>(side)].value = value;
  }

 private:
  struct Slot {
    std::array<std::atomic<bool>, 2> here = {};
  };
  struct alignas(kApart) Value {
    T value;
  };
  void wait_until_empty(int list) {
    const int most = slots_.most();
    for (int thread = 0; thread < most; ++thread) {
      const std::atomic<bool>& here = slots_[thread].here[static_cast<std::size_t>(list)];
      for (int looks = 0; here.load(std::memory_order_seq_cst); ++looks)
        looks < 1000 ? spin_pause() : std::this_thread::yield();
    }
  }
  alignas(kApart) std::atomic<int> side_{0};
  std::atomic<int> list_{0};
  std::array<Value, 2> values_;
  Slots<Slot> slots_;
};

// Readers follow a pointer, and that is all. The writer makes a new value, changes the pointer, and
// frees the old value once every thread has been seen to hold no reference since. McKenney and
// Slingwine, "Read-copy update" (1998); this form, quiescent-state-based reclamation: Hart,
// McKenney, Demke Brown and Walpole, "Performance of memory reclamation for lockless
// synchronization" (2007).
//
// A thread that stays online without quiescent() keeps all later values from being freed.
//
// Orders: the pointer is stored with release and loaded with acquire (consume would do), so a value
// is whole when it is found. A thread that has loaded epoch e with acquire sees every pointer that
// was stored before e began. It stores what it has seen with release, and the writer loads that
// with acquire: all uses of a value are over before it is freed. The fences of online() and
// write(): each has a store before it and a load after it, so either the writer finds the thread
// online, or the thread finds the new pointer.
template <class T>
class Qsbr {
 public:
  explicit Qsbr(const T& value) : now_(new T(value)) {}
  ~Qsbr() {
    delete now_.load(std::memory_order_relaxed);
    for (const Retired& old : retired_) delete old.value;
  }
  Qsbr(const Qsbr&) = delete;
  Qsbr& operator=(const Qsbr&) = delete;

  void online(int thread) {
    slots_.meet(thread);
    // Release: it may have been online before, and what it read then is over.
    slots_[thread].seen.store(epoch_.load(std::memory_order_acquire), std::memory_order_release);
    std::atomic_thread_fence(std::memory_order_seq_cst);
  }
  void quiescent(int thread) {
    slots_[thread].seen.store(epoch_.load(std::memory_order_acquire), std::memory_order_release);
  }
  void offline(int thread) { slots_[thread].seen.store(kOffline, std::memory_order_release); }

  template <class Use>
  auto read(int, const Use& use) const {
    return use(*now_.load(std::memory_order_acquire));
  }
  // By one thread at a time; it never waits.
  void write(const T& value) {
    const T* old = now_.exchange(new T(value), std::memory_order_acq_rel);
    const std::uint64_t epoch = epoch_.fetch_add(1, std::memory_order_acq_rel) + 1;
    retired_.push_back({old, epoch});
    std::atomic_thread_fence(std::memory_order_seq_cst);
    reclaim();
  }
  // Values that wait to be freed. By the writer.
  std::size_t waiting() const { return retired_.size(); }

 private:
  static constexpr std::uint64_t kOffline = ~std::uint64_t{0};
  struct Slot {
    std::atomic<std::uint64_t> seen{kOffline};
  };
  struct Retired {
    const T* value;
    std::uint64_t epoch;  // a thread that has seen it no longer uses the value
  };
  void reclaim() {
    std::uint64_t oldest = kOffline;
    const int most = slots_.most();
    for (int thread = 0; thread < most; ++thread)
      oldest = std::min(oldest, slots_[thread].seen.load(std::memory_order_acquire));
    const auto kept = std::find_if(retired_.begin(), retired_.end(),
                                   [&](const Retired& old) { return old.epoch > oldest; });
    for (auto old = retired_.begin(); old != kept; ++old) delete old->value;
    retired_.erase(retired_.begin(), kept);
  }
  alignas(kApart) std::atomic<const T*> now_;
  alignas(kApart) std::atomic<std::uint64_t> epoch_{1};
  std::vector<Retired> retired_;
  Slots<Slot> slots_;
};

}  // namespace headroom
