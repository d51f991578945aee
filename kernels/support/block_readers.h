// Threads that read blocks of a disk, each waiting for one at a time.
#pragma once

#include <atomic>
#include <cstddef>

#include "support/disk.h"
#include "support/on_core.h"
#include "support/pages.h"
#include "support/team.h"

namespace headroom::disk {

// As many requests under way as there are threads. They sleep between calls, and run on any core:
// with several requests under way the disk's interrupts find one awake.
class BlockReaders {
 public:
  // caller_is_one: the thread that calls run() is one of them, so that of one there is no other.
  explicit BlockReaders(int threads, bool caller_is_one = false)
      : blocks_(touched_pages(static_cast<std::size_t>(threads) * kBlock)),
        team_({.members = threads,
               .caller_is_one = caller_is_one,
               .wait = Team::Wait::kAsleep,
               .place = [](int) { move_to_any_core(); }}) {}

  // Calls read(i, block) once for each i below `count`, the next one by whichever thread is free.
  // `block` has room for a block, and is that thread's own.
  template <class Read>
  void run(std::size_t count, const Read& read) {
    next_ = 0;
    team_.run([&](int thread) {
      unsigned char* const block = blocks_.data() + static_cast<std::size_t>(thread) * kBlock;
      for (std::size_t i; (i = next_.fetch_add(1, std::memory_order_relaxed)) < count;)
        read(i, block);
    });
  }

 private:
  Mapping blocks_;  // one for each thread
  std::atomic<std::size_t> next_{0};
  Team team_;
};

}  // namespace headroom::disk
