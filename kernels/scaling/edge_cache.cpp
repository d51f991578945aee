// scaling/edge_cache: objects of a far origin, kept at edges that are near those who ask.
// Simulated.
//
// n is the number of requests; they come by chance (Poisson), for 20,000 objects by Zipf's law with
// exponent 0.99. The origin is a hundred servers, each with one line, first come first served, 1 ms
// in the mean (exponential); which one a request comes to is drawn beforehand. Asked for everything
// they are in use for 0.9 of the time. They are 0.5 ms away from everybody, ten edges 0.05 ms; each
// edge has room for 1,500 objects. The origin says of each answer that it may be used for 5 s
// (max-age), so all variants keep the same promise. What an edge itself takes is left out.
// The ladder is judged by `p99`, in mean service times of the origin.
//
//   zipf  as above
//   live  besides, half of all requests are for an object that is new every 5 ms, as the segments
//   of
//         a broadcast are: everybody asks for it, and nobody has it yet
//
// `origin_load` is how many requests of all came to the origin, `hit_ratio` how many were answered
// by an edge at once. Out: for each request its edge, when it came to the origin, when it was
// answered. That the origin's servers worked in order, and that an edge gave only what had come to
// it and was not too old, is checked from these alone.
#include <cstdint>

#include "core/kernel.h"
#include "scaling/edges.h"
#include "scaling/outcome.h"
#include "scaling/shard_rules.h"
#include "support/simulator.h"

namespace headroom {
namespace {

constexpr std::uint32_t kServers = 100, kEdges = 10, kObjects = 20'000;
constexpr std::size_t kRoom = 1500;
constexpr double kUtilisation = 0.9;
constexpr SimTime kNear = kService / 20,
                  kFar = kService / 2;  // one way, from the edge to the origin
constexpr SimTime kUsable = 5000 * kService, kSegment = 5 * kService;
constexpr SimTime kNever = ~SimTime{0};

struct EdgeCache {
  static constexpr auto kInputs = inputs("zipf", "live");
  struct Request {
    std::uint32_t object = 0;
    std::uint16_t server = 0, edge = 0;  // of the origin; the one next to who asks
    SimTime service = 0;
  };
  struct Input {
    Buffer<SimTime> arrivals;
    Buffer<Request> requests;
    std::uint32_t objects = 0;
  };
  struct Output {
    Buffer<std::uint16_t> edges;
    Buffer<SimTime> fetched, answered;  // fetched: when it came to the origin, or kNever
    std::vector<SimTime> latency;
    std::size_t at_once = 0, fetches = 0, counted = 0;  // after the warm-up
    double utilisation = 0;
    void poison() {
      headroom::poison(edges), headroom::poison(fetched), headroom::poison(answered);
    }
    bool spoil(Spoil how) { return spoil_parts(how, answered, fetched); }
    Quantities quantities() const {
      const auto all = static_cast<double>(std::max<std::size_t>(counted, 1));
      Quantities figures = latency_figures(latency, utilisation, kServers);
      figures["hit_ratio"] = {static_cast<double>(at_once) / all, "ratio"};
      figures["origin_load"] = {static_cast<double>(fetches) / all, "ratio"};
      return figures;
    }
  };

  static Input make(const Setting& setting, Rng& rng) {
    Input in;
    const Arrivals arrivals = poisson_arrivals(
        setting.n, kUtilisation * kServers * 1e9 / static_cast<double>(kService), rng());
    SimRandom random(rng());
    in.arrivals = Buffer<SimTime>(setting.n), in.requests = Buffer<Request>(setting.n);
    in.objects = kObjects;
    const Zipf popular(kObjects, 0.99);
    for (std::size_t i = 0; i < setting.n; ++i) {
      in.arrivals[i] = arrivals[i];
      Request& one = in.requests[i];
      one.object = static_cast<std::uint32_t>(popular(random.generator()));
      if (setting.input == kInputs["live"] && random.chance(0.5))
        one.object = kObjects + static_cast<std::uint32_t>(arrivals[i] / kSegment);
      in.objects = std::max(in.objects, one.object + 1);
      one.server = static_cast<std::uint16_t>(random.below(kServers));
      one.edge = static_cast<std::uint16_t>(random.below(kEdges));
      one.service = random.exponential(kService);
    }
    return in;
  }
  static void size(const Input& in, Output& out) {
    out.edges = Buffer<std::uint16_t>(in.requests.size());
    out.fetched = out.answered = Buffer<SimTime>(in.requests.size());
  }
  static absl::Status same(const Input& in, const Output& want, const Output& got) {
    const absl::Status right = sound(in, want);
    return right.ok() ? sound(in, got) : right;
  }

 private:
  static absl::Status sound(const Input& in, const Output& out) {
    const std::size_t n = in.requests.size();
    if (out.fetched.size() != n || out.answered.size() != n)
      return differ("answers: ", std::to_string(n), "another number");
    // The origin's servers, each in order of arrival.
    std::vector<std::uint32_t> order;
    for (std::uint32_t i = 0; i < n; ++i)
      if (out.fetched[i] != kNever) order.push_back(i);
    std::stable_sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
      return out.fetched[a] < out.fetched[b];
    });
    std::vector<SimTime> came, service;
    std::vector<std::uint32_t> server;
    for (const std::uint32_t i : order) {
      came.push_back(out.fetched[i]), service.push_back(in.requests[i].service);
      server.push_back(in.requests[i].server);
    }
    const std::vector<SimTime> departures = fifo_departures(came, server, service, kServers);
    // When an object came to an edge, and from when the edge waited for it.
    struct Coming {
      std::uint64_t place;
      SimTime back, asked;
      auto operator<=>(const Coming&) const = default;
    };
    std::vector<Coming> comings;
    for (std::size_t k = 0; k < order.size(); ++k) {
      const std::uint32_t i = order[k];
      if (out.fetched[i] < in.arrivals[i] + kNear + kFar)
        return differ("request " + std::to_string(i) + " came to the origin: ", "after it was sent",
                      "before");
      comings.push_back({place(in, out, i), departures[k] + kFar, out.fetched[i] - kFar});
    }
    std::sort(comings.begin(), comings.end());
    // An edge answers at once what came before and is not too old, or else when it comes.
    for (std::uint32_t i = 0; i < n; ++i) {
      const SimTime edge = in.arrivals[i] + kNear, left = out.answered[i] - kNear;
      const std::uint64_t at = place(in, out, i);
      auto coming = std::lower_bound(comings.begin(), comings.end(), Coming{at, left + 1, 0});
      bool right = false;
      if (coming != comings.begin()) {
        --coming;  // the last one that came until then
        right =
            coming->place == at && (left == edge ? edge < coming->back + kUsable
                                                 : left == coming->back && coming->asked <= edge);
      }
      if (!right)
        return differ("request " + std::to_string(i) + " answered at: ", "when its edge could",
                      std::to_string(out.answered[i]));
    }
    return absl::OkStatus();
  }
  static std::uint64_t place(const Input& in, const Output& out, std::uint32_t i) {
    return std::uint64_t{out.edges[i]} << 32 | in.requests[i].object;
  }
};
using Input = EdgeCache::Input;
using Output = EdgeCache::Output;

struct Event {
  enum Kind : std::uint32_t { kArrival, kAtOrigin, kFinish, kBack };
  std::uint32_t request;
  Kind kind;
};

// What edges do. Where they keep nothing, requests only pass through.
struct Rules {
  bool keep = false;      // objects, for those who ask for them later
  bool by_hash = false;   // an object has one edge, by consistent hashing, not the nearest
  bool collapse = false;  // who asks for what is on its way waits for it
};

template <Rules kRules>
void ask(const Input& in, Output& out) {
  const auto n = static_cast<std::uint32_t>(in.requests.size());
  FifoServers origin(kServers, 1, n);
  EventQueue<Event> events(4096);
  std::vector<EdgeStore> stores;
  std::vector<Collapsed> waiting;
  for (std::uint32_t edge = 0; edge < kEdges; ++edge) {
    stores.emplace_back(in.objects, kRoom);
    if (kRules.collapse) waiting.emplace_back(in.objects, n);
  }
  const shards::Ring ring(kEdges);
  const auto warm = static_cast<std::uint32_t>(kWarmUpShare * n);
  out.at_once = out.fetches = 0;
  std::size_t fetches = 0;
  std::fill(out.fetched.begin(), out.fetched.end(), kNever);
  const auto answer = [&](std::uint32_t request) { out.answered[request] = events.now() + kNear; };
  const auto begin = [&](std::uint32_t request) {
    events.after(in.requests[request].service, {request, Event::kFinish});
  };
  if (n != 0) events.at(in.arrivals[0] + kNear, {0, Event::kArrival});
  while (!events.empty()) {
    const auto [i, kind] = events.next();
    const EdgeCache::Request& request = in.requests[i];
    switch (kind) {
      case Event::kArrival: {
        if (i + 1 < n) events.at(in.arrivals[i + 1] + kNear, {i + 1, Event::kArrival});
        const std::uint16_t edge = kRules.by_hash ? ring(request.object) : request.edge;
        out.edges[i] = edge;
        if (kRules.keep && stores[edge].get(request.object, events.now())) {
          answer(i);
          out.at_once += i >= warm ? 1 : 0;
        } else if (!kRules.collapse || waiting[edge].join(request.object, i)) {
          events.after(kFar, {i, Event::kAtOrigin});
        }
        break;
      }
      case Event::kAtOrigin:
        out.fetched[i] = events.now();
        ++fetches;
        out.fetches += i >= warm ? 1 : 0;
        if (origin.join(request.server, i)) begin(i);
        break;
      case Event::kFinish: {
        events.after(kFar, {i, Event::kBack});
        const std::uint32_t next = origin.leave(request.server);
        if (next != kNobody) begin(next);
        break;
      }
      case Event::kBack:
        if (kRules.keep) stores[out.edges[i]].put(request.object, events.now() + kUsable);
        if (kRules.collapse)
          waiting[out.edges[i]].finish(request.object, answer);
        else
          answer(i);
        break;
    }
  }
  out.counted = n - warm;
  out.utilisation = n == 0 ? 0 : kUtilisation * static_cast<double>(fetches) / n;
  out.latency.resize(n);
  for (std::size_t i = 0; i < n; ++i) out.latency[i] = out.answered[i] - in.arrivals[i];
}

constexpr Rules kOriginOnly{};
constexpr Rules kNearest{.keep = true};
constexpr Rules kHashed{.keep = true, .by_hash = true};
constexpr Rules kCollapsed{.keep = true, .by_hash = true, .collapse = true};

constexpr Variant<EdgeCache> kVariants[] = {
    {.name = "naive", .run = run<ask<kOriginOnly>>, .what = "the origin answers every request"},
    {.name = "nearest_edge",
     .run = run<ask<kNearest>>,
     .what = "each edge keeps what its clients asked for: the same objects at all of them",
     .promise_note = "stale by up to 5 s"},
    {.name = "hashed_edges",
     .run = run<ask<kHashed>>,
     .what = "an object has one edge, by consistent hashing: room for ten times as many",
     .promise_note = "stale by up to 5 s"},
    {.name = "collapsed",
     .run = run<ask<kCollapsed>>,
     .what = "and who asks for what is on its way waits for it: one fetch, however many ask",
     .promise_note = "stale by up to 5 s"},
};

const Registrar kRegistrar(
    {.name = "scaling/edge_cache",
     .axis = Axis::kScalar,
     .technique = "answer near those who ask, and ask the origin once for all",
     .sizes = {100'000, 1'000'000},
     .headline = {1'000'000},
     .measure = {.name = "p99", .unit = "service times", .more_is_better = false},
     .simulated = true,
     .promise = Promise::kNone,
     .demand =
         [](const Setting& s) {
           return Demand{.items = static_cast<double>(std::max<std::size_t>(s.n, 1)),
                         .working_set = 100 * s.n + (std::size_t{8} << 20),
                         .memory = (std::size_t{64} << 20) + 1000 * s.n};
         },
     .test_sizes = {0, 1, 2, 3, 100, 1000, 4097}},
    kVariants);

}  // namespace
}  // namespace headroom
