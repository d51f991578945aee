// concurrency/snapshot: read a table of rates that is replaced as a whole now and then.
//
// n reads, shared out evenly among the threads; after every 1,024 reads or so the first thread puts
// a new version in place. The table has eight pairs whose sums are the same in all versions. A read
// uses all of it, and its answer depends on the sums alone: the same for every version, but another
// for a mixture of two. Out: all answers, the number of versions written, and how often a thread
// found an older version than before (never).
//
// Reading is the common case, so what matters is what a reader writes: with a lock, or a count of
// references, a line that all cores then fetch from each other; with the better ones nothing, and
// the line stays in every cache. The structures are in snapshots.h, with their sources.
//
// Links: urcu
#include <mutex>
#include <shared_mutex>

#include "concurrency/snapshots.h"
#include "core/kernel.h"

#if HEADROOM_HAVE_URCU
#define URCU_INLINE_SMALL_FUNCTIONS
#include <urcu-qsbr.h>
#endif

namespace headroom {
namespace {

constexpr std::size_t kPairs = 8;
constexpr std::size_t kReadsPerWrite = 1024;
constexpr std::size_t kReadsPerQuiescence = 64;

struct Rates {
  std::uint64_t version = 0;
  std::array<std::uint64_t, kPairs> left = {};
  std::array<std::uint64_t, kPairs> right = {};
};

struct Snapshot {
  struct Input {
    std::array<std::uint64_t, kPairs> sums = {};
    Buffer<std::uint64_t> asked;
    Rates rates(std::uint64_t version) const {
      Rates rates{.version = version};
      for (std::size_t i = 0; i < kPairs; ++i) {
        rates.left[i] = (version + 1) * (2 * i + 3);
        rates.right[i] = sums[i] - rates.left[i];
      }
      return rates;
    }
  };
  struct Output {
    Buffer<std::uint64_t> answers;
    std::array<std::uint64_t, 2> written_and_backwards = {};
    void poison() {
      headroom::poison(answers);
      headroom::poison(written_and_backwards);
    }
    bool spoil(Spoil how) { return spoil_parts(how, answers, written_and_backwards); }
  };

  static Input make(const Setting& setting, Rng& rng) {
    std::thread([] {}).join();  // a mutex in a process without threads is cheaper
    Input in;
    for (std::uint64_t& sum : in.sums) sum = rng();
    in.asked = Buffer<std::uint64_t>(setting.n);
    FastRng fast(rng());
    for (std::uint64_t& asked : in.asked) asked = bounded(fast, 1000);
    return in;
  }
  static void size(const Input& in, Output& out) {
    out.answers = Buffer<std::uint64_t>(in.asked.size());
  }
  // What a read gives where it had a whole version.
  static std::uint64_t answer(const Rates& rates, std::uint64_t asked) {
    std::uint64_t answer = 0;
    for (std::size_t i = 0; i < kPairs; ++i)
      answer = (answer + rates.left[i] + rates.right[i]) * (asked + i);
    return answer;
  }
  static absl::Status same(const Input& in, const Output& want, const Output& got) {
    const Rates rates = in.rates(0);
    Buffer<std::uint64_t> answers(in.asked.size());
    for (std::size_t i = 0; i < answers.size(); ++i) answers[i] = answer(rates, in.asked[i]);
    const std::array<std::uint64_t, 2> written = {in.asked.size() / kReadsPerWrite, 0};
    for (const Output* output : {&want, &got}) {
      if (absl::Status status = exact(answers, output->answers); !status.ok()) return status;
      if (absl::Status status = exact(written, output->written_and_backwards); !status.ok())
        return status;
    }
    return absl::OkStatus();
  }
};
using Input = Snapshot::Input;
using Output = Snapshot::Output;

// `Store` has read(thread, use) and write(rates), and lets threads come and go (snapshots.h).
template <class Store>
struct Board {
  struct alignas(kApart) Seen {
    std::uint64_t version = 0;
    std::uint64_t backwards = 0;
  };
  Board(const Input& in, const Setting& setting)
      : store(in.rates(0)),
        team(setting.threads),
        seen(static_cast<std::size_t>(setting.threads)) {}
  Store store;
  Team team;
  std::vector<Seen> seen;
  std::uint64_t version = 0;  // the last that was written
};

// The same for every store: what differs is read() and write().
template <class Store>
void use(Board<Store>& board, const Input& in, Output& out) {
  const std::size_t writes = in.asked.size() / kReadsPerWrite;
  const std::uint64_t before = board.version;
  board.team.run([&](int member) {
    const Share mine = share(in.asked.size(), 1, member, board.team.count());
    typename Board<Store>::Seen seen = board.seen[static_cast<std::size_t>(member)];
    // Reads of this thread from one write to the next; the others never write.
    const std::size_t apart =
        member == 0 && writes != 0 ? mine.size() / writes : in.asked.size() + 1;
    std::size_t next_write = mine.begin + apart;
    std::size_t left = member == 0 ? writes : 0;
    board.store.online(member);
    for (std::size_t i = mine.begin; i < mine.end; ++i) {
      if (i % kReadsPerQuiescence == 0) board.store.quiescent(member);
      out.answers[i] = board.store.read(member, [&](const Rates& rates) {
        seen.backwards += rates.version < seen.version ? 1 : 0;
        seen.version = rates.version;
        return Snapshot::answer(rates, in.asked[i]);
      });
      if (i + 1 == next_write && left != 0) {
        board.store.write(in.rates(++board.version));
        next_write += apart;
        --left;
      }
    }
    board.store.offline(member);
    board.seen[static_cast<std::size_t>(member)] = seen;
  });
  std::uint64_t backwards = 0;
  for (auto& seen : board.seen) backwards += std::exchange(seen.backwards, 0);
  out.written_and_backwards = {board.version - before, backwards};
}

// A lock for reading lets readers in together, but each counts itself in and out, on one line.
class ReadLocked : public NoQuiescence {
 public:
  explicit ReadLocked(const Rates& rates) : rates_(rates) {}
  template <class Use>
  auto read(int, const Use& use) {
    const std::shared_lock lock(mutex_);
    return use(rates_);
  }
  void write(const Rates& rates) {
    const std::unique_lock lock(mutex_);
    rates_ = rates;
  }

 private:
  alignas(kApart) std::shared_mutex mutex_;
  Rates rates_;
};

// One locked instruction in and one out, as above, but simpler ones. While it is held, others wait.
class Locked : public NoQuiescence {
 public:
  explicit Locked(const Rates& rates) : rates_(rates) {}
  template <class Use>
  auto read(int, const Use& use) {
    const std::lock_guard lock(mutex_);
    return use(rates_);
  }
  void write(const Rates& rates) {
    const std::lock_guard lock(mutex_);
    rates_ = rates;
  }

 private:
  alignas(kApart) std::mutex mutex_;
  Rates rates_;
};

// libstdc++ 12 gives its lock back with a relaxed store after it has read the pointer, which
// ThreadSanitizer rightly calls a race, though no x86 processor shows it.
#if defined(__SANITIZE_THREAD__) || !defined(__cpp_lib_atomic_shared_ptr)
#define HEADROOM_ATOMIC_SHARED_PTR 0
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define HEADROOM_ATOMIC_SHARED_PTR 0
#endif
#endif
#if !defined(HEADROOM_ATOMIC_SHARED_PTR)
#define HEADROOM_ATOMIC_SHARED_PTR 1
#endif

#if HEADROOM_ATOMIC_SHARED_PTR
// Nobody waits while a table is in use: but each reader counts a reference up and down, and
// libstdc++ locks the pointer meanwhile, with one of its bits.
class SharedPointer : public NoQuiescence {
 public:
  explicit SharedPointer(const Rates& rates) : now_(std::make_shared<const Rates>(rates)) {}
  template <class Use>
  auto read(int, const Use& use) const {
    const std::shared_ptr<const Rates> rates = now_.load(std::memory_order_acquire);
    return use(*rates);
  }
  void write(const Rates& rates) {
    now_.store(std::make_shared<const Rates>(rates), std::memory_order_release);
  }

 private:
  alignas(kApart) std::atomic<std::shared_ptr<const Rates>> now_;
};
constexpr auto kSharedPointer = run<use<SharedPointer>>;
#else
constexpr auto kSharedPointer = kNotBuilt;
#endif

#if HEADROOM_HAVE_URCU
// liburcu's reclamation by quiescent states. Its writer waits for all readers, every time.
class Urcu {
 public:
  explicit Urcu(const Rates& rates) : now_(new Rates(rates)) {}
  ~Urcu() { delete now_; }
  Urcu(const Urcu&) = delete;
  Urcu& operator=(const Urcu&) = delete;
  void online(int) { rcu_register_thread(); }
  void quiescent(int) { rcu_quiescent_state(); }
  void offline(int) { rcu_unregister_thread(); }
  template <class Use>
  auto read(int, const Use& use) {
    rcu_read_lock();
    auto result = use(*rcu_dereference(now_));
    rcu_read_unlock();
    return result;
  }
  void write(const Rates& rates) {
    Rates* const old = rcu_xchg_pointer(&now_, new Rates(rates));
    synchronize_rcu();
    delete old;
  }

 private:
  alignas(kApart) Rates* now_;
};
constexpr auto kUrcuBoard = run<use<Urcu>>;
#else
constexpr auto kUrcuBoard = kNotBuilt;
#endif

constexpr bool has_atomic_shared_ptr() {
#if HEADROOM_ATOMIC_SHARED_PTR
  return true;
#else
  return false;
#endif
}
constexpr Need kNeedsSharedPointer[] = {
    {"std::atomic<std::shared_ptr>", has_atomic_shared_ptr,
     "a standard library that has it, such as libstdc++ 12, and no ThreadSanitizer"}};
constexpr Need kNeedsUrcu[] = {kUrcu};

constexpr Variant<Snapshot> kVariants[] = {
    {.name = "naive",
     .run = run<use<ReadLocked>>,
     .what = "a std::shared_mutex: readers go in together, but count themselves in and out"},
    {.name = "mutex",
     .run = run<use<Locked>>,
     .what = "a std::mutex: cheaper to take than the shared one; short reads don't miss the rest"},
    {.name = "atomic_shared_ptr",
     .run = kSharedPointer,
     .what = "std::atomic<std::shared_ptr>: readers needn't wait; a count that all of them write",
     .needs = kNeedsSharedPointer},
    {.name = "seqlock",
     .run = run<use<SeqLock<Rates>>>,
     .what = "readers copy, write nothing, and try again where a writer came between"},
    {.name = "left_right",
     .run = run<use<LeftRight<Rates>>>,
     .what = "two tables; readers never wait, and write only a line of their own"},
    {.name = "qsbr",
     .run = run<use<Qsbr<Rates>>>,
     .what = "readers follow a pointer, and say every 64 reads that they hold none; old tables are "
             "freed later"},
    {.name = "liburcu",
     .run = kUrcuBoard,
     .what = "liburcu's quiescent-state flavour; its writer waits for all readers",
     .role = Role::kPeer,
     .needs = kNeedsUrcu},
};

const Registrar kRegistrar(
    {.name = "concurrency/snapshot",
     .axis = Axis::kCoherence,
     .technique = "readers that write nothing: whoever writes, seldom, does the work",
     .sizes = {1 << 12, 1 << 14, 1 << 16, 1 << 18},
     .headline = {1 << 14, 1 << 16},
     .sweeps_threads = true,
     .clock = Clock::kWall,
     .demand =
         [](const Setting& s) {
           return Demand{.items = static_cast<double>(s.n),
                         .working_set = 16 * s.n + 4096,
                         .memory = 10 * 8 * s.n + (1 << 20)};
         },
     .test_sizes = {0, 1, 1024, 5000}},
    kVariants);

}  // namespace
}  // namespace headroom
