// Which of n shards a key is on (scaling/shard_rules.h): each rule against what its paper says,
// written another way; how many keys move when a shard is added, and how evenly they are dealt out,
// against theory; the tables that answer for a rule (scaling/shard_tables.h) at the edges.
#include <cmath>
#include <map>
#include <set>
#include <string>
#include "catch.h"

#include "core/random.h"
#include "scaling/shard_rules.h"
#include "scaling/shard_tables.h"

namespace headroom::shards {
namespace {

std::vector<std::uint64_t> some_keys(std::size_t count) {
  std::vector<std::uint64_t> keys(count);
  for (std::size_t i = 0; i < count; ++i) keys[i] = 1'000'000 + i;  // numbers in a row
  return keys;
}

std::vector<Shard> decided(Rule rule, std::uint32_t shards, std::span<const std::uint64_t> keys) {
  std::vector<Shard> out(keys.size());
  REQUIRE(Rules(shards).decide(rule, keys, out));
  return out;
}

std::vector<double> loads(std::span<const Shard> owners, std::uint32_t shards) {
  std::vector<double> all(shards);
  for (const Shard owner : owners) ++all.at(owner);
  return all;
}

// How far the loads are from equal ones: for loads by chance about `shards` - 1, with a standard
// deviation of sqrt(2 (shards - 1)).
double chi_square(std::span<const double> loads, double keys) {
  const double mean = keys / static_cast<double>(loads.size());
  double sum = 0;
  for (const double load : loads) sum += (load - mean) * (load - mean) / mean;
  return sum;
}

struct Moves {
  double all = 0, between_old = 0;  // as shares of all keys
};
Moves moves(Rule rule, std::uint32_t shards, std::span<const std::uint64_t> keys) {
  const std::vector<Shard> before = decided(rule, shards, keys);
  const std::vector<Shard> after = decided(rule, shards + 1, keys);
  Moves moved;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (before[i] == after[i]) continue;
    moved.all += 1 / static_cast<double>(keys.size());
    if (after[i] != shards) moved.between_old += 1 / static_cast<double>(keys.size());
  }
  return moved;
}

// Lamping and Veach's function as their paper prints it.
std::int32_t jump_consistent_hash(std::uint64_t key, std::int32_t num_buckets) {
  std::int64_t b = -1, j = 0;
  while (j < num_buckets) {
    b = j;
    key = key * 2862933555777941757ULL + 1;
    j = static_cast<std::int64_t>(
        static_cast<double>(b + 1) *
        (static_cast<double>(1LL << 31) / static_cast<double>((key >> 33) + 1)));
  }
  return static_cast<std::int32_t>(b);
}

}  // namespace

TEST_CASE("a ring gives a key to the shard of the next point on the circle") {
  for (const std::uint32_t shards : {1u, 2u, 10u, 300u}) {
    std::map<std::uint32_t, std::uint32_t> points;
    for (std::uint32_t shard = 0; shard < shards; ++shard)
      for (std::uint32_t i = 0; i < kPoints; ++i) points.emplace(point_of(shard, i).at, shard);
    const std::vector<std::uint64_t> keys = some_keys(20'000);
    const std::vector<Shard> got = decided(Rule::kRing, shards, keys);
    for (std::size_t i = 0; i < keys.size(); ++i) {
      auto at = points.lower_bound(place_of(keys[i]));
      if (at == points.end()) at = points.begin();
      REQUIRE(got[i] == at->second);
    }
  }
}

TEST_CASE("a ring's pieces know the owner of every place, also beside points and at both ends") {
  for (const std::uint32_t shards : {1u, 2u, 3u, 100u, 1000u}) {
    const Ring ring(shards);
    const Pieces pieces(ring);
    const auto check = [&](std::uint32_t place) {
      REQUIRE(pieces.owner(place) == ring.points()[ring.find(place)].shard);
    };
    std::size_t with_many = 0;
    for (const Pieces::Piece& piece : pieces.pieces()) with_many += piece.left == kNone ? 1 : 0;
    // By chance: of pieces with 1/8 to 1/4 points in the mean, 1 to 3%.
    CHECK(with_many < pieces.pieces().size() / 25);
    for (const Point& point : ring.points()) {
      check(point.at - 1), check(point.at), check(point.at + 1);
    }
    for (std::size_t i = 0; i < pieces.pieces().size(); ++i) {
      const auto first = static_cast<std::uint32_t>(i << (32 - pieces.bits()));
      check(first - 1), check(first);
    }
    check(0), check(~0u);
  }
}

TEST_CASE("jump hash is the paper's function") {
  for (const std::uint32_t shards : {1u, 2u, 3u, 10u, 1000u, 10'000u, 65'535u})
    for (const std::uint64_t key : some_keys(5'000))
      REQUIRE(by_jump(key, shards) ==
              jump_consistent_hash(hash_of(key), static_cast<std::int32_t>(shards)));
  // Known values of the paper's function: those of its published implementations.
  CHECK(jump_consistent_hash(0, 1) == 0);
  CHECK(jump_consistent_hash(1, 10) == 6);
  CHECK(jump_consistent_hash(0xdeadbeef, 100) == 87);
}

TEST_CASE("rendezvous gives a key to the shard with the largest number, the first of equal ones") {
  for (const std::uint32_t shards : {1u, 2u, 10u, 333u})
    for (const std::uint64_t key : some_keys(2'000)) {
      std::vector<std::pair<std::uint32_t, int>> weights;
      for (std::uint32_t shard = 0; shard < shards; ++shard)
        weights.emplace_back(weight_of(hash_of(key), shard_seed(shard)), -static_cast<int>(shard));
      REQUIRE(by_rendezvous(key, seeds(shards)) ==
              -std::max_element(weights.begin(), weights.end())->second);
    }
}

TEST_CASE("Maglev's table is the paper's, and no shard has two slots more than another") {
  for (const std::uint32_t shards : {1u, 2u, 10u, 100u, 300u}) {
    const Maglev maglev(shards);
    const std::uint32_t m = maglev.slots();
    // Its pseudocode, with all permutations written out.
    std::vector<std::vector<std::uint32_t>> permutation(shards);
    for (std::uint32_t i = 0; i < shards; ++i) {
      const std::uint64_t offset = shard_hash(i, 0) % m, skip = shard_hash(i, 1) % (m - 1) + 1;
      for (std::uint64_t j = 0; j < m; ++j)
        permutation[i].push_back(static_cast<std::uint32_t>((offset + j * skip) % m));
      REQUIRE(std::set<std::uint32_t>(permutation[i].begin(), permutation[i].end()).size() == m);
    }
    std::vector<std::size_t> next(shards);
    std::vector<int> entry(m, -1);
    for (std::uint32_t n = 0; n < m;)
      for (std::uint32_t i = 0; i < shards && n < m; ++i, ++n) {
        while (entry[permutation[i][next[i]]] >= 0) ++next[i];
        entry[permutation[i][next[i]++]] = static_cast<int>(i);
      }
    for (std::uint32_t slot = 0; slot < m; ++slot) REQUIRE(maglev.table()[slot] == entry[slot]);
    const std::vector<double> slots = loads(maglev.table(), shards);
    CHECK(*std::max_element(slots.begin(), slots.end()) -
              *std::min_element(slots.begin(), slots.end()) <=
          1);
  }
  CHECK(slots_for(10) == slots_for(16));
  CHECK(slots_for(16) != slots_for(17));
}

TEST_CASE("a ring of bounded loads sends on whom it has no room for, and only them") {
  for (const std::uint32_t shards : {1u, 2u, 10u, 100u}) {
    const std::vector<std::uint64_t> keys = some_keys(5'000);
    const std::vector<Shard> got = decided(Rule::kBounded, shards, keys);
    const Ring ring(shards);
    const double most = std::ceil(1.25 * 5'000 / shards);
    std::vector<double> loads(shards);
    for (std::size_t i = 0; i < keys.size(); ++i) {
      std::size_t at = ring.find(place_of(keys[i]));
      while (loads[ring.points()[at].shard] >= most) at = (at + 1) % ring.points().size();
      REQUIRE(got[i] == ring.points()[at].shard);
      ++loads[got[i]];
    }
    CHECK(*std::max_element(loads.begin(), loads.end()) <= most);
  }
  // One key again and again: every shard takes its part, the bound is reached.
  const std::vector<std::uint64_t> same(1000, 7);
  const std::vector<double> all = loads(decided(Rule::kBounded, 10, same), 10);
  CHECK(*std::max_element(all.begin(), all.end()) == 125);
  CHECK(std::count(all.begin(), all.end(), 125.0) == 8);
}

TEST_CASE("remainder, jump and rendezvous deal keys out as evenly as chance") {
  const std::vector<std::uint64_t> keys = some_keys(1 << 18);
  for (const Rule rule : {Rule::kRemainder, Rule::kJump, Rule::kRendezvous})
    for (const std::uint32_t shards : {2u, 3u, 10u, 100u, 1000u}) {
      const double freedom = shards - 1;
      const double far = chi_square(loads(decided(rule, shards, keys), shards), 1 << 18);
      INFO("rule " << static_cast<int>(rule) << ", " << shards << " shards: " << far);
      CHECK(far < freedom + 4 * std::sqrt(2 * freedom) + 8);
    }
}

// Of the arcs of a ring with v points a shard, the standard deviation is 1 / sqrt(v) of the mean.
TEST_CASE("a ring of 128 points a shard is uneven by 9%, Maglev by what its slots are") {
  const std::vector<std::uint64_t> keys = some_keys(1 << 20);
  for (const auto& [rule, least, most] :
       {std::tuple(Rule::kRing, 0.07, 0.11), std::tuple(Rule::kMaglev, 0.005, 0.03)}) {
    const std::vector<double> all = loads(decided(rule, 100, keys), 100);
    const double mean = (1 << 20) / 100.0;
    double squares = 0;
    for (const double load : all) squares += (load - mean) * (load - mean) / 100;
    CHECK(std::sqrt(squares) / mean > least);
    CHECK(std::sqrt(squares) / mean < most);
  }
}

TEST_CASE("when a shard is added, keys move as theory says") {
  const std::vector<std::uint64_t> keys = some_keys(1 << 18);
  for (const std::uint32_t shards : {10u, 100u}) {
    const double optimum = 1.0 / (shards + 1);
    // Of the share of a binomial distribution.
    const double chance = 4 * std::sqrt(optimum * (1 - optimum) / (1 << 18));
    INFO(shards << " shards, " << optimum);
    // n of n + 1 remainders differ.
    CHECK(std::abs(moves(Rule::kRemainder, shards, keys).all - (1 - optimum)) < chance);
    for (const Rule rule : {Rule::kJump, Rule::kRendezvous}) {
      const Moves moved = moves(rule, shards, keys);
      CHECK(std::abs(moved.all - optimum) < chance);
      CHECK(moved.between_old == 0);
    }
    // What the new shard's arcs come to: 1 / sqrt(128) of it is a standard deviation.
    const Moves ring = moves(Rule::kRing, shards, keys);
    CHECK(std::abs(ring.all - optimum) < chance + 4 * optimum / std::sqrt(128));
    CHECK(ring.between_old == 0);
    // A little more than the optimum, and that between old shards.
    const Moves maglev = moves(Rule::kMaglev, shards, keys);
    CHECK(maglev.all - maglev.between_old > 0.9 * optimum);
    CHECK(maglev.all - maglev.between_old < 1.1 * optimum);
    CHECK(maglev.between_old > 0);
    CHECK(maglev.all < 3 * optimum);
    // More, since a shard that is full sends keys on; but few of all: O(n / eps^2) keys at most in
    // the paper, for eps = 0.25 of the mean.
    const Moves bounded = moves(Rule::kBounded, shards, keys);
    CHECK(bounded.all > 0.5 * optimum);
    CHECK(bounded.all < 16 * optimum);
  }
}

TEST_CASE("a shard that goes takes only its own keys along, by ring and rendezvous") {
  // Any one, not only the last: by leaving its points or its number out.
  const std::vector<std::uint64_t> keys = some_keys(50'000);
  std::vector<std::uint32_t> all = seeds(10);
  const std::vector<std::uint32_t> whole = all;
  all.erase(all.begin() + 3);
  for (const std::uint64_t key : keys) {
    const Shard before = by_rendezvous(key, whole), after = by_rendezvous(key, all);
    if (before != 3) REQUIRE(before == (after >= 3 ? after + 1 : after));
  }
}

TEST_CASE("a rule that is none decides nothing") {
  std::vector<Shard> out(1);
  CHECK_FALSE(Rules(3).decide(Rule::kNone, std::vector<std::uint64_t>{1}, out));
  CHECK_FALSE(Rules(3).decide(static_cast<Rule>(0xa5), std::vector<std::uint64_t>{1}, out));
}

}  // namespace headroom::shards
