// What clients see of a writer: how much it has acknowledged, also after it was killed.
#pragma once

#include <sys/mman.h>

#include <atomic>
#include <cstddef>
#include <new>

#include "support/disk.h"

namespace headroom {

// A number in memory that is shared with forked processes: what a child has set, its parent sees.
class Acknowledged {
 public:
  Acknowledged() {
    void* const page =
        mmap(nullptr, sizeof *count_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    disk::require(page != MAP_FAILED, "mmap");
    count_ = new (page) std::atomic<std::size_t>(0);
  }
  ~Acknowledged() { munmap(static_cast<void*>(count_), sizeof *count_); }
  Acknowledged(const Acknowledged&) = delete;
  void set(std::size_t count) { count_->store(count, std::memory_order_release); }
  std::size_t get() const { return count_->load(std::memory_order_acquire); }

 private:
  std::atomic<std::size_t>* count_;
};

}  // namespace headroom
