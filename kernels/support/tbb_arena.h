// TBB's threads, as many as a ladder has and each on a core of its own, as OpenMP's are. For
// kernels whose file says `// Links: tbb`; empty where TBB is missing.
#pragma once

#if HEADROOM_HAVE_TBB
#include <tbb/global_control.h>
#include <tbb/task_arena.h>
#include <tbb/task_scheduler_observer.h>

#include <algorithm>
#include <cstddef>
#include <map>
#include <memory>

#include "core/cpu.h"
#include "core/setting.h"

namespace headroom {

// The State of a TBB variant: an arena of setting.threads. The global limit is raised, for TBB
// counts the cores that the main thread may use, and that one is pinned.
class TbbArena {
 public:
  template <class Input>
  TbbArena(const Input&, const Setting& setting) : TbbArena(setting.threads) {}
  explicit TbbArena(int threads) : threads_(threads), arena_(threads) {}
  TbbArena(const TbbArena&) = delete;
  TbbArena& operator=(const TbbArena&) = delete;

  // One for all Works of a variant, of which an epoch has one a call: workers that went from arena
  // to arena would be timed for that.
  static std::shared_ptr<TbbArena> of_all_works(int threads) {
    static std::map<int, std::weak_ptr<TbbArena>> known;
    std::weak_ptr<TbbArena>& place = known[threads];
    std::shared_ptr<TbbArena> arena = place.lock();
    if (arena == nullptr) place = arena = std::make_shared<TbbArena>(threads);
    return arena;
  }

  int threads() const { return threads_; }
  // Items in each of as many parts as there are threads, at least 1.
  std::size_t grain(std::size_t items) const {
    const auto parts = static_cast<std::size_t>(threads_);
    return items < parts ? 1 : (items + parts - 1) / parts;
  }
  template <class Body>
  auto run(const Body& body) {
    return arena_.execute(body);
  }

 private:
  struct Pinning : tbb::task_scheduler_observer {
    explicit Pinning(tbb::task_arena& arena) : tbb::task_scheduler_observer(arena) {
      observe(true);
    }
    ~Pinning() override { observe(false); }
    void on_scheduler_entry(bool is_worker) override {
      if (is_worker) pin_to_core(tbb::this_task_arena::current_thread_index());
    }
  };

  int threads_;
  tbb::global_control limit_{tbb::global_control::max_allowed_parallelism,
                             static_cast<std::size_t>(std::max(core_count(), threads_)) + 1};
  tbb::task_arena arena_;
  Pinning pinning_{arena_};
};

}  // namespace headroom
#endif
