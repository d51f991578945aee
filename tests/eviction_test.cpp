// Caches of a fixed size (caching/policies.h, tiny_lfu.h, set_cache.h): what they hand out is what
// was put in last, they never hold more than they have room for, and each evicts as its policy
// says, held against a model of it in plain containers.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "caching/eviction-inl.h"

#include <algorithm>
#include <deque>
#include <list>
#include <map>
#include <set>
#include <unordered_map>
#include <vector>

#include "caching/eviction-inl.h"
#include "caching/policies.h"
#include "caching/requests.h"
#include "caching/tiny_lfu.h"
#include "catch.h"

namespace headroom {
namespace {
HWY_EXPORT(Serve);

constexpr std::size_t kRooms[] = {1, 2, 3, 7, 16, 17, 31, 64, 100, 1000};

std::vector<std::uint64_t> requests(InputName input, std::size_t room, std::size_t count,
                                    std::uint64_t seed = 7) {
  std::vector<std::uint64_t> asked(count);
  fill_requests(input, room, seed, asked);
  return asked;
}

// Runs all inputs at all sizes.
template <class Body>
void over_all(const Body& body) {
  for (const std::string_view input : kRequestInputs.names)
    for (const std::size_t room : kRooms) {
      INFO("input " << input << ", room " << room);
      body(requests(input, room, 40 * room + 100), room);
    }
}

// Every value is made under a number of its own, so that a value which is handed out tells when it
// was computed: it must have been when the key was computed last.
template <class Cache>
void check_values() {
  over_all([](const std::vector<std::uint64_t>& asked, std::size_t room) {
    Cache cache(room);
    std::unordered_map<std::uint64_t, std::uint64_t> last;
    std::uint64_t made = 0;
    std::size_t hits = 0;
    bool right = true, bounded = true;
    for (const std::uint64_t key : asked) {
      const std::uint64_t before = made;
      bool hit = false;
      const std::uint64_t value = cache.get(
          key, [&](std::uint64_t asked_for) { return last[asked_for] = ++made; }, hit);
      right &= hit == (made == before) && value == last[key];
      bounded &= cache.size() <= room;
      hits += hit ? 1 : 0;
    }
    CHECK(right);
    CHECK(bounded);
    CHECK(cache.size() == std::min(room, last.size()));
    CHECK(hits <= belady_hits(asked, room));
  });
}

TEST_CASE("caches hand out what was computed last, and hold no more than they may") {
  SECTION("flat_lru") { check_values<FlatLru>(); }
  SECTION("clock") { check_values<FlatClock>(); }
  SECTION("sieve") { check_values<FlatSieve>(); }
  SECTION("s3_fifo") { check_values<S3Fifo>(); }
  SECTION("w_tinylfu") { check_values<WindowTinyLfu>(); }
}

// The hits of a cache and of a model of its policy, request by request.
template <class Cache, class Model>
void check_against() {
  over_all([](const std::vector<std::uint64_t>& asked, std::size_t room) {
    Cache cache(room);
    Model model(room);
    std::size_t first_difference = asked.size();
    for (std::size_t i = 0; i < asked.size() && first_difference == asked.size(); ++i) {
      bool hit = false;
      cache.get(asked[i], value_of, hit);
      if (hit != model.hit(asked[i])) first_difference = i;
    }
    CHECK(first_difference == asked.size());
  });
}

struct LruModel {
  explicit LruModel(std::size_t n) : room(n) {}
  bool hit(std::uint64_t key) {
    const auto at = std::find(order.begin(), order.end(), key);
    const bool there = at != order.end();
    if (there) order.erase(at);
    order.push_front(key);
    if (order.size() > room) order.pop_back();
    return there;
  }
  std::size_t room;
  std::list<std::uint64_t> order;
};

struct Marked {
  std::uint64_t key;
  int asked;
};

// Second chance: the queue's form of CLOCK. What the hand passes goes to the back.
struct ClockModel {
  explicit ClockModel(std::size_t n) : room(n) {}
  bool hit(std::uint64_t key) {
    for (Marked& entry : queue)
      if (entry.key == key) {
        entry.asked = 1;
        return true;
      }
    while (queue.size() == room) {
      const Marked first = queue.front();
      queue.pop_front();
      if (first.asked != 0) queue.push_back({first.key, 0});
    }
    queue.push_back({key, 0});
    return false;
  }
  std::size_t room;
  std::deque<Marked> queue;
};

// As the paper's algorithm 1 has it: newest at the front, the hand from the back to the front.
struct SieveModel {
  explicit SieveModel(std::size_t n) : room(n) {}
  bool hit(std::uint64_t key) {
    for (Marked& entry : order)
      if (entry.key == key) {
        entry.asked = 1;
        return true;
      }
    if (order.size() == room) {
      std::size_t at = has_hand ? index_of(hand) : order.size() - 1;
      while (order[at].asked != 0) {
        order[at].asked = 0;
        at = at == 0 ? order.size() - 1 : at - 1;
      }
      has_hand = at != 0;
      if (has_hand) hand = order[at - 1].key;
      order.erase(order.begin() + static_cast<std::ptrdiff_t>(at));
    }
    order.insert(order.begin(), {key, 0});
    return false;
  }
  std::size_t index_of(std::uint64_t key) const {
    std::size_t i = 0;
    while (order[i].key != key) ++i;
    return i;
  }
  std::size_t room;
  bool has_hand = false;
  std::uint64_t hand = 0;
  std::vector<Marked> order;
};

// As the paper's algorithm 1 has it, with queues of keys and a bounded queue of ghosts.
struct S3Model {
  explicit S3Model(std::size_t n)
      : room(n), small_room(std::max<std::size_t>(n / 10, 1)), ghost_room(n - small_room) {
    ghost_room = std::max<std::size_t>(ghost_room, 1);
  }
  bool hit(std::uint64_t key) {
    for (auto* queue : {&small, &main})
      for (Marked& entry : *queue)
        if (entry.key == key) {
          entry.asked = std::min(entry.asked + 1, 3);
          return true;
        }
    const auto ghost = std::find(ghosts.begin(), ghosts.end(), std::pair(key, true));
    const bool known = ghost != ghosts.end();
    if (known) ghost->second = false;  // its place in the queue stays
    while (small.size() + main.size() == room) evict();
    (known ? main : small).push_back({key, 0});
    return false;
  }
  void evict() {
    if (small.size() >= small_room || main.empty()) {
      const Marked first = small.front();
      small.pop_front();
      if (first.asked > 1) {
        main.push_back({first.key, 0});
      } else {
        ghosts.emplace_back(first.key, true);
        if (ghosts.size() > ghost_room) ghosts.pop_front();
      }
    } else {
      const Marked first = main.front();
      main.pop_front();
      if (first.asked > 0) main.push_back({first.key, first.asked - 1});
    }
  }
  std::size_t room, small_room, ghost_room;
  std::deque<Marked> small, main;
  std::deque<std::pair<std::uint64_t, bool>> ghosts;
};

TEST_CASE("caches evict what their policy says") {
  SECTION("flat_lru") { check_against<FlatLru, LruModel>(); }
  SECTION("clock") { check_against<FlatClock, ClockModel>(); }
  SECTION("sieve") { check_against<FlatSieve, SieveModel>(); }
  SECTION("s3_fifo") { check_against<S3Fifo, S3Model>(); }
}

template <class Cache>
double hit_ratio(const std::vector<std::uint64_t>& asked, std::size_t room) {
  Cache cache(room);
  std::size_t hits = 0;
  for (const std::uint64_t key : asked) {
    bool hit = false;
    cache.get(key, value_of, hit);
    hits += hit ? 1 : 0;
  }
  return static_cast<double>(hits) / static_cast<double>(asked.size());
}

TEST_CASE("policies are better than least recently used where they are said to be") {
  const std::size_t room = 1000;
  for (const char* input : {"zipf", "scan"}) {
    const std::vector<std::uint64_t> asked = requests(input, room, 200 * room);
    const double lru = hit_ratio<FlatLru>(asked, room);
    const double best = static_cast<double>(belady_hits(asked, room)) / (200.0 * 1000);
    INFO(input << ": lru " << lru << ", belady " << best);
    CHECK(hit_ratio<FlatClock>(asked, room) > lru);
    CHECK(hit_ratio<FlatSieve>(asked, room) > lru + 0.025);
    CHECK(hit_ratio<S3Fifo>(asked, room) > lru + 0.035);
    CHECK(hit_ratio<WindowTinyLfu>(asked, room) > lru + 0.04);
    CHECK(best > lru + 0.08);
  }
  // A loop that is a little too long: the one who was used last is the one who is used next.
  const std::vector<std::uint64_t> asked = requests("loop", room, 100 * room);
  CHECK(hit_ratio<FlatLru>(asked, room) == 0);
  CHECK(hit_ratio<WindowTinyLfu>(asked, room) > 0.5);
}

TEST_CASE("the best possible cache has the hits that an exhaustive search finds") {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    FastRng rng(seed);
    std::vector<std::uint64_t> asked(10);
    for (std::uint64_t& key : asked) key = bounded(rng, 5);
    for (std::size_t room = 1; room <= 3; ++room) {
      // Every set of keys that a cache could hold, and the most hits so far with it.
      std::map<std::set<std::uint64_t>, std::size_t> states = {{{}, 0}};
      for (const std::uint64_t key : asked) {
        std::map<std::set<std::uint64_t>, std::size_t> next;
        for (const auto& [held, hits] : states) {
          const auto reach = [&](std::set<std::uint64_t> state, std::size_t so_far) {
            std::size_t& most = next[std::move(state)];
            most = std::max(most, so_far);
          };
          if (held.contains(key)) {
            reach(held, hits + 1);
            continue;
          }
          std::set<std::uint64_t> with = held;
          with.insert(key);
          if (with.size() <= room) {
            reach(with, hits);
            continue;
          }
          for (const std::uint64_t goes : held) {
            std::set<std::uint64_t> state = with;
            state.erase(goes);
            reach(std::move(state), hits);
          }
        }
        states = std::move(next);
      }
      std::size_t most = 0;
      for (const auto& [held, hits] : states) most = std::max(most, hits);
      CHECK(belady_hits(asked, room) == most);
    }
  }
}

TEST_CASE("the sketch never tells too little, and forgets by halves") {
  FrequencySketch sketch(1000);
  FastRng rng(3);
  std::unordered_map<std::uint64_t, int> truth;
  for (int i = 0; i < 9000; ++i) {
    const std::uint64_t key = bounded(rng, 1500);
    sketch.count(FlatIndex::hash(key));
    ++truth[key];
  }
  int close = 0;
  for (const auto& [key, count] : truth) {
    const int told = sketch.estimate(FlatIndex::hash(key));
    CHECK(told >= std::min(count, 15));
    close += told <= count + 1 ? 1 : 0;
  }
  CHECK(close > 1400);
  const std::uint64_t often = FlatIndex::hash(5'000'000);
  for (int i = 0; i < 15; ++i) sketch.count(often);
  CHECK(sketch.estimate(often) == 15);
  for (int i = 0; i < 1000; ++i) sketch.count(FlatIndex::hash(6'000'000));
  CHECK(sketch.estimate(often) == 7);
}

TEST_CASE("a flat index finds what is in it through insertions and erasures") {
  for (const std::size_t room : kRooms) {
    FlatIndex index(room);
    std::vector<std::uint64_t> keys(room);
    std::vector<bool> there(room);
    FastRng rng(room);
    for (std::size_t i = 0; i < room; ++i) keys[i] = key_of(i);
    for (int step = 0; step < 3000; ++step) {
      const auto place = static_cast<std::uint32_t>(bounded(rng, room));
      if (there[place])
        index.erase(FlatIndex::hash(keys[place]), place);
      else
        index.insert(FlatIndex::hash(keys[place]), place);
      there[place] = !there[place];
      const auto asked = static_cast<std::uint32_t>(bounded(rng, room));
      const std::uint32_t found = index.find(
          FlatIndex::hash(keys[asked]), [&](std::uint32_t at) { return keys[at] == keys[asked]; });
      REQUIRE(found == (there[asked] ? asked : FlatIndex::kNone));
    }
  }
}

// Of every set what a model says: a queue of up to `ways` keys with second chances.
TEST_CASE("a cache in sets evicts within the set, by CLOCK") {
  over_all([](const std::vector<std::uint64_t>& asked, std::size_t room) {
    SetCache cache(room);
    std::vector<ClockModel> models(cache.sets.size(), ClockModel(cache.ways));
    std::size_t expected = 0;
    for (const std::uint64_t key : asked) {
      const std::size_t set =
          static_cast<std::size_t>(&cache.set_of(FlatIndex::hash(key)) - cache.sets.data());
      expected += models[set].hit(key) ? 1 : 0;
    }
    std::vector<std::uint64_t> out(asked.size());
    CHECK(HWY_DYNAMIC_DISPATCH(Serve)(cache, asked.data(), asked.size(), out.data()) == expected);
    bool right = true;
    for (std::size_t i = 0; i < asked.size(); ++i) right &= out[i] == value_of(asked[i]);
    CHECK(right);
    CHECK(cache.size() <= room);
  });
}

}  // namespace
}  // namespace headroom
