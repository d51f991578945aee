// concurrency/thread_per_task: do n small tasks on all threads.
//
// A task computes for about a microsecond, some half and some twice of that, and writes one result.
// Out: all results. The baseline starts a thread for each; the others have their threads ready
// before the clock starts, as a program that runs for a while has.
//
// Starting a thread and waiting for its end costs more than such a task: two system calls, a stack,
// and a turn of the scheduler. A pool pays for a queue instead, whose lock all threads want. With
// work stealing each thread has a queue of its own and needs another's only when that is empty.
//
// Links: tbb
#include <deque>
#include <mutex>
#include <thread>

#include "concurrency/stealing_deque.h"
#include "core/kernel.h"
#include "support/tbb_arena.h"

#if HEADROOM_HAVE_TBB
#include <tbb/task_group.h>
#endif

namespace headroom {
namespace {

struct Tasks {
  struct Task {
    std::uint64_t seed = 0;
    std::uint32_t steps = 0;
  };
  using Input = Buffer<Task>;
  using Output = Buffer<std::uint64_t>;

  static Input make(const Setting& setting, Rng& rng) {
    Input in(setting.n);
    for (Task& task : in) {
      task.seed = rng();
      task.steps = 120 + static_cast<std::uint32_t>(bounded(rng, 360));
    }
    return in;
  }
  static void size(const Input& in, Output& out) { out = Output(in.size()); }
  static std::uint64_t work(const Task& task) {
    std::uint64_t x = task.seed;
    for (std::uint32_t i = 0; i < task.steps; ++i) {
      x = (x ^ x >> 31) * 0x9e3779b97f4a7c15;
      x ^= x >> 29;
    }
    return x;
  }
  static absl::Status same(const Input& in, const Output& want, const Output& got) {
    Output truth(in.size());
    for (std::size_t i = 0; i < in.size(); ++i) truth[i] = work(in[i]);
    const absl::Status right = exact(truth, want);
    return right.ok() ? exact(want, got) : right;
  }
};
using Input = Tasks::Input;
using Output = Tasks::Output;

// A thread a task; each to its core, or all would stay on that of their maker.
void naive(const Setting& setting, const Input& in, Output& out) {
  std::vector<std::thread> threads;
  threads.reserve(in.size());
  for (std::size_t i = 0; i < in.size(); ++i)
    threads.emplace_back([&, i] {
      pin_to_core(static_cast<int>(i % static_cast<std::size_t>(setting.threads)));
      out[i] = Tasks::work(in[i]);
    });
  for (std::thread& thread : threads) thread.join();
}

// Threads that stand ready, and one queue for all.
struct Pool {
  Pool(const Input&, const Setting& setting) : team(setting.threads) {}
  Team team;
  alignas(kApart) std::mutex mutex;
  std::deque<std::size_t> queue;
  bool all_there = false;
};

// A task costs the lock twice. Whoever has put all of them in works along; the others sleep, if at
// all, only at the end.
void pool(Pool& pool, const Input& in, Output& out) {
  pool.all_there = false;
  pool.team.run([&](int member) {
    if (member == 0) {
      for (std::size_t i = 0; i < in.size(); ++i) {
        const std::lock_guard lock(pool.mutex);
        pool.queue.push_back(i);
      }
      const std::lock_guard lock(pool.mutex);
      pool.all_there = true;
    }
    for (;;) {
      std::size_t task;
      {
        const std::lock_guard lock(pool.mutex);
        if (pool.queue.empty()) {
          if (pool.all_there) return;
          task = in.size();
        } else {
          task = pool.queue.front();
          pool.queue.pop_front();
        }
      }
      if (task == in.size())
        spin_pause();
      else
        out[task] = Tasks::work(in[task]);
    }
  });
}

struct Counted {
  Counted(const Input&, const Setting& setting) : team(setting.threads) {}
  Team team;
  alignas(kApart) std::atomic<std::size_t> next{0};
};

// Where the tasks are known beforehand a number is queue enough: one locked instruction a task, on
// one line. Relaxed: it only shares numbers out, and the team orders the rest.
void shared_index(Counted& counted, const Input& in, Output& out) {
  counted.next.store(0, std::memory_order_relaxed);
  counted.team.run([&](int) {
    for (std::size_t task;
         (task = counted.next.fetch_add(1, std::memory_order_relaxed)) < in.size();)
      out[task] = Tasks::work(in[task]);
  });
}

// Tasks from `begin` to before `end`, in one word.
struct Range {
  std::uint32_t begin;
  std::uint32_t end;
};

struct Stealing {
  struct alignas(kApart) Worker {
    StealingDeque<Range, 64> deque;
  };
  Stealing(const Input&, const Setting& setting)
      : team(setting.threads), workers(static_cast<std::size_t>(setting.threads)) {}
  Team team;
  std::vector<Worker> workers;
  alignas(kApart) std::atomic<std::size_t> left{0};  // tasks not yet done
};

// Splits until one task is left, and shows the other halves to thieves. The number of ranges in a
// deque is the depth of that, so it is never full.
std::size_t do_range(StealingDeque<Range, 64>& own, Range range, const Input& in, Output& out) {
  while (range.end - range.begin > 1) {
    const std::uint32_t middle = range.begin + (range.end - range.begin) / 2;
    if (!own.push({middle, range.end})) break;
    range.end = middle;
  }
  for (std::uint32_t task = range.begin; task < range.end; ++task)
    out[task] = Tasks::work(in[task]);
  return range.end - range.begin;
}

// From the next worker on that has something.
bool steal(Stealing& all, std::size_t self, Range& range) {
  for (std::size_t i = 1; i < all.workers.size(); ++i) {
    auto& victim = all.workers[(self + i) % all.workers.size()].deque;
    auto stolen = victim.steal(range);
    while (stolen == StealingDeque<Range, 64>::Stolen::kLost) stolen = victim.steal(range);
    if (stolen == StealingDeque<Range, 64>::Stolen::kItem) return true;
  }
  return false;
}

// The owner needs no locked instruction but for its last task; a thief gets half of all that is
// left, and then owns it.
void work_stealing(Stealing& all, const Input& in, Output& out) {
  if (in.empty()) return;
  all.left.store(in.size(), std::memory_order_relaxed);
  all.workers[0].deque.push({0, static_cast<std::uint32_t>(in.size())});
  all.team.run([&](int member) {
    const auto self = static_cast<std::size_t>(member);
    StealingDeque<Range, 64>& own = all.workers[self].deque;
    std::size_t done = 0;
    // Relaxed: the team orders the results.
    for (int looks = 0; all.left.load(std::memory_order_relaxed) != 0; ++looks) {
      Range range;
      while (own.take(range)) done += do_range(own, range, in, out);
      // What was done is told when there is no more, not task by task.
      if (done != 0) all.left.fetch_sub(std::exchange(done, 0), std::memory_order_relaxed);
      if (steal(all, self, range)) {
        done += do_range(own, range, in, out);
        looks = 0;
      } else {
        looks < 1000 ? spin_pause() : std::this_thread::yield();
      }
    }
  });
}

#if HEADROOM_HAVE_TBB
// TBB's threads are its own, and sleep between calls.
void tbb_group(TbbArena& arena, const Input& in, Output& out) {
  arena.run([&] {
    tbb::task_group group;
    for (std::size_t i = 0; i < in.size(); ++i)
      group.run([&in, &out, i] { out[i] = Tasks::work(in[i]); });
    group.wait();
  });
}
constexpr auto kTbbGroup = run<tbb_group>;
#else
constexpr auto kTbbGroup = kNotBuilt;
#endif

constexpr Need kNeedsTbb[] = {kTbb};

constexpr Variant<Tasks> kVariants[] = {
    {.name = "naive", .run = run<naive>, .what = "a std::thread for each task, pinned and joined"},
    {.name = "pool",
     .run = run<pool>,
     .what = "threads that stand ready, and one queue under a mutex: two locks a task"},
    {.name = "shared_index",
     .run = run<shared_index>,
     .what =
         "no queue, where tasks are numbered: each takes the next number, a locked instruction"},
    {.name = "work_stealing",
     .run = run<work_stealing>,
     .what = "a deque a thread, without a lock; who has nothing takes half of what another has"},
    {.name = "tbb",
     .run = kTbbGroup,
     .what = "tbb::task_group: an object a task, stealing",
     .role = Role::kPeer,
     .needs = kNeedsTbb},
};

const Registrar kRegistrar({.name = "concurrency/thread_per_task",
                            .axis = Axis::kCores,
                            .technique = "threads that stand ready, and a queue for each",
                            .sizes = {16, 64, 256, 1024},
                            .headline = {64, 256},
                            .sweeps_threads = true,
                            .clock = Clock::kWall,
                            .demand =
                                [](const Setting& s) {
                                  return Demand{.items = static_cast<double>(s.n),
                                                .working_set = 24 * s.n,
                                                // A stack of a thread has few pages in use.
                                                .memory = s.n * 16384 + (4 << 20)};
                                },
                            .test_sizes = {0, 1, 3, 65}},
                           kVariants);

}  // namespace
}  // namespace headroom
