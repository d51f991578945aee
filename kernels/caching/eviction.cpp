// caching/eviction: what a cache itself costs per request, by what goes when another entry comes.
//
// n is the room of the cache, in entries; a call is 4,096 requests, which go on where the last call
// ended (requests.h has the inputs). A value that isn't there costs next to nothing to compute, so
// that the time is the cache's own: look-up, order, eviction. Out: the value of every request.
// `hit_ratio` stands beside the time, since a policy that is quick and forgets the wrong entries
// saves nothing; caching/hit_ratio is judged by it.
//
// A hit that has to change the order writes; where it only sets a mark, it hardly does. Where the
// order is in arrays, made once, nothing is allocated, and where a key's place follows from its
// hash there is no order to keep.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "caching/eviction-inl.h"

#include <list>
#include <unordered_map>

#include "caching/policies.h"
#include "caching/requests.h"
#include "caching/tiny_lfu.h"
#include "core/kernel.h"
#include "support/slices.h"

namespace headroom {
namespace {

constexpr std::size_t kRequests = 4096;
constexpr std::size_t kCarried = 1 << 20;
constexpr std::size_t kWarmUp = 8;  // times the room, before the first call

struct Eviction {
  static constexpr auto kInputs = kRequestInputs;
  struct Input {
    std::size_t room = 0;
    Buffer<std::uint64_t> asked;
    Slices slices;
    std::span<const std::uint64_t> at(std::size_t turn) const { return slices.of(asked, turn); }
    std::span<const std::uint64_t> warm_up() const {
      return {asked.data(), std::min(asked.size(), kWarmUp * room)};
    }
  };
  using Call = std::span<const std::uint64_t>;
  using Output = Buffer<std::uint64_t>;

  static Input make(const Setting& setting, Rng& rng) {
    Input in;
    in.room = std::max<std::size_t>(setting.n, 1);
    in.slices = Slices::covering(kCarried, kRequests);
    in.asked = Buffer<std::uint64_t>(in.slices.items());
    fill_requests(setting.input, in.room, rng(), in.asked);
    return in;
  }
  static void size(const Input&, Output& out) { out = Output(kRequests); }
  static absl::Status same(const Call& call, const Output& want, const Output& got) {
    Output truth(call.size());
    for (std::size_t i = 0; i < call.size(); ++i) truth[i] = value_of(call[i]);
    const absl::Status right = exact(truth, want);
    return right.ok() ? exact(want, got) : right;
  }
};
using Call = Eviction::Call;
using Output = Eviction::Output;

// Least recently used, as it is written first: a list in order of use, and a map into it.
class ListLru {
 public:
  explicit ListLru(std::size_t room) : room_(room) { places_.reserve(room); }
  template <class Compute>
  std::uint64_t get(std::uint64_t key, const Compute& compute, bool& hit) {
    const auto at = places_.find(key);
    hit = at != places_.end();
    if (hit) {
      order_.splice(order_.begin(), order_, at->second);
      return at->second->value;
    }
    if (places_.size() == room_) {
      places_.erase(order_.back().key);
      order_.pop_back();
    }
    order_.push_front({key, compute(key)});
    places_.emplace(key, order_.begin());
    return order_.front().value;
  }

 private:
  std::size_t room_;
  std::list<CacheEntry> order_;
  std::unordered_map<std::uint64_t, std::list<CacheEntry>::iterator> places_;
};

// A cache at work, and how often it had what it was asked for.
template <class Cache>
struct Asked {
  explicit Asked(const Eviction::Input& in) : cache(in.room) {
    Output unused(kRequests);
    const Call all = in.warm_up();
    for (std::size_t i = 0; i < all.size(); i += kRequests)
      serve(*this, all.subspan(i, std::min(kRequests, all.size() - i)), unused);
    hits = requests = 0;
  }
  Quantities quantities() const {
    const double all = static_cast<double>(requests);
    return {{"hit_ratio", {all == 0 ? 0 : static_cast<double>(hits) / all, "ratio"}}};
  }
  Cache cache;
  std::size_t hits = 0, requests = 0;
};

template <class Cache>
void serve(Asked<Cache>& asked, const Call& call, Output& out) {
  std::size_t hits = 0;
  for (std::size_t i = 0; i < call.size(); ++i) {
    bool hit = false;
    out[i] = asked.cache.get(call[i], value_of, hit);
    hits += hit ? 1 : 0;
  }
  asked.hits += hits;
  asked.requests += call.size();
}

}  // namespace
}  // namespace headroom

#include "caching/eviction-inl.h"

namespace headroom {
namespace {

HWY_EXPORT(Serve);

using Sets = Asked<SetCache>;

template <>
void serve(Sets& asked, const Call& call, Output& out) {
  asked.hits += HWY_DYNAMIC_DISPATCH(Serve)(asked.cache, call.data(), call.size(), out.data());
  asked.requests += call.size();
}

constexpr Variant<Eviction> kVariants[] = {
    {.name = "naive",
     .run = run<serve<ListLru>>,
     .what = "least recently used: a std::list in order of use, a std::unordered_map into it"},
    {.name = "flat_lru",
     .run = run<serve<FlatLru>>,
     .what = "the same order in arrays of 32-bit links and a flat index: nothing is allocated"},
    {.name = "clock",
     .run = run<serve<FlatClock>>,
     .what = "a hit sets a byte; the order changes only on a miss"},
    {.name = "sieve",
     .run = run<serve<FlatSieve>>,
     .what = "a hit sets a byte; what the hand spares keeps its place, so newcomers go first"},
    {.name = "s3_fifo",
     .run = run<serve<S3Fifo>>,
     .what = "a hit counts in a byte; one-time keys leave by a small queue; queues are rings"},
    {.name = "w_tinylfu",
     .run = run<serve<WindowTinyLfu>>,
     .what = "counts all keys in a sketch, so it keeps the right ones; each request writes more"},
    {.name = "sets",
     .run = run<serve<SetCache>>,
     .what = "16 ways: hash to a set, 16 tags at once, CLOCK in three words; no index, no order"},
};

const Registrar kRegistrar(
    {.name = "caching/eviction",
     .axis = Axis::kCache,
     .technique = "a hit that writes little, an order that needs no allocation, or none",
     .sizes = {1 << 10, 1 << 13, 1 << 16},
     .headline = {1 << 10, 1 << 16},
     .demand =
         [](const Setting& s) {
           return Demand{.items = kRequests,
                         .working_set = 48 * s.n + 16 * kRequests,
                         .memory = 1200 * s.n + 8 * kCarried + (std::size_t{64} << 20)};
         },
     .test_sizes = {0, 1, 2, 16, 17, 33, 1000}},
    kVariants);

}  // namespace
}  // namespace headroom
