// concurrency/map: a hash map that all threads read and update.
//
// n operations on 65,536 keys, shared out evenly among the threads: nine in ten look up a key, one
// in ten adds to a key's sum. Out: for each operation what a look-up found, and the sums of all
// keys as far as these operations changed them, so that a lost or doubled addition is a wrong
// answer. (Look-ups ask for one half of the keys and additions change the other, so what is found
// doesn't depend on who comes first.) The table is filled before the clock starts; nothing is
// removed, and it doesn't grow.
//
// A lock is a line that every operation writes, so two cores are slower than one. Locking for
// reading only writes the same line. Many locks help where threads seldom meet; each is still two
// locked instructions. What is left without any is the look-up itself.
//
// Links: cuckoo cds tbb
#include <array>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <unordered_map>

#include "absl/container/flat_hash_map.h"
#include "concurrency/counting_table.h"
#include "core/kernel.h"
#include "support/slices.h"
#include "support/team.h"

#if HEADROOM_HAVE_CUCKOO
#include "libcuckoo/cuckoohash_map.hh"
#endif
#if HEADROOM_HAVE_CDS
#include "cds/container/michael_kvlist_hp.h"
#include "cds/container/michael_map.h"
#include "cds/gc/hp.h"
#include "cds/init.h"
#endif
#if HEADROOM_HAVE_TBB
#include "oneapi/tbb/concurrent_hash_map.h"
#endif

namespace headroom {
namespace {

constexpr std::size_t kKeys = 1 << 16;
constexpr std::size_t kCarried = 1 << 20;  // operations, in slices

struct Map {
  struct Operation {
    std::uint32_t key = 0;    // its number; even ones are looked up, odd ones added to
    std::uint32_t delta = 0;  // 0: look up
  };
  struct Input;
  struct Call {
    const Input* input;
    std::span<const Operation> operations;
  };
  struct Input {
    Buffer<std::uint64_t> keys;  // all different, none 0
    Buffer<Operation> operations;
    Slices slices;
    Call at(std::size_t turn) const { return {this, slices.of(operations, turn)}; }
    // What look-ups find.
    std::uint64_t sum_of(std::uint32_t key) const { return keys[key] >> 7; }
  };
  struct Output {
    Buffer<std::uint64_t> found;    // by operation; 0 for an addition
    Buffer<std::uint64_t> changed;  // by key: what the call has added
    void poison() {
      headroom::poison(found);
      headroom::poison(changed);
    }
    bool spoil(Spoil how) { return spoil_parts(how, found, changed); }
  };

  static Input make(const Setting& setting, Rng& rng) {
    std::thread([] {}).join();  // a mutex in a process without threads is cheaper
    FastRng fast(rng());
    Input in;
    in.keys = Buffer<std::uint64_t>(kKeys);
    // A multiplication by an odd number: no two are the same.
    for (std::size_t i = 0; i < kKeys; ++i)
      in.keys[i] = (i + 1) * 0xd1342543de82ef95 ^ (setting.seed << 1);
    in.slices = Slices::covering(kCarried, setting.n);
    in.operations = Buffer<Operation>(in.slices.items());
    for (Operation& operation : in.operations) {
      const auto pair = static_cast<std::uint32_t>(bounded(fast, kKeys / 2));
      const bool adds = bounded(fast, 10) == 0;
      operation.key = 2 * pair + (adds ? 1 : 0);
      operation.delta = adds ? 1 + static_cast<std::uint32_t>(bounded(fast, 1000)) : 0;
    }
    return in;
  }
  static void size(const Input& in, Output& out) {
    out.found = Buffer<std::uint64_t>(in.slices.size());
    out.changed = Buffer<std::uint64_t>(kKeys);
  }
  static absl::Status same(const Call& call, const Output& want, const Output& got) {
    Buffer<std::uint64_t> found(call.operations.size()), changed(kKeys);
    for (std::size_t i = 0; i < found.size(); ++i) {
      const Operation& operation = call.operations[i];
      if (operation.delta == 0)
        found[i] = call.input->sum_of(operation.key);
      else
        changed[operation.key] += operation.delta;
    }
    for (const Output* answer : {&want, &got}) {
      if (absl::Status status = exact(found, answer->found); !status.ok()) return status;
      if (absl::Status status = exact(changed, answer->changed); !status.ok()) return status;
    }
    return absl::OkStatus();
  }
};
using Input = Map::Input;
using Call = Map::Call;
using Output = Map::Output;

// Some libraries must know of the threads that use them: such a table has a type Thread, which each
// thread makes while it works.
struct NoThread {};
template <class Table>
struct ThreadOf {
  using type = NoThread;
};
template <class Table>
requires requires { typename Table::Thread; }
struct ThreadOf<Table> {
  using type = typename Table::Thread;
};

// A table at work. `Table` has add(key, delta), which puts the key in where it is missing, and
// find(key), for a key that is there.
template <class Table>
class Shared {
 public:
  Shared(const Input& in, const Setting& setting) : team(setting.threads), input_(in) {
    for (std::uint32_t key = 0; key < kKeys; ++key) table.add(in.keys[key], at_first(key));
  }
  // Sums grow from call to call: what the last one has added is what is more than those before.
  void answer(Output& out) const {
    for (; calls_.size() > 1; calls_.erase(calls_.begin()))
      for (const Map::Operation& operation : calls_.front())
        before_[operation.key] += operation.delta;
    for (std::uint32_t key = 0; key < kKeys; ++key)
      out.changed[key] = table.find(input_.keys[key]) - at_first(key) - before_[key];
  }
  void run(const Call& call, Output& out) {
    calls_.push_back(call.operations);
    team.run([&](int member) {
      [[maybe_unused]] const typename ThreadOf<Table>::type thread;
      const Share mine = share(call.operations.size(), 1, member, team.count());
      for (std::size_t i = mine.begin; i < mine.end; ++i) {
        const Map::Operation operation = call.operations[i];
        const std::uint64_t key = call.input->keys[operation.key];
        if (operation.delta == 0) {
          out.found[i] = table.find(key);
        } else {
          table.add(key, operation.delta);
          out.found[i] = 0;
        }
      }
    });
  }

 private:
  std::uint64_t at_first(std::uint32_t key) const { return key % 2 == 0 ? input_.sum_of(key) : 0; }

  mutable Table table;
  Team team;
  const Input& input_;
  mutable std::vector<std::span<const Map::Operation>> calls_;
  mutable Buffer<std::uint64_t> before_ = Buffer<std::uint64_t>(kKeys);
};

// Not worth a name each: what differs is the table.
template <class Table>
void work(Shared<Table>& shared, const Call& call, Output& out) {
  shared.run(call, out);
}

// One lock around an ordinary map.
class Locked {
 public:
  void add(std::uint64_t key, std::uint64_t delta) {
    const std::lock_guard lock(mutex_);
    sums_[key] += delta;
  }
  std::uint64_t find(std::uint64_t key) {
    const std::lock_guard lock(mutex_);
    const auto at = sums_.find(key);
    return at == sums_.end() ? 0 : at->second;
  }

 private:
  alignas(kApart) std::mutex mutex_;
  std::unordered_map<std::uint64_t, std::uint64_t> sums_;
};

// Readers needn't wait for each other, but each counts itself in and out: two locked instructions
// on the line that all others write too. Longer look-ups would gain; these lose.
class ReadLocked {
 public:
  void add(std::uint64_t key, std::uint64_t delta) {
    const std::unique_lock lock(mutex_);
    sums_[key] += delta;
  }
  std::uint64_t find(std::uint64_t key) {
    const std::shared_lock lock(mutex_);
    const auto at = sums_.find(key);
    return at == sums_.end() ? 0 : at->second;
  }

 private:
  alignas(kApart) std::shared_mutex mutex_;
  std::unordered_map<std::uint64_t, std::uint64_t> sums_;
};

// A map a shard, each under its own lock, 128 bytes apart: threads seldom want the same one. The
// lock must still be taken, and its line is in the other core's cache half of the time.
template <class Sums>
class Sharded {
 public:
  void add(std::uint64_t key, std::uint64_t delta) {
    Shard& shard = of(key);
    const std::lock_guard lock(shard.mutex);
    shard.sums[key] += delta;
  }
  std::uint64_t find(std::uint64_t key) {
    Shard& shard = of(key);
    const std::lock_guard lock(shard.mutex);
    const auto at = shard.sums.find(key);
    return at == shard.sums.end() ? 0 : at->second;
  }

 private:
  static constexpr int kShardBits = 6;
  struct alignas(kApart) Shard {
    std::mutex mutex;
    Sums sums;
  };
  Shard& of(std::uint64_t key) { return shards_[spread(key) >> (64 - kShardBits)]; }
  std::array<Shard, 1 << kShardBits> shards_;
};

// No lock: a look-up is one load of one line, and an addition one locked instruction on the sum's
// own line, which no other thread is likely to want. It neither grows nor forgets.
class LockFree {
 public:
  void add(std::uint64_t key, std::uint64_t delta) { table_.add(key, delta); }
  std::uint64_t find(std::uint64_t key) const {
    std::uint64_t sum = 0;
    table_.find(key, sum);
    return sum;
  }

 private:
  CountingTable table_{kKeys};
};

#if HEADROOM_HAVE_CUCKOO
class Cuckoo {
 public:
  void add(std::uint64_t key, std::uint64_t delta) {
    sums_.upsert(
        key, [&](std::uint64_t& sum) { sum += delta; }, delta);
  }
  std::uint64_t find(std::uint64_t key) const {
    std::uint64_t sum = 0;
    sums_.find(key, sum);
    return sum;
  }

 private:
  struct Hash {
    std::size_t operator()(std::uint64_t key) const { return spread(key) ^ spread(key) >> 32; }
  };
  libcuckoo::cuckoohash_map<std::uint64_t, std::uint64_t, Hash> sums_{2 * kKeys};
};
constexpr auto kCuckooMap = run<work<Cuckoo>>;
#else
constexpr auto kCuckooMap = kNotBuilt;
#endif

#if HEADROOM_HAVE_CDS
// The library frees nodes by hazard pointers, and must know every thread that uses it.
class CdsLibrary {
 public:
  static void start() { static const CdsLibrary library; }

 private:
  CdsLibrary() {
    cds::Initialize();
    hazards_ = std::make_unique<cds::gc::HP>();
  }
  ~CdsLibrary() {
    hazards_.reset();
    cds::Terminate();
  }
  std::unique_ptr<cds::gc::HP> hazards_;
};
class CdsThread {
 public:
  CdsThread() {
    if (attached_++ != 0) return;
    CdsLibrary::start();
    cds::threading::Manager::attachThread();
  }
  ~CdsThread() {
    if (--attached_ == 0) cds::threading::Manager::detachThread();
  }
  CdsThread(const CdsThread&) = delete;
  CdsThread& operator=(const CdsThread&) = delete;

 private:
  static thread_local int attached_;
};
thread_local int CdsThread::attached_ = 0;

class Cds {
 public:
  using Thread = CdsThread;
  ~Cds() {
    const CdsThread thread;
    sums_.reset();
  }
  void add(std::uint64_t key, std::uint64_t delta) {
    const CdsThread thread;
    sums_->update(key, [&](bool, Entries::value_type& entry) {
      std::atomic_ref(entry.second).fetch_add(delta, std::memory_order_relaxed);
    });
  }
  std::uint64_t find(std::uint64_t key) {
    const CdsThread thread;
    std::uint64_t sum = 0;
    sums_->find(key, [&](Entries::value_type& entry) {
      sum = std::atomic_ref(entry.second).load(std::memory_order_relaxed);
    });
    return sum;
  }

 private:
  struct ListTraits : cds::container::michael_list::traits {
    using less = std::less<>;
  };
  using List = cds::container::MichaelKVList<cds::gc::HP, std::uint64_t, std::uint64_t, ListTraits>;
  struct Hash {
    std::size_t operator()(std::uint64_t key) const { return spread(key) >> 32; }
  };
  struct MapTraits : cds::container::michael_map::traits {
    using hash = Hash;
  };
  using Entries = cds::container::MichaelHashMap<cds::gc::HP, List, MapTraits>;
  static std::unique_ptr<Entries> made() {
    const CdsThread thread;
    return std::make_unique<Entries>(kKeys, 1);
  }
  std::unique_ptr<Entries> sums_ = made();
};
constexpr auto kCdsMap = run<work<Cds>>;
#else
constexpr auto kCdsMap = kNotBuilt;
#endif

#if HEADROOM_HAVE_TBB
class TbbMap {
 public:
  void add(std::uint64_t key, std::uint64_t delta) {
    Entries::accessor entry;
    sums_.insert(entry, key);
    entry->second += delta;
  }
  std::uint64_t find(std::uint64_t key) const {
    Entries::const_accessor entry;
    return sums_.find(entry, key) ? entry->second : 0;
  }

 private:
  using Entries = tbb::concurrent_hash_map<std::uint64_t, std::uint64_t>;
  Entries sums_{kKeys};
};
constexpr auto kTbbMap = run<work<TbbMap>>;
#else
constexpr auto kTbbMap = kNotBuilt;
#endif

using Plain = std::unordered_map<std::uint64_t, std::uint64_t>;
using Flat = absl::flat_hash_map<std::uint64_t, std::uint64_t>;

constexpr Need kNeedsCuckoo[] = {kCuckoo};
constexpr Need kNeedsCds[] = {kCds};
constexpr Need kNeedsTbb[] = {kTbb};

constexpr Variant<Map> kVariants[] = {
    {.name = "naive",
     .run = run<work<Locked>>,
     .what = "a std::unordered_map under one std::mutex"},
    {.name = "shared_mutex",
     .run = run<work<ReadLocked>>,
     .what = "look-ups lock for reading only; but each still writes the lock's line, twice"},
    {.name = "shards",
     .run = run<work<Sharded<Plain>>>,
     .what = "64 maps, each under its own std::mutex: threads seldom meet, all still lock"},
    {.name = "shards_flat",
     .run = run<work<Sharded<Flat>>>,
     .what = "the shards as absl::flat_hash_map: the lock is held for one cache line"},
    {.name = "lock_free",
     .run = run<work<LockFree>>,
     .what = "no lock: open addressing with atomic keys and sums; it can't grow, nor remove"},
    {.name = "libcuckoo",
     .run = kCuckooMap,
     .what = "libcuckoo::cuckoohash_map: two buckets a key, a spin lock a bucket",
     .role = Role::kPeer,
     .needs = kNeedsCuckoo},
    {.name = "libcds",
     .run = kCdsMap,
     .what = "cds::container::MichaelHashMap: lock-free lists, freed by hazard pointers",
     .role = Role::kPeer,
     .needs = kNeedsCds},
    {.name = "tbb",
     .run = kTbbMap,
     .what = "tbb::concurrent_hash_map: a reader-writer spin lock an entry",
     .role = Role::kPeer,
     .needs = kNeedsTbb},
};

const Registrar kRegistrar(
    {.name = "concurrency/map",
     .axis = Axis::kCoherence,
     .technique = "no line that every operation writes: shards, and then no lock at all",
     .sizes = {1 << 12, 1 << 14, 1 << 16, 1 << 18},
     .headline = {1 << 14, 1 << 16},
     .sweeps_threads = true,
     .clock = Clock::kWall,
     .demand =
         [](const Setting& s) {
           return Demand{.items = static_cast<double>(s.n),
                         .working_set = kKeys * 32,
                         .memory = 8 * kKeys * 96 + 16 * kCarried + 24 * s.n};
         },
     .test_sizes = {0, 1, 4097}},
    kVariants);

}  // namespace
}  // namespace headroom
