// scaling/replication: reads from one server, from replicas, from a quorum. Simulated.
//
// n is the number of requests to a store of 1,000 keys, one in ten a write; they come by chance
// (Poisson), at 0.9 of what one server can do. A node serves one request at a time, in order; each
// takes 1 ms in the mean (exponential), also a write that comes from elsewhere. A message between
// nodes takes 20 ms in the mean (exponential), as between two regions. The ladder is judged by
// `p99` of the reads, in mean service times.
//
// `stale` is the share of reads that miss a write which was acknowledged before the read was sent.
// The last write of a key lies w back, exponentially, w = keys / writes per time; a message takes
// m. A replica has not got it yet with probability m / (m + w) (`stale_closed_form`; after Bailis
// and others, Probabilistically bounded staleness for practical partial quorums, VLDB 2012).
// Quorums of two of three overlap, so that a read meets what was acknowledged (Gifford 1979), and
// cost work.
//
// Out: for each request when it was answered, and the version that a read found. That all nodes
// worked as such is checked by Lindley's recursion, and versions by when they came to be where.
#include <tuple>

#include "core/kernel.h"
#include "scaling/outcome.h"
#include "support/queueing.h"
#include "support/simulator.h"

namespace headroom {
namespace {

constexpr std::uint32_t kKeys = 1000;
constexpr std::uint32_t kMost = 8;  // nodes
constexpr double kUtilisation = 0.9, kWrites = 0.1;
constexpr SimTime kMessage = 20 * kService;

struct Request {
  std::uint32_t key = 0;
  std::uint32_t first = 0;  // the node that a read draws, below kMost!; quorums take those after it
  bool write = false;
};

// What happens at the nodes: `copies` of a request are served, `needed` answers make it answered.
struct Rules {
  std::uint32_t nodes = 1;
  bool quorum = false;  // all nodes are alike; else node 0 takes the writes, and sends them on
};

struct Replication {
  struct Input {
    Buffer<SimTime> arrivals;
    Buffer<Request> requests;
    Buffer<SimTime> service, message;  // kMost of each request: at that node, to that node
  };
  struct Output {
    Buffer<SimTime> answered;
    Buffer<std::uint32_t> found;  // the last write of its key that a read found, 1 + its request
    Rules rules;
    std::vector<SimTime> reads;  // their latencies
    double stale = 0;
    void poison() { headroom::poison(answered), headroom::poison(found); }
    bool spoil(Spoil how) { return spoil_parts(how, answered, found); }
    // Of one node: its own requests, and for a replica the writes.
    double utilisation() const {
      const double nodes = rules.nodes;
      if (rules.quorum) return kUtilisation * ((1 - kWrites) * majority() / nodes + kWrites);
      return kUtilisation * ((1 - kWrites) / nodes + kWrites);
    }
    std::uint32_t majority() const { return rules.nodes / 2 + 1; }
    Quantities quantities() const {
      Quantities all = latency_figures(reads, utilisation(), rules.nodes);
      all["stale"] = {stale, "ratio"};
      if (!rules.quorum) {
        // Of node 0 none is stale; a replica is a queue M/M/1, if one takes its arrivals for
        // Poisson.
        const double w = kKeys / (kUtilisation * kWrites), m = in_services(kMessage);
        all["stale_closed_form"] = {m / (m + w) * (rules.nodes - 1) / rules.nodes, "ratio"};
        all["closed_form"] = {mm1_percentile(utilisation(), 99), "service times"};
      }
      return all;
    }
  };

  static Input make(const Setting& setting, Rng& rng) {
    Input in;
    const Arrivals arrivals =
        poisson_arrivals(setting.n, kUtilisation * 1e9 / static_cast<double>(kService), rng());
    SimRandom random(rng());
    in.arrivals = Buffer<SimTime>(setting.n), in.requests = Buffer<Request>(setting.n);
    in.service = Buffer<SimTime>(kMost * setting.n);
    in.message = Buffer<SimTime>(kMost * setting.n);
    std::copy(arrivals.begin(), arrivals.end(), in.arrivals.begin());
    for (Request& one : in.requests)
      one = {random.below(kKeys), random.below(840), random.chance(kWrites)};
    for (SimTime& one : in.service) one = random.exponential(kService);
    for (SimTime& one : in.message) one = random.exponential(kMessage);
    return in;
  }
  static void size(const Input& in, Output& out) {
    out.answered = Buffer<SimTime>(in.arrivals.size());
    out.found = Buffer<std::uint32_t>(in.arrivals.size());
  }
  static absl::Status same(const Input& in, const Output& want, const Output& got) {
    const absl::Status right = sound(in, want);
    return right.ok() ? sound(in, got) : right;
  }

 private:
  static absl::Status sound(const Input& in, const Output& out);
};
using Input = Replication::Input;
using Output = Replication::Output;

struct Event {
  enum Kind : std::uint32_t { kArrival, kJoin, kFinish };
  std::uint32_t request;
  Kind kind;
  std::uint32_t node;
  std::uint32_t unused;
};

template <Rules kRules>
void serve(const Input& in, Output& out) {
  const auto n = static_cast<std::uint32_t>(in.arrivals.size());
  constexpr std::uint32_t kNodes = kRules.nodes, kMajority = kNodes / 2 + 1;
  // A request is a job of its own at each node.
  FifoServers nodes(kNodes, 1, std::size_t{n} * kNodes);
  EventQueue<Event> events(4096);
  std::vector<std::uint32_t> has(std::size_t{kKeys} * kNodes, 0), newest(kKeys, 0);
  std::vector<std::uint32_t> version(std::size_t{n} * kNodes, 0);  // that a read met at a node
  std::vector<std::uint8_t> answers(n, 0);
  std::vector<std::uint32_t> expected(n, 0);
  out.rules = kRules;
  out.reads.clear();
  std::fill(out.found.begin(), out.found.end(), 0u);
  const auto begin = [&](std::uint32_t request, std::uint32_t node) {
    events.after(in.service[std::size_t{request} * kMost + node],
                 {request, Event::kFinish, node, 0});
  };
  const auto join = [&](std::uint32_t request, std::uint32_t node) {
    const std::uint32_t key = in.requests[request].key;
    std::uint32_t& own = has[std::size_t{key} * kNodes + node];
    // What a node was sent before a read is there when it serves the read.
    if (in.requests[request].write)
      own = std::max(own, request + 1);
    else
      version[std::size_t{request} * kNodes + node] = own;
    if (nodes.join(node, request * kNodes + node)) begin(request, node);
  };
  if (n != 0) events.at(in.arrivals[0], {0, Event::kArrival, 0, 0});
  std::uint64_t stale = 0;
  while (!events.empty()) {
    const auto [request, kind, node, unused] = events.next();
    const Request& what = in.requests[request];
    switch (kind) {
      case Event::kArrival:
        expected[request] = newest[what.key];
        if (kRules.quorum) {
          const std::uint32_t copies = what.write ? kNodes : kMajority;
          for (std::uint32_t i = 0; i < copies; ++i) join(request, (what.first + i) % kNodes);
        } else {
          join(request, what.write ? 0 : what.first % kNodes);
        }
        if (request + 1 < n)
          events.at(in.arrivals[request + 1], {request + 1, Event::kArrival, 0, 0});
        break;
      case Event::kJoin:
        join(request, node);
        break;
      case Event::kFinish: {
        const std::uint32_t next = nodes.leave(node);
        if (next != kNobody) begin(next / kNodes, node);
        const std::uint32_t needed = kRules.quorum ? kMajority : 1;
        if (what.write && !kRules.quorum && node == 0)
          for (std::uint32_t i = 1; i < kNodes; ++i)
            events.after(in.message[std::size_t{request} * kMost + i],
                         {request, Event::kJoin, i, 0});
        if (!what.write)
          out.found[request] =
              std::max(out.found[request], version[std::size_t{request} * kNodes + node]);
        if (++answers[request] != needed) break;
        out.answered[request] = events.now();
        if (what.write) {
          newest[what.key] = std::max(newest[what.key], request + 1);
        } else {
          out.reads.push_back(events.now() - in.arrivals[request]);
          stale += out.found[request] < expected[request];
        }
        break;
      }
    }
  }
  out.stale =
      static_cast<double>(stale) / static_cast<double>(std::max<std::size_t>(out.reads.size(), 1));
}

// What comes to a node: when, and for those of the same time, when that was known.
struct Job {
  SimTime at, known;
  std::uint32_t request;
  friend bool operator<(const Job& a, const Job& b) {
    return std::tie(a.at, a.known, a.request) < std::tie(b.at, b.known, b.request);
  }
};

// The same a second way: node by node, without events.
absl::Status Replication::sound(const Input& in, const Output& out) {
  const std::size_t n = in.arrivals.size();
  const std::uint32_t nodes = out.rules.nodes, majority = out.majority();
  std::vector<std::vector<SimTime>> ends(n);
  Buffer<SimTime> answered(n);
  Buffer<std::uint32_t> found(n);
  std::vector<Job> sent_on;  // writes of node 0, when it had done them
  for (std::uint32_t node = 0; node < nodes; ++node) {
    std::vector<Job> jobs;
    for (std::uint32_t i = 0; i < n; ++i) {
      const Request& what = in.requests[i];
      const std::uint32_t after = (node + nodes - what.first % nodes) % nodes;
      const bool own = out.rules.quorum ? what.write || after < majority
                       : what.write     ? node == 0
                                        : after == 0;
      if (own) jobs.push_back({in.arrivals[i], i == 0 ? 0 : in.arrivals[i - 1], i});
    }
    if (!out.rules.quorum && node != 0)
      for (const Job& write : sent_on)
        jobs.push_back({write.at + in.message[std::size_t{write.request} * kMost + node], write.at,
                        write.request});
    std::sort(jobs.begin(), jobs.end());
    std::vector<std::uint32_t> has(kKeys, 0);
    SimTime until = 0;
    for (const Job& job : jobs) {
      until = std::max(until, job.at) + in.service[std::size_t{job.request} * kMost + node];
      const Request& what = in.requests[job.request];
      if (what.write) has[what.key] = std::max(has[what.key], job.request + 1);
      if (what.write && !out.rules.quorum && node == 0)
        sent_on.push_back({until, until, job.request});
      if (what.write && !out.rules.quorum && node != 0) continue;  // answered by node 0
      ends[job.request].push_back(until);
      if (!what.write) found[job.request] = std::max(found[job.request], has[what.key]);
    }
  }
  for (std::size_t i = 0; i < n; ++i) {
    std::sort(ends[i].begin(), ends[i].end());
    answered[i] = ends[i][out.rules.quorum ? majority - 1 : 0];
  }
  const absl::Status times = exact(answered, out.answered);
  return times.ok() ? exact(found, out.found) : times;
}

constexpr std::string_view kStaleByAMessage =
    "a read may miss writes of the last 20 ms in the mean, 1 in 550";
constexpr Promise kBase = Promise::kExact | Promise::kFresh;

constexpr Variant<Replication> kVariants[] = {
    {.name = "naive", .run = run<serve<Rules{1, false}>>, .what = "one server reads and writes"},
    {.name = "replicas_2",
     .run = run<serve<Rules{2, false}>>,
     .what = "a replica takes half of the reads, and all writes later",
     .promise = Promise::kExact,
     .promise_note = kStaleByAMessage},
    {.name = "replicas_4",
     .run = run<serve<Rules{4, false}>>,
     .what = "three replicas: each takes a quarter of the reads, but every write",
     .promise = Promise::kExact,
     .promise_note = kStaleByAMessage},
    {.name = "replicas_8",
     .run = run<serve<Rules{8, false}>>,
     .what = "seven replicas: the writes are what is left, and no replica more takes those away",
     .promise = Promise::kExact,
     .promise_note = kStaleByAMessage},
    {.name = "quorum_3",
     .run = run<serve<Rules{3, true}>>,
     .what = "two of three nodes read, two acknowledge: never stale, and a read is two"},
    {.name = "quorum_5",
     .run = run<serve<Rules{5, true}>>,
     .what = "three of five: two may be away, and each read costs three"},
};

const Registrar kRegistrar(
    {.name = "scaling/replication",
     .axis = Axis::kScalar,
     .technique = "spread reads over copies; decide how old an answer may be",
     .sizes = {20'000, 500'000, 4'000'000},
     .headline = {500'000},
     .measure = {.name = "p99", .unit = "service times", .more_is_better = false},
     .simulated = true,
     .promise = kBase,
     .demand =
         [](const Setting& s) {
           return Demand{.items = static_cast<double>(std::max<std::size_t>(s.n, 1)),
                         .working_set = 150 * s.n,
                         .memory = (std::size_t{64} << 20) + 1000 * s.n};
         },
     .test_sizes = {0, 1, 2, 3, 100, 1000, 4097}},
    kVariants);

}  // namespace
}  // namespace headroom
