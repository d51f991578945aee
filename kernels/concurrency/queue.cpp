// concurrency/queue: hand n items from one thread to another, in order.
//
// A producer and a consumer, each pinned to its core, with a queue of 1,024 places between them.
// Out: all items, in the order in which the consumer had them. The threads stand ready before the
// clock starts.
//
// What an item costs is the travel of cache lines between the two cores: those of a lock, of the
// indexes, and at last only that of the items themselves. Where one side has to sleep it is a
// system call and a wake-up. The structures are in queues.h, with their sources.
//
// Links: atomic_queue concurrentqueue tbb
#include <deque>

#include "concurrency/queues.h"
#include "core/kernel.h"

#if HEADROOM_HAVE_ATOMIC_QUEUE
#include "atomic_queue/atomic_queue.h"
#endif
#if HEADROOM_HAVE_CONCURRENTQUEUE
#include "concurrentqueue/concurrentqueue.h"
#endif
#if HEADROOM_HAVE_TBB
#include "oneapi/tbb/concurrent_queue.h"
#endif

namespace headroom {
namespace {

constexpr std::size_t kRoom = 1024;
constexpr std::size_t kBatch = 64;
using Item = std::uint64_t;

struct Transfer {
  using Input = Buffer<Item>;
  using Output = Buffer<Item>;

  static Input make(const Setting& setting, Rng& rng) {
    Input in(setting.n);
    for (Item& item : in) item = rng();
    return in;
  }
  static void size(const Input& in, Output& out) { out = Output(in.size()); }
  static absl::Status same(const Input& in, const Output& want, const Output& got) {
    const absl::Status right = exact(in, want);
    return right.ok() ? exact(want, got) : right;
  }
};
using Input = Transfer::Input;
using Output = Transfer::Output;

// What one writes first: a container, a lock, and two conditions to wait for.
class LockedDeque {
 public:
  void push(Item item) {
    {
      std::unique_lock lock(mutex_);
      not_full_.wait(lock, [&] { return items_.size() < kRoom; });
      items_.push_back(item);
    }
    not_empty_.notify_one();
  }
  void flush() {}
  void pop(Item& item) {
    {
      std::unique_lock lock(mutex_);
      not_empty_.wait(lock, [&] { return !items_.empty(); });
      item = items_.front();
      items_.pop_front();
    }
    not_full_.notify_one();
  }

 private:
  std::mutex mutex_;
  std::condition_variable not_full_;
  std::condition_variable not_empty_;
  std::deque<Item> items_;
};

template <class Queue>
struct Pipe {
  explicit Pipe(const Input&) {}
  Team team{2};
  Queue queue;
};

// The same for every queue: what differs is push() and pop().
template <class Queue>
void transfer(Pipe<Queue>& pipe, const Input& in, Output& out) {
  pipe.team.run([&](int member) {
    if (member == 0) {
      for (const Item item : in) pipe.queue.push(item);
      pipe.queue.flush();
    } else {
      for (Item& item : out) pipe.queue.pop(item);
    }
  });
}

#if HEADROOM_HAVE_ATOMIC_QUEUE
template <bool kSpsc>
class AtomicQueue {
 public:
  void push(Item item) { queue_.push(item); }
  void flush() {}
  void pop(Item& item) { item = queue_.pop(); }

 private:
  // Of the library's classes the one whose items may have any value.
  atomic_queue::AtomicQueue2<Item, kRoom, true, true, false, kSpsc> queue_;
};
constexpr auto kAtomicQueueSpsc = run<transfer<AtomicQueue<true>>>;
constexpr auto kAtomicQueueMpmc = run<transfer<AtomicQueue<false>>>;
#else
constexpr auto kAtomicQueueSpsc = kNotBuilt, kAtomicQueueMpmc = kNotBuilt;
#endif

#if HEADROOM_HAVE_CONCURRENTQUEUE
// It has no bound, but waits for none either: the consumer looks again.
class ConcurrentQueue {
 public:
  void push(Item item) { queue_.enqueue(producer_, item); }
  void flush() {}
  void pop(Item& item) {
    for (Looking look; !queue_.try_dequeue(consumer_, item);) look.again();
  }

 private:
  moodycamel::ConcurrentQueue<Item> queue_{kRoom};
  moodycamel::ProducerToken producer_{queue_};
  moodycamel::ConsumerToken consumer_{queue_};
};
// The library's own way to hand over many at once.
class ConcurrentQueueBulk {
 public:
  void push(Item item) {
    in_[pushed_++] = item;
    if (pushed_ == kBatch) flush();
  }
  void flush() { queue_.enqueue_bulk(producer_, in_.data(), std::exchange(pushed_, 0)); }
  void pop(Item& item) {
    if (next_ == popped_) {
      Looking look;
      while ((popped_ = queue_.try_dequeue_bulk(consumer_, out_.data(), kBatch)) == 0) look.again();
      next_ = 0;
    }
    item = out_[next_++];
  }

 private:
  moodycamel::ConcurrentQueue<Item> queue_{kRoom};
  moodycamel::ProducerToken producer_{queue_};
  moodycamel::ConsumerToken consumer_{queue_};
  alignas(kApart) std::array<Item, kBatch> in_ = {};
  std::size_t pushed_ = 0;
  alignas(kApart) std::array<Item, kBatch> out_ = {};
  std::size_t next_ = 0;
  std::size_t popped_ = 0;
};
constexpr auto kConcurrentQueueOne = run<transfer<ConcurrentQueue>>;
constexpr auto kConcurrentQueueBulk = run<transfer<ConcurrentQueueBulk>>;
#else
constexpr auto kConcurrentQueueOne = kNotBuilt, kConcurrentQueueBulk = kNotBuilt;
#endif

#if HEADROOM_HAVE_TBB
class TbbQueue {
 public:
  TbbQueue() { queue_.set_capacity(kRoom); }
  void push(Item item) { queue_.push(item); }
  void flush() {}
  void pop(Item& item) { queue_.pop(item); }

 private:
  tbb::concurrent_bounded_queue<Item> queue_;
};
constexpr auto kTbbQueue = run<transfer<TbbQueue>>;
#else
constexpr auto kTbbQueue = kNotBuilt;
#endif

// What spins needs a core for each of its threads.
constexpr Need kNeeds[] = {kTwoCores};
constexpr Need kNeedsAtomicQueue[] = {kTwoCores, kAtomicQueue};
constexpr Need kNeedsConcurrentQueue[] = {kTwoCores, kConcurrentQueue};
constexpr Need kNeedsTbb[] = {kTwoCores, kTbb};

constexpr Variant<Transfer> kVariants[] = {
    {.name = "naive",
     .run = run<transfer<LockedDeque>>,
     .what = "a std::deque under a std::mutex; both sides sleep on condition variables"},
    {.name = "batch_swap",
     .run = run<transfer<SwapQueue<Item, kRoom>>>,
     .what = "the consumer takes all that is there under one lock, and seldom sleeps"},
    {.name = "spsc_ring",
     .run = run<transfer<SpscRing<Item, kRoom>>>,
     .what = "no lock: two indexes, each with one writer; each item still moves both lines",
     .needs = kNeeds},
    {.name = "spsc_cached",
     .run = run<transfer<CachedSpscRing<Item, kRoom, 1>>>,
     .what = "each side keeps a copy of the other's index: it looks only when that says full or "
             "empty",
     .needs = kNeeds},
    {.name = "spsc_batched",
     .run = run<transfer<CachedSpscRing<Item, kRoom, kBatch>>>,
     .what = "and tells its own index every 64 items: the lines move once for many items",
     .promise_note = "an item may be seen only 63 items later, or at flush()",
     .needs = kNeeds},
    {.name = "mpmc_ring",
     .run = run<transfer<MpmcRing<Item, kRoom>>>,
     .what = "any number of producers and consumers: a number a slot, a locked instruction an item",
     .needs = kNeeds},
    {.name = "atomic_queue_spsc",
     .run = kAtomicQueueSpsc,
     .what = "atomic_queue, told that each side is one thread",
     .role = Role::kPeer,
     .needs = kNeedsAtomicQueue},
    {.name = "atomic_queue",
     .run = kAtomicQueueMpmc,
     .what = "atomic_queue for any number of producers and consumers",
     .role = Role::kPeer,
     .needs = kNeedsAtomicQueue},
    {.name = "concurrentqueue",
     .run = kConcurrentQueueOne,
     .what = "moodycamel::ConcurrentQueue, with tokens; without a bound",
     .role = Role::kPeer,
     .needs = kNeedsConcurrentQueue},
    {.name = "concurrentqueue_bulk",
     .run = kConcurrentQueueBulk,
     .what = "moodycamel::ConcurrentQueue, 64 items at a time; without a bound",
     .role = Role::kPeer,
     .promise_note = "an item may be seen only 63 items later, or at flush()",
     .needs = kNeedsConcurrentQueue},
    {.name = "tbb",
     .run = kTbbQueue,
     .what = "tbb::concurrent_bounded_queue",
     .role = Role::kPeer,
     .needs = kNeedsTbb},
};

const Registrar kRegistrar(
    {.name = "concurrency/queue",
     .axis = Axis::kCoherence,
     .technique = "one writer a line, and a line that travels once for many items",
     .sizes = {1 << 12, 1 << 14, 1 << 16, 1 << 18},
     .headline = {1 << 14, 1 << 16},
     .clock = Clock::kWall,
     .promise = Promise::kExact | Promise::kOrdered,
     .demand =
         [](const Setting& s) {
           const std::size_t bytes = s.n * sizeof(Item);
           return Demand{.items = static_cast<double>(s.n),
                         .bytes = static_cast<double>(2 * bytes),
                         .working_set = 2 * bytes,
                         .memory = 12 * bytes + (8 << 20)};
         },
     .test_sizes = {0, 1, 63, 65, 1025, 4097}},
    kVariants);

}  // namespace
}  // namespace headroom
