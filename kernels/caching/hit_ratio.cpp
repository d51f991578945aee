// caching/hit_ratio: of what is asked for, the share that a cache still has, by its policy.
//
// n is the room of the cache, in entries, which is empty before each call; a call is 128 n requests
// (requests.h has the inputs). The ladder is judged by `hit_ratio`. Out: the value of every
// request, and how many the cache had. `of_belady` is the share of what the best possible cache
// would have had, which knows the future: no policy gets above 1, and one that does is broken.
//
// What a miss costs is the application's: with 1 ms for a query and hits for free, going from 0.70
// to 0.75 saves a sixth of the time. What the policy itself costs is in caching/eviction.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "caching/eviction-inl.h"

#include "caching/policies.h"
#include "caching/requests.h"
#include "caching/tiny_lfu.h"
#include "core/kernel.h"

namespace headroom {
namespace {

constexpr std::size_t kRequestsPerEntry = 128;

struct HitRatio {
  static constexpr auto kInputs = kRequestInputs;
  struct Input {
    std::size_t room = 0;
    std::size_t most_hits = 0;  // Belady's
    Buffer<std::uint64_t> asked;
  };
  struct Output {
    Buffer<std::uint64_t> values;
    std::size_t hits = 0;
    std::size_t most_hits = 0;
    void poison() { headroom::poison(values), hits = ~std::size_t{0}; }
    bool spoil(Spoil how) { return headroom::spoil(values, how); }
    Quantities quantities() const {
      const double all = static_cast<double>(std::max<std::size_t>(values.size(), 1));
      const double most = static_cast<double>(std::max<std::size_t>(most_hits, 1));
      return {{"hit_ratio", {static_cast<double>(hits) / all, "ratio"}},
              {"of_belady", {static_cast<double>(hits) / most, "ratio"}}};
    }
  };

  static Input make(const Setting& setting, Rng& rng) {
    Input in;
    in.room = std::max<std::size_t>(setting.n, 1);
    in.asked = Buffer<std::uint64_t>(kRequestsPerEntry * setting.n);
    fill_requests(setting.input, in.room, rng(), in.asked);
    in.most_hits = belady_hits(in.asked, in.room);
    return in;
  }
  static void size(const Input& in, Output& out) {
    out.values = Buffer<std::uint64_t>(in.asked.size());
    out.most_hits = in.most_hits;
  }
  static absl::Status same(const Input& in, const Output& want, const Output& got) {
    Buffer<std::uint64_t> truth(in.asked.size());
    for (std::size_t i = 0; i < truth.size(); ++i) truth[i] = value_of(in.asked[i]);
    for (const Output* out : {&want, &got})
      if (out->hits > in.most_hits)
        return differ("hits, at most: ", std::to_string(in.most_hits), std::to_string(out->hits));
    const absl::Status right = exact(truth, want.values);
    return right.ok() ? exact(want.values, got.values) : right;
  }
};
using Input = HitRatio::Input;
using Output = HitRatio::Output;

// An empty cache for each call.
template <class Cache>
struct Empty {
  explicit Empty(const Input& in) : cache(in.room) {}
  void refill(const Input& input) {
    in = &input;
    cache = Cache(input.room);
  }
  Cache cache;
  const Input* in = nullptr;
};

template <class Cache>
void serve(Empty<Cache>& work, Output& out) {
  std::size_t hits = 0;
  for (std::size_t i = 0; i < work.in->asked.size(); ++i) {
    bool hit = false;
    out.values[i] = work.cache.get(work.in->asked[i], value_of, hit);
    hits += hit ? 1 : 0;
  }
  out.hits = hits;
}

}  // namespace
}  // namespace headroom

#include "caching/eviction-inl.h"

namespace headroom {
namespace {

HWY_EXPORT(Serve);
void serve_sets(Empty<SetCache>& work, Output& out) {
  out.hits = HWY_DYNAMIC_DISPATCH(Serve)(work.cache, work.in->asked.data(), work.in->asked.size(),
                                         out.values.data());
}

constexpr Variant<HitRatio> kVariants[] = {
    {.name = "naive", .run = run<serve<FlatLru>>, .what = "least recently used goes"},
    {.name = "clock",
     .run = run<serve<FlatClock>>,
     .what = "the first goes that wasn't used since the hand came by: about as good"},
    {.name = "sets",
     .run = run<serve_sets>,
     .what = "CLOCK within sets of 16: a set may be full of what is asked for"},
    {.name = "sieve",
     .run = run<serve<FlatSieve>>,
     .what = "what nobody asks for a second time goes soon"},
    {.name = "s3_fifo",
     .run = run<serve<S3Fifo>>,
     .what = "a small queue keeps one-time keys out of the rest; what went is remembered"},
    {.name = "w_tinylfu",
     .run = run<serve<WindowTinyLfu>>,
     .what = "a newcomer must have been asked for more often than what it replaces"},
};

const Registrar kRegistrar(
    {.name = "caching/hit_ratio",
     .axis = Axis::kCache,
     .technique = "keep what is asked for often, not only what was asked for last",
     .sizes = {256, 1024, 4096},
     .headline = {1024, 4096},
     .measure = {.name = "hit_ratio", .unit = "ratio", .more_is_better = true},
     .demand =
         [](const Setting& s) {
           return Demand{.items = static_cast<double>(kRequestsPerEntry * s.n),
                         .working_set = 16 * kRequestsPerEntry * s.n,
                         .memory = (std::size_t{64} << 20) + 200 * kRequestsPerEntry * s.n};
         },
     .test_sizes = {0, 1, 2, 3, 15, 16, 17, 33, 100}},
    kVariants);

}  // namespace
}  // namespace headroom
