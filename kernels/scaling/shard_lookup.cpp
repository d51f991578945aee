// scaling/shard_lookup: which of n shards each key is on, so that few keys move when one is added.
//
// A call is 1,024 keys, which rotate through 2^20; out: the shard of each. There are several rules
// (shard_rules.h), and a variant says which one it follows; its answers are held against that rule,
// written plainly. What the rules differ in beside time is in scaling/resharding: how many keys
// move and how evenly they are dealt out. Every decision begins with the key's hash, which is
// timed.
//
// The naive is what one writes first, a ring in a std::map; one ships it as a sorted array. `mod`
// shows what a decision costs that promises less: with another n, nearly all keys move.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "scaling/shard_lookup-inl.h"

#include <map>
#include <memory>

#include "core/kernel.h"
#include "scaling/shard_rules.h"
#include "scaling/shard_tables.h"
#include "support/slices.h"

namespace headroom {
namespace {

using shards::Rule;
using shards::Shard;

constexpr std::size_t kBatch = 1024;
constexpr std::size_t kKeys = 1 << 20;

struct ShardLookup {
  static constexpr auto kInputs = inputs("random").for_tests("popular");
  struct Call {
    std::span<const std::uint64_t> keys;
    const shards::Rules* rules;
  };
  struct Input {
    std::uint32_t shards = 1;
    std::shared_ptr<const shards::Rules> rules;  // what answers are held against
    Buffer<std::uint64_t> keys;
    Slices slices;
    Call at(std::size_t turn) const { return {slices.of(keys, turn), rules.get()}; }
  };
  struct Output {
    Rule rule = Rule::kNone;
    Buffer<Shard> shards;
    void poison() { headroom::poison(shards), rule = Rule::kNone; }
    bool spoil(Spoil how) { return headroom::spoil(shards, how); }
  };

  static Input make(const Setting& setting, Rng& rng) {
    Input in;
    in.shards = static_cast<std::uint32_t>(std::max<std::size_t>(setting.n, 1));
    in.rules = std::make_shared<const shards::Rules>(in.shards);
    in.slices = Slices::covering(kKeys, kBatch);
    in.keys = Buffer<std::uint64_t>(in.slices.items());
    FastRng fast(rng());
    const Zipf popular(4096, 0.99);
    for (std::uint64_t& key : in.keys)
      key = setting.input == kInputs["popular"] ? popular(fast) : fast();
    return in;
  }
  static void size(const Input& in, Output& out) { out.shards = Buffer<Shard>(in.slices.size()); }
  static absl::Status same(const Call& call, const Output& want, const Output& got) {
    Buffer<Shard> truth(call.keys.size());
    for (const Output* out : {&want, &got}) {
      if (!call.rules->decide(out->rule, call.keys, {truth.data(), truth.size()}))
        return absl::FailedPreconditionError("an answer by no rule");
      if (const absl::Status right = exact(truth, out->shards); !right.ok()) return right;
    }
    return absl::OkStatus();
  }
};
using Input = ShardLookup::Input;
using Call = ShardLookup::Call;
using Output = ShardLookup::Output;

template <class One>
void decide_each(Rule rule, const Call& call, Output& out, const One& one) {
  out.rule = rule;
  for (std::size_t i = 0; i < call.keys.size(); ++i) out.shards[i] = one(call.keys[i]);
}

// A ring as a tree: the first point at the key's place or after it.
struct Tree {
  explicit Tree(const Input& in) {
    for (std::uint32_t shard = 0; shard < in.shards; ++shard)
      for (std::uint32_t i = 0; i < shards::kPoints; ++i)
        points.emplace(shards::point_of(shard, i).at, static_cast<Shard>(shard));
  }
  std::map<std::uint32_t, Shard> points;
};
void naive(const Tree& tree, const Call& call, Output& out) {
  decide_each(Rule::kRing, call, out, [&](std::uint64_t key) {
    const auto at = tree.points.lower_bound(shards::place_of(key));
    return at == tree.points.end() ? tree.points.begin()->second : at->second;
  });
}

// The points side by side: no node to fetch for each comparison.
struct Sorted {
  explicit Sorted(const Input& in) : ring(in.shards) {}
  shards::Ring ring;
};
void ring_sorted(const Sorted& state, const Call& call, Output& out) {
  decide_each(Rule::kRing, call, out, state.ring);
}

// Which half a key's place is in can't be foreseen, so it is computed, not branched on; and sixteen
// searches go down at the same time, none of which waits for another.
void ring_batched(const Sorted& state, const Call& call, Output& out) {
  constexpr std::size_t kTogether = 16;
  static_assert(kBatch % kTogether == 0);
  out.rule = Rule::kRing;
  const std::span<const shards::Point> points = state.ring.points();
  for (std::size_t i = 0; i < call.keys.size(); i += kTogether) {
    std::uint32_t places[kTogether];
    std::size_t before[kTogether] = {};  // so many points at least come before the place
    for (std::size_t k = 0; k < kTogether; ++k) places[k] = shards::place_of(call.keys[i + k]);
    for (std::size_t left = points.size(); left > 1; left -= left / 2)
      for (std::size_t k = 0; k < kTogether; ++k)
        before[k] += points[before[k] + left / 2 - 1].at < places[k] ? left / 2 : 0;
    for (std::size_t k = 0; k < kTogether; ++k) {
      before[k] += points[before[k]].at < places[k] ? 1 : 0;
      out.shards[i + k] = points[before[k] == points.size() ? 0 : before[k]].shard;
    }
  }
}

// The paper's loop: a division for each jump, and a branch at its end that can't be foreseen.
struct Count {
  explicit Count(const Input& in) : shards(in.shards) {}
  std::uint32_t shards;
};
void jump(const Count& state, const Call& call, Output& out) {
  decide_each(Rule::kJump, call, out,
              [&](std::uint64_t key) { return shards::by_jump(key, state.shards); });
}

// Every shard draws a number for the key.
struct Seeds {
  explicit Seeds(const Input& in) : seeds(shards::seeds(in.shards)) {}
  std::vector<std::uint32_t> seeds;
};
void rendezvous(const Seeds& state, const Call& call, Output& out) {
  decide_each(Rule::kRendezvous, call, out,
              [&](std::uint64_t key) { return shards::by_rendezvous(key, state.seeds); });
}

// One look-up: the table was filled so that every shard has its part of it.
struct Table {
  explicit Table(const Input& in) : maglev(in.shards) {}
  shards::Maglev maglev;
};
void maglev(const Table& state, const Call& call, Output& out) {
  decide_each(Rule::kMaglev, call, out, state.maglev);
}

// A ring and the loads of its shards, all without load before each call.
struct Loads : Sorted {
  explicit Loads(const Input& in)
      : Sorted(in), loads(in.shards), most(shards::most_for(kBatch, in.shards)) {}
  std::vector<std::uint32_t> loads;
  std::size_t most;
};
void bounded(Loads& state, const Call& call, Output& out) {
  std::fill(state.loads.begin(), state.loads.end(), 0u);
  decide_each(Rule::kBounded, call, out, [&](std::uint64_t key) {
    return shards::first_with_room(state.ring.points(), state.ring.find(shards::place_of(key)),
                                   state.most, state.loads);
  });
}

// The remainder: one division, no table, and another answer for nearly every key when n changes.
void mod(const Count& state, const Call& call, Output& out) {
  decide_each(Rule::kRemainder, call, out,
              [&](std::uint64_t key) { return shards::by_remainder(key, state.shards); });
}

}  // namespace
}  // namespace headroom

#include "scaling/shard_lookup-inl.h"

namespace headroom {
namespace {

HWY_EXPORT(ByPieces);
HWY_EXPORT(ByJump);
HWY_EXPORT(ByRendezvous);
HWY_EXPORT(ByMaglev);

// No search: the piece of the circle that a place lies in says whose it is, or where it changes.
struct InPieces {
  explicit InPieces(const Input& in) : pieces(shards::Ring(in.shards)) {}
  shards::Pieces pieces;
};
void ring_pieces(const InPieces& state, const Call& call, Output& out) {
  out.rule = Rule::kRing;
  HWY_DYNAMIC_DISPATCH(ByPieces)
  (state.pieces, call.keys.data(), call.keys.size(), out.shards.data());
}

void jump_simd(const Count& state, const Call& call, Output& out) {
  out.rule = Rule::kJump;
  HWY_DYNAMIC_DISPATCH(ByJump)
  (state.shards, call.keys.data(), call.keys.size(), out.shards.data());
}

void rendezvous_simd(const Seeds& state, const Call& call, Output& out) {
  out.rule = Rule::kRendezvous;
  HWY_DYNAMIC_DISPATCH(ByRendezvous)
  (state.seeds.data(), static_cast<std::uint32_t>(state.seeds.size()), call.keys.data(),
   call.keys.size(), out.shards.data());
}

void maglev_simd(const Table& state, const Call& call, Output& out) {
  out.rule = Rule::kMaglev;
  HWY_DYNAMIC_DISPATCH(ByMaglev)
  (state.maglev, call.keys.data(), call.keys.size(), out.shards.data());
}

// Where everybody would go is decided for all at once; who finds no room, mostly one of ten, goes
// on from there, and only they need to know at which point they are.
struct LoadsInPieces : Loads {
  explicit LoadsInPieces(const Input& in) : Loads(in), pieces(ring), first(pieces.pieces().size()) {
    std::size_t next = 0;
    for (std::size_t i = 0; i < first.size(); ++i) {
      while (next < ring.points().size() && pieces.piece_of(ring.points()[next].at) < i) ++next;
      first[i] = static_cast<std::uint32_t>(next);
    }
  }
  std::size_t find(std::uint32_t place) const {
    const std::size_t at = pieces.on_from(first[pieces.piece_of(place)], place);
    return at == ring.points().size() ? 0 : at;
  }
  shards::Pieces pieces;
  std::vector<std::uint32_t> first;  // of a piece, the first point in it or after it
};
void bounded_pieces(LoadsInPieces& state, const Call& call, Output& out) {
  out.rule = Rule::kBounded;
  std::fill(state.loads.begin(), state.loads.end(), 0u);
  HWY_DYNAMIC_DISPATCH(ByPieces)
  (state.pieces, call.keys.data(), call.keys.size(), out.shards.data());
  for (std::size_t i = 0; i < call.keys.size(); ++i) {
    std::uint32_t& load = state.loads[out.shards[i]];
    if (load < state.most) [[likely]]
      ++load;
    else
      out.shards[i] = shards::first_with_room(
          state.ring.points(), state.find(shards::place_of(call.keys[i])), state.most, state.loads);
  }
}

constexpr Variant<ShardLookup> kVariants[] = {
    {.name = "naive",
     .run = run<naive>,
     .what = "a ring of 128 points for each shard, in a std::map"},
    {.name = "ring_sorted",
     .run = run<ring_sorted>,
     .what = "the points in a sorted array, std::lower_bound: no node for each comparison",
     .role = Role::kStandard},
    {.name = "ring_batched",
     .run = run<ring_batched>,
     .what = "binary searches without a branch, 16 at a time"},
    {.name = "ring_pieces",
     .run = run<ring_pieces>,
     .what = "no search: each of 4 to 8 pieces of the circle for a point says whose it is"},
    {.name = "jump",
     .run = run<jump>,
     .what = "no table; ln n jumps with a division each; only the last shard can be taken away"},
    {.name = "jump_simd",
     .run = run<jump_simd>,
     .what = "a jump of many keys at once, and those that have arrived leave the vectors"},
    {.name = "rendezvous",
     .run = run<rendezvous>,
     .what = "every shard draws a number for the key, the largest wins: any shard can go; O(n)",
     .max_n = 1000},
    {.name = "rendezvous_simd",
     .run = run<rendezvous_simd>,
     .what = "a key in each lane, which keeps its largest number: no branch; still O(n)"},
    {.name = "maglev",
     .run = run<maglev>,
     .what = "one look-up in a table of 100 n slots or more that the shards have shared out"},
    {.name = "maglev_simd",
     .run = run<maglev_simd>,
     .what = "hashes and slots of a vector of keys at once, then a load for each"},
    {.name = "bounded",
     .run = run<bounded>,
     .what =
         "ring_sorted, but who comes to a shard with 1.25 times its part goes on along the ring"},
    {.name = "bounded_pieces",
     .run = run<bounded_pieces>,
     .what = "ring_pieces for all, then loads: a search only for those that find no room"},
    {.name = "mod",
     .run = run<mod>,
     .what = "the hash's remainder: with another n nearly all keys move",
     .promise = Promise::kNone,
     .promise_note = "n / (n + 1) of all keys move when a shard is added"},
};

const Registrar kRegistrar(
    {.name = "scaling/shard_lookup",
     .axis = Axis::kScalar,
     .technique = "decide where a key is without a search, or for many keys at once",
     .sizes = {10, 100, 1000, 10'000},
     .headline = {100, 1000},
     .promise = Promise::kFewMoves,
     .demand =
         [](const Setting& s) {
           const std::size_t points = shards::kPoints * std::max<std::size_t>(s.n, 1);
           return Demand{.items = kBatch,
                         .bytes = kBatch * (sizeof(std::uint64_t) + sizeof(Shard)),
                         .working_set = 100 * points,
                         .memory = 600 * points + 10 * kKeys};
         },
     .test_sizes = {0, 1, 2, 3, 7, 16, 33, 100, 257}},
    kVariants);

}  // namespace
}  // namespace headroom
