// algorithm/shortest_paths: the distance of every vertex from one, in a graph like a road map.
//
// In: a grid of about n crossings, each joined to its four neighbours in both directions, with a
// length of 1 to 255 for each direction; crossings are numbered at random, as those of a database
// are. A call asks for the distances from one crossing; 64 of them rotate. Out: the distance of
// each. Exact.
//
// Input random joins each vertex to eight others at random instead: no two neighbours are near, and
// few steps lead anywhere.
//
// To be learned: Bellman ("On a routing problem", 1958) and Ford go over all edges until nothing
// changes, as often as the longest shortest path has edges. That is the shortest program, but where
// no length is negative nobody ships it. Dijkstra ("A note on two problems in connexion with
// graphs", 1959) takes vertices by distance, each once; with std::priority_queue and a vector of
// arcs for each vertex that is the standard. What is left to choose is the queue, and where edges
// and vertices lie in memory.
#include <algorithm>
#include <bit>
#include <cstdint>
#include <limits>
#include <queue>
#include <span>
#include <utility>
#include <vector>

#include "core/kernel.h"

namespace headroom {
namespace {

constexpr std::uint32_t kFar = std::numeric_limits<std::uint32_t>::max();
constexpr std::uint32_t kLongest = 255;  // edge
constexpr std::size_t kSources = 64;

struct Edge {
  std::uint32_t from, to, length;
};

struct ShortestPaths {
  static constexpr auto kInputs = inputs("grid", "random");
  struct Call {
    std::uint32_t source;  // none where there is no vertex
    std::size_t vertices;
    std::span<const Edge> edges;
  };
  struct Input {
    std::vector<Edge> edges;
    std::size_t vertices = 0;
    std::vector<std::uint32_t> sources;
    Call at(std::size_t turn) const { return {sources[turn % kSources], vertices, edges}; }
  };
  struct Output {
    Buffer<std::uint32_t> distances;
    void poison() { headroom::poison(distances); }
    bool spoil(Spoil how) { return headroom::spoil(distances, how); }
  };

  static Input make(const Setting& setting, Rng& rng) {
    Input in;
    std::size_t side = 0;
    while (side * side < setting.n) ++side;
    const bool grid = setting.input == kInputs["grid"];
    const std::size_t n = grid ? side * side : setting.n;
    in.vertices = n;
    FastRng fast(rng());
    std::vector<std::uint32_t> name(n);
    for (std::size_t v = 0; v < n; ++v) name[v] = static_cast<std::uint32_t>(v);
    shuffle(std::span<std::uint32_t>(name), fast);
    in.edges.reserve((grid ? 4 : 8) * n);
    const auto join = [&](std::size_t from, std::size_t to) {
      in.edges.push_back(
          {name[from], name[to], static_cast<std::uint32_t>(1 + bounded(fast, kLongest))});
    };
    for (std::size_t v = 0; v < n; ++v) {
      if (grid) {
        if (v % side != 0) join(v, v - 1), join(v - 1, v);
        if (v >= side) join(v, v - side), join(v - side, v);
      } else {
        for (int k = 0; k < 8; ++k) join(v, bounded(fast, n));
      }
    }
    shuffle(std::span<Edge>(in.edges), fast);
    for (std::size_t k = 0; k < kSources; ++k)
      in.sources.push_back(static_cast<std::uint32_t>(bounded(fast, n)));
    return in;
  }
  static void size(const Input& in, Output& out) {
    out.distances = Buffer<std::uint32_t>(in.vertices);
  }
  static absl::Status same(const Call&, const Output& want, const Output& got) {
    return exact(want.distances, got.distances);
  }
};
using Call = ShortestPaths::Call;
using Input = ShortestPaths::Input;
using Output = ShortestPaths::Output;

// All far but the source. False if there is no vertex at all.
bool begin(const Call& in, Output& out) {
  std::fill(out.distances.begin(), out.distances.end(), kFar);
  if (in.vertices != 0) out.distances[in.source] = 0;
  return in.vertices != 0;
}

void naive(const Call& in, Output& out) {
  if (!begin(in, out)) return;
  std::uint32_t* const distance = out.distances.data();
  for (bool changed = true; changed;) {
    changed = false;
    for (const Edge& e : in.edges) {
      if (distance[e.from] == kFar || distance[e.from] + e.length >= distance[e.to]) continue;
      distance[e.to] = distance[e.from] + e.length;
      changed = true;
    }
  }
}

struct Arc {
  std::uint32_t to, length;
};

// A vector of arcs for each vertex, grown as edges come: as one writes it first.
struct Lists {
  explicit Lists(const Input& in) : arcs(in.vertices) {
    for (const Edge& e : in.edges) arcs[e.from].push_back({e.to, e.length});
  }
  std::span<const Arc> of(std::uint32_t v) const { return arcs[v]; }
  std::vector<std::vector<Arc>> arcs;
};

// Compressed sparse rows: all arcs in one array, sorted by where they start. No pointer to follow,
// no allocation's header between, neighbours in number neighbours in memory.
struct Csr {
  explicit Csr(const Input& in) : starts(in.vertices + 2), arcs(in.edges.size()) {
    for (const Edge& e : in.edges) ++starts[e.from + 2];
    for (std::size_t v = 2; v < starts.size(); ++v) starts[v] += starts[v - 1];
    for (const Edge& e : in.edges) arcs[starts[e.from + 1]++] = {e.to, e.length};
  }
  std::span<const Arc> of(std::uint32_t v) const {
    return {arcs.data() + starts[v], starts[v + 1] - starts[v]};
  }
  Buffer<std::uint32_t> starts;
  Buffer<Arc> arcs;
};

// A binary heap of (distance, vertex); a vertex that gets nearer is put in again, and what is out
// of date is skipped when it comes up.
template <class Graph>
void dijkstra(const Graph& graph, const Call& in, Output& out) {
  if (!begin(in, out)) return;
  std::uint32_t* const distance = out.distances.data();
  using Entry = std::pair<std::uint32_t, std::uint32_t>;
  std::priority_queue<Entry, std::vector<Entry>, std::greater<>> queue;
  queue.push({0, in.source});
  while (!queue.empty()) {
    const auto [d, v] = queue.top();
    queue.pop();
    if (d != distance[v]) continue;
    for (const Arc& arc : graph.of(v)) {
      if (d + arc.length >= distance[arc.to]) continue;
      distance[arc.to] = d + arc.length;
      queue.push({d + arc.length, arc.to});
    }
  }
}

void dijkstra_lists(const Lists& graph, const Call& in, Output& out) { dijkstra(graph, in, out); }
void dijkstra_csr(const Csr& graph, const Call& in, Output& out) { dijkstra(graph, in, out); }

// Dial's buckets ("Algorithm 360: shortest-path forest with topological ordering", 1969): edges are
// at most 255 long, so the vertices waiting are at most 255 apart, and 256 buckets in a ring are a
// queue without a comparison. Four words have a bit for each bucket that isn't empty.
class Ring {
 public:
  static_assert(kLongest < 256);
  void push(std::uint32_t d, std::uint32_t v) {
    std::vector<std::uint32_t>& bucket = buckets_[d % 256];
    bucket.push_back(v);
    filled_[d / 64 % 4] |= std::uint64_t{1} << d % 64;
  }
  // The least distance >= d that has a bucket filled; kFar if none.
  std::uint32_t next(std::uint32_t d) const {
    std::uint64_t word = filled_[d / 64 % 4] & ~std::uint64_t{0} << d % 64;
    for (std::uint32_t k = 0; k < 5; ++k, word = filled_[(d / 64 + k) % 4])
      if (word != 0) return (d / 64 + k) * 64 + static_cast<std::uint32_t>(std::countr_zero(word));
    return kFar;
  }
  // What is in the bucket of d, which is empty afterwards; valid until the next time.
  std::span<const std::uint32_t> take(std::uint32_t d) {
    taken_.clear();
    std::swap(taken_, buckets_[d % 256]);
    filled_[d / 64 % 4] &= ~(std::uint64_t{1} << d % 64);
    return taken_;
  }

 private:
  std::vector<std::uint32_t> buckets_[256];
  std::vector<std::uint32_t> taken_;
  std::uint64_t filled_[4] = {};
};

// `distance` is all far. A bucket holds no vertex of another distance: those that were put in while
// farther away are known by a nearer distance, and skipped. An arc is at least 1 long, so a bucket
// doesn't grow while it is gone through.
template <class Graph>
void by_ring(const Graph& graph, std::uint32_t source, Ring& ring, std::uint32_t* distance) {
  distance[source] = 0;
  ring.push(0, source);
  for (std::uint32_t d = 0; (d = ring.next(d)) != kFar;) {
    const std::span<const std::uint32_t> bucket = ring.take(d);
    for (const std::uint32_t v : bucket) {
      if (distance[v] != d) continue;
      for (const Arc& arc : graph.of(v)) {
        const std::uint32_t through = d + arc.length;
        if (through >= distance[arc.to]) continue;
        distance[arc.to] = through;
        ring.push(through, arc.to);
      }
    }
  }
}

template <class Graph>
struct WithRing {
  explicit WithRing(const Input& in) : graph(in) {}
  Graph graph;
  Ring ring;  // empty between calls; keeps its memory
};

void dial_lists(WithRing<Lists>& state, const Call& in, Output& out) {
  if (begin(in, out)) by_ring(state.graph, in.source, state.ring, out.distances.data());
}
void dial_csr(WithRing<Csr>& state, const Call& in, Output& out) {
  if (begin(in, out)) by_ring(state.graph, in.source, state.ring, out.distances.data());
}

// Vertices renumbered in the order of a breadth-first walk, so that what is near in the graph is
// near in memory; an arc is one word, a vertex and a length. Numbers go back to what they were in
// one pass at the end, which is timed.
class Renumbered {
 public:
  explicit Renumbered(const Input& in) : name_(in.vertices), distance_(in.vertices) {
    const Csr csr(in);
    std::vector<std::uint32_t> order;
    order.reserve(in.vertices);
    std::fill(name_.begin(), name_.end(), kFar);
    for (std::size_t first = 0; first < in.vertices; ++first) {
      if (name_[first] != kFar) continue;
      name_[first] = static_cast<std::uint32_t>(order.size());
      order.push_back(static_cast<std::uint32_t>(first));
      for (std::size_t k = order.size() - 1; k < order.size(); ++k)
        for (const Arc& arc : csr.of(order[k]))
          if (name_[arc.to] == kFar) {
            name_[arc.to] = static_cast<std::uint32_t>(order.size());
            order.push_back(arc.to);
          }
    }
    starts_ = Buffer<std::uint32_t>(in.vertices + 1);
    arcs_ = Buffer<std::uint32_t>(in.edges.size());
    std::uint32_t at = 0;
    for (std::size_t k = 0; k < order.size(); ++k) {
      starts_[k] = at;
      for (const Arc& arc : csr.of(order[k])) arcs_[at++] = name_[arc.to] << 8 | arc.length;
    }
    starts_[in.vertices] = at;
  }

  void distances(std::uint32_t source, std::uint32_t* out) {
    std::fill(distance_.begin(), distance_.end(), kFar);
    std::uint32_t* const distance = distance_.data();
    distance[name_[source]] = 0;
    ring_.push(0, name_[source]);
    for (std::uint32_t d = 0; (d = ring_.next(d)) != kFar;) {
      for (const std::uint32_t v : ring_.take(d)) {
        if (distance[v] != d) continue;
        for (std::uint32_t k = starts_[v]; k < starts_[v + 1]; ++k) {
          const std::uint32_t to = arcs_[k] >> 8, through = d + (arcs_[k] & 255);
          if (through >= distance[to]) continue;
          distance[to] = through;
          ring_.push(through, to);
        }
      }
    }
    for (std::size_t v = 0; v < name_.size(); ++v) out[v] = distance[name_[v]];
  }

 private:
  Buffer<std::uint32_t> name_;  // new number of a vertex; below 2^24
  Buffer<std::uint32_t> distance_;
  Buffer<std::uint32_t> starts_, arcs_;
  Ring ring_;
};

void dial_renumbered(Renumbered& graph, const Call& in, Output& out) {
  if (in.vertices != 0) graph.distances(in.source, out.distances.data());
}

constexpr Variant<ShortestPaths> kVariants[] = {
    {.name = "naive",
     .run = run<naive>,
     .what =
         "Bellman-Ford: all edges, until none makes a distance shorter; nobody ships it for roads",
     .max_n = 1 << 14},
    {.name = "dijkstra_lists",
     .run = run<dijkstra_lists>,
     .what = "Dijkstra, std::priority_queue, a vector of arcs for each vertex",
     .role = Role::kStandard},
    {.name = "dijkstra_csr",
     .run = run<dijkstra_csr>,
     .what = "the same with all arcs in one array, sorted by vertex"},
    {.name = "dial_lists",
     .run = run<dial_lists>,
     .what = "Dial: 256 buckets in a ring instead of a heap, no comparisons, as edges are short",
     .promise_note = "lengths are integers from 1 to 255"},
    {.name = "dial_csr",
     .run = run<dial_csr>,
     .what = "the same with all arcs in one array, sorted by vertex",
     .promise_note = "lengths are integers from 1 to 255"},
    {.name = "dial_renumbered",
     .run = run<dial_renumbered>,
     .what = "the same, renumbered breadth-first so that neighbours share cache lines; arcs of one "
             "word",
     .promise_note = "lengths are integers from 1 to 255"},
};

const Registrar kRegistrar(
    {.name = "algorithm/shortest_paths",
     .axis = Axis::kMemoryLatency,
     .technique = "each vertex once, a queue without comparisons, neighbours close in memory",
     .sizes = {1 << 10, 1 << 14, 1 << 16, 1 << 18, 1 << 21},
     .headline = {1 << 14, 1 << 16},
     .demand =
         [](const Setting& s) {
           const std::size_t arcs = s.input == ShortestPaths::kInputs["grid"] ? 4 : 8;
           return Demand{.items = static_cast<double>(s.n) + 1,
                         .working_set = (8 * arcs + 8) * s.n,
                         .memory = (12 + 5 * 12) * arcs * s.n + 200 * s.n};
         },
     .test_sizes = {0, 1, 2, 3, 4, 9, 16, 17, 64, 100, 257, 1000}},
    kVariants);

}  // namespace
}  // namespace headroom
