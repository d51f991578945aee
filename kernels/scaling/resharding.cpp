// scaling/resharding: keys that change their shard when a shard is added.
//
// n shards have keys numbered in a row, 4,096 for each of them (2^18 at most), and one more shard
// comes. A call decides where every key is, before and after. The ladder is judged by `keys_moved`,
// the share of all keys that are on another shard afterwards. At best it is what the new shard
// gets, `optimum`: 1 / (n + 1). Out: the shard of each key, before and after; they are held against
// the variant's rule (shard_rules.h), written plainly.
//
// Of what else a rule is judged by: `between_old` is the share of keys that moved from one old
// shard to another, all of them in vain; `imbalance` how many keys the fullest shard has
// afterwards, in means; `memory` what a decision needs to know. What it takes is in
// scaling/shard_lookup.
//
// By chance alone the fullest of 100 shards has about 1.05 means here: 2.5 standard deviations
// more.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "scaling/shard_lookup-inl.h"

#include <memory>

#include "core/kernel.h"
#include "scaling/shard_rules.h"
#include "scaling/shard_tables.h"

namespace headroom {
namespace {

using shards::Rule;
using shards::Shard;

constexpr std::size_t kKeysPerShard = 4096;
constexpr std::size_t kMostKeys = std::size_t{1} << 18;

struct Resharding {
  struct Input {
    std::uint32_t shards = 1;
    std::shared_ptr<const shards::Rules> before, after;  // what answers are held against
    Buffer<std::uint64_t> keys;
  };
  struct Output {
    Rule rule = Rule::kNone;
    std::uint32_t shards = 1;
    Buffer<Shard> before, after;
    std::size_t memory = 0;  // of one rule for n + 1 shards, in bytes
    void poison() {
      headroom::poison(before), headroom::poison(after);
      rule = Rule::kNone;
    }
    bool spoil(Spoil how) { return spoil_parts(how, after, before); }
    Quantities quantities() const {
      std::vector<std::size_t> loads(shards + 1);
      std::size_t moved = 0, between_old = 0;
      for (std::size_t i = 0; i < after.size(); ++i) {
        moved += before[i] != after[i] ? 1 : 0;
        between_old += before[i] != after[i] && after[i] != shards ? 1 : 0;
        if (after[i] <= shards) ++loads[after[i]];
      }
      const auto all = static_cast<double>(after.size());
      const auto fullest = static_cast<double>(*std::max_element(loads.begin(), loads.end()));
      return {{"keys_moved", {static_cast<double>(moved) / all, "ratio"}},
              {"between_old", {static_cast<double>(between_old) / all, "ratio"}},
              {"optimum", {1.0 / (shards + 1), "ratio"}},
              {"imbalance", {fullest * (shards + 1) / all, "means"}},
              {"memory", {static_cast<double>(memory), "bytes"}}};
    }
  };

  static Input make(const Setting& setting, Rng& rng) {
    Input in;
    in.shards = static_cast<std::uint32_t>(std::max<std::size_t>(setting.n, 1));
    in.before = std::make_shared<const shards::Rules>(in.shards);
    in.after = std::make_shared<const shards::Rules>(in.shards + 1);
    in.keys = Buffer<std::uint64_t>(std::min(kKeysPerShard * in.shards, kMostKeys));
    const std::uint64_t first = rng() >> 32;
    for (std::size_t i = 0; i < in.keys.size(); ++i) in.keys[i] = first + i;
    return in;
  }
  static void size(const Input& in, Output& out) {
    out.before = out.after = Buffer<Shard>(in.keys.size());
    out.shards = in.shards;
  }
  static absl::Status same(const Input& in, const Output& want, const Output& got) {
    const absl::Status right = by_its_rule(in, want);
    return right.ok() ? by_its_rule(in, got) : right;
  }

 private:
  static absl::Status by_its_rule(const Input& in, const Output& out) {
    const std::span<const std::uint64_t> keys(in.keys.data(), in.keys.size());
    Buffer<Shard> truth(keys.size());
    for (const auto& [rules, shards] :
         {std::pair(in.before.get(), &out.before), std::pair(in.after.get(), &out.after)}) {
      if (!rules->decide(out.rule, keys, {truth.data(), truth.size()}))
        return absl::FailedPreconditionError("an answer by no rule");
      if (const absl::Status right = exact(truth, *shards); !right.ok()) return right;
    }
    return absl::OkStatus();
  }
};
using Input = Resharding::Input;
using Output = Resharding::Output;

// `decide(shards, keys, n, out)` puts the shard of each of n keys into `out`, and returns how many
// bytes it had to know for it.
template <class Decide>
void reshard(Rule rule, const Input& in, Output& out, const Decide& decide) {
  out.rule = rule;
  decide(in.shards, in.keys.data(), in.keys.size(), out.before.data());
  out.memory = decide(in.shards + 1, in.keys.data(), in.keys.size(), out.after.data());
}

// The remainder of the key's hash: with n + 1 in the place of n it is another one for n keys of
// n + 1.
void naive(const Input& in, Output& out) {
  reshard(Rule::kRemainder, in, out,
          [](std::uint32_t shards, const std::uint64_t* keys, std::size_t n, Shard* owners) {
            for (std::size_t i = 0; i < n; ++i) owners[i] = shards::by_remainder(keys[i], shards);
            return sizeof shards;
          });
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

// The new shard's points take keys from the points behind them, and no other key moves.
void ring(const Input& in, Output& out) {
  reshard(Rule::kRing, in, out,
          [](std::uint32_t shards, const std::uint64_t* keys, std::size_t n, Shard* owners) {
            const shards::Ring ring(shards);
            HWY_DYNAMIC_DISPATCH(ByPieces)(shards::Pieces(ring), keys, n, owners);
            return ring.bytes();
          });
}

// A key jumps to the new shard with probability 1 / (n + 1), and else stays.
void jump(const Input& in, Output& out) {
  reshard(Rule::kJump, in, out,
          [](std::uint32_t shards, const std::uint64_t* keys, std::size_t n, Shard* owners) {
            HWY_DYNAMIC_DISPATCH(ByJump)(shards, keys, n, owners);
            return sizeof shards;
          });
}

// The new shard wins the keys for which it draws the largest number; between the old ones nothing
// has changed.
void rendezvous(const Input& in, Output& out) {
  reshard(Rule::kRendezvous, in, out,
          [](std::uint32_t shards, const std::uint64_t* keys, std::size_t n, Shard* owners) {
            const std::vector<std::uint32_t> seeds = shards::seeds(shards);
            HWY_DYNAMIC_DISPATCH(ByRendezvous)(seeds.data(), shards, keys, n, owners);
            return seeds.size() * sizeof seeds[0];
          });
}

// Every shard has its part of the slots to within one. The new one claims some in turn with the
// others, and what an old shard loses so it may find elsewhere: those slots move for nothing.
void maglev(const Input& in, Output& out) {
  reshard(Rule::kMaglev, in, out,
          [](std::uint32_t shards, const std::uint64_t* keys, std::size_t n, Shard* owners) {
            const shards::Maglev table(shards);
            HWY_DYNAMIC_DISPATCH(ByMaglev)(table, keys, n, owners);
            return table.bytes();
          });
}

// No shard has more than 1.25 times the mean. Where the new shard makes room, those come back who
// had been sent on, and the bound itself is lower.
void bounded(const Input& in, Output& out) {
  reshard(Rule::kBounded, in, out,
          [](std::uint32_t shards, const std::uint64_t* keys, std::size_t n, Shard* owners) {
            const shards::Ring ring(shards);
            shards::by_bounded_ring(ring, shards, {keys, n}, {owners, n});
            return ring.bytes() + shards * sizeof(std::uint32_t);
          });
}

constexpr Variant<Resharding> kVariants[] = {
    {.name = "naive", .run = run<naive>, .what = "the hash's remainder: nearly all keys move"},
    {.name = "ring",
     .run = run<ring>,
     .what = "consistent hashing with 128 points a shard: only keys of the new shard move",
     .role = Role::kStandard},
    {.name = "jump",
     .run = run<jump>,
     .what = "no table, as even as chance; only the last shard can be taken away"},
    {.name = "rendezvous",
     .run = run<rendezvous>,
     .what = "highest random weight: as even as chance, any shard can go; O(n) decisions"},
    {.name = "maglev",
     .run = run<maglev>,
     .what = "a table of slots, shared out evenly; some keys move between old shards"},
    {.name = "bounded",
     .run = run<bounded>,
     .what = "a ring on which no shard has more than 1.25 means: more keys move, none is too full"},
};

const Registrar kRegistrar({.name = "scaling/resharding",
                            .axis = Axis::kScalar,
                            .technique = "a new shard takes keys from all, and nothing else moves",
                            .sizes = {10, 100, 1000},
                            .headline = {10, 100},
                            .measure = {.name = "keys_moved", .unit = "ratio"},
                            .promise = Promise::kNone,
                            .demand =
                                [](const Setting& s) {
                                  const std::size_t shards = std::max<std::size_t>(s.n, 1);
                                  const std::size_t keys =
                                      std::min(kKeysPerShard * shards, kMostKeys);
                                  return Demand{.items = static_cast<double>(2 * keys),
                                                .working_set = 12 * keys,
                                                .memory = 60 * keys + 60'000 * shards};
                                },
                            .test_sizes = {0, 1, 2, 3, 7, 16, 33}},
                           kVariants);

}  // namespace
}  // namespace headroom
