// scaling/load_balancer: which of a hundred backends gets the next request. Simulated.
//
// n is the number of requests; they come by chance (Poisson), at 0.9 of what the backends can do
// together. Each backend serves one at a time, in order; service times are exponential, of mean
// 1 ms. The ladder is judged by `p99`, in mean service times, from arrival to answer.
//
//   fresh   the balancer knows at once what it sent and what was answered
//   stale   it learns of either only 10 service times later, as from reports of many balancers
//   uneven  one backend in ten takes twice as long; what the balancer knows is fresh
//
// Out: for each request the backend and the latency. That the latencies follow from the choices is
// checked by Lindley's recursion, which knows no events. With random choices each backend is a
// queue M/M/1, so that the p99 is ln 100 / (1 - 0.9) = 46.05 (`closed_form`). What a decision costs
// in real time is in scaling/load_balancer_decision.
#include "core/kernel.h"
#include "scaling/balancers.h"
#include "scaling/outcome.h"
#include "support/queueing.h"
#include "support/simulator.h"

namespace headroom {
namespace {

constexpr std::uint32_t kBackends = 100;
constexpr double kUtilisation = 0.9;  // of all backends together
constexpr SimTime kStale = 10 * kService;
constexpr std::uint32_t kSlowEach = 10, kSlowness = 2;

struct LoadBalancer {
  static constexpr auto kInputs = inputs("fresh", "stale", "uneven");
  struct Input {
    Buffer<SimTime> arrivals, service;
    std::uint64_t seed = 0;  // of what is drawn by rules
    bool stale = false, uneven = false;
    SimTime takes(std::uint32_t backend, std::size_t request) const {
      return service[request] * (uneven && backend % kSlowEach == 0 ? kSlowness : 1);
    }
  };
  struct Output {
    Buffer<std::uint32_t> chosen;
    Buffer<SimTime> latency;
    double utilisation = 0;  // of the busiest backend, as offered
    double probes = 0;       // per request
    double closed_form = 0;  // 0 where there is none
    void poison() { headroom::poison(chosen), headroom::poison(latency); }
    bool spoil(Spoil how) { return spoil_parts(how, latency, chosen); }
    Quantities quantities() const {
      Quantities all = latency_figures({latency.data(), latency.size()}, utilisation, kBackends);
      if (probes != 0) all["probes"] = {probes, "per request"};
      if (closed_form != 0) all["closed_form"] = {closed_form, "service times"};
      return all;
    }
  };

  static Input make(const Setting& setting, Rng& rng) {
    Input in;
    in.stale = setting.input == kInputs["stale"], in.uneven = setting.input == kInputs["uneven"];
    const double capacity =
        in.uneven ? kBackends * (1 - (1 - 1.0 / kSlowness) / kSlowEach) : kBackends;
    const Arrivals arrivals = poisson_arrivals(
        setting.n, kUtilisation * capacity * 1e9 / static_cast<double>(kService), rng());
    SimRandom random(rng());
    in.seed = rng();
    in.arrivals = Buffer<SimTime>(setting.n), in.service = Buffer<SimTime>(setting.n);
    std::copy(arrivals.begin(), arrivals.end(), in.arrivals.begin());
    for (SimTime& one : in.service) one = random.exponential(kService);
    return in;
  }
  static void size(const Input& in, Output& out) {
    out.chosen = Buffer<std::uint32_t>(in.arrivals.size());
    out.latency = Buffer<SimTime>(in.arrivals.size());
  }
  static absl::Status same(const Input& in, const Output& want, const Output& got) {
    const absl::Status right = follows(in, want);
    return right.ok() ? follows(in, got) : right;
  }

 private:
  // Whether the latencies are what these choices come to.
  static absl::Status follows(const Input& in, const Output& out) {
    const std::size_t n = in.arrivals.size();
    if (out.chosen.size() != n) return differ("choices: ", std::to_string(n), "another number");
    std::vector<SimTime> takes(n);
    for (std::size_t i = 0; i < n; ++i) {
      if (out.chosen[i] >= kBackends)
        return differ("backend, below: ", std::to_string(kBackends), std::to_string(out.chosen[i]));
      takes[i] = in.takes(out.chosen[i], i);
    }
    const std::vector<SimTime> departures =
        fifo_departures({in.arrivals.data(), n}, {out.chosen.data(), n}, takes, kBackends);
    Buffer<SimTime> latency(n);
    for (std::size_t i = 0; i < n; ++i) latency[i] = departures[i] - in.arrivals[i];
    return exact(latency, out.latency);
  }
};
using Input = LoadBalancer::Input;
using Output = LoadBalancer::Output;

struct Event {
  enum Kind : std::uint16_t { kArrival, kAnswer, kMoreSeen, kLessSeen };
  std::uint32_t request;
  Kind kind;
  std::uint16_t backend;
};

// All backends, one rule that chooses among them.
template <class Rule>
void balance(const Input& in, Output& out) {
  const auto n = static_cast<std::uint32_t>(in.arrivals.size());
  Rule rule(kBackends, in.seed);
  FifoServers backends(kBackends, 1, n);
  EventQueue<Event> events(in.stale ? 4096 : kBackends + 1);
  const auto probe = [&](std::uint32_t backend) { return backends.present(backend); };
  if (n != 0) events.at(in.arrivals[0], {0, Event::kArrival, 0});
  while (!events.empty()) {
    const Event event = events.next();
    const std::uint32_t request = event.request;
    switch (event.kind) {
      case Event::kArrival: {
        const std::uint32_t backend = rule.choose(probe);
        const auto short_name = static_cast<std::uint16_t>(backend);
        out.chosen[request] = backend;
        if (backends.join(backend, request))
          events.after(in.takes(backend, request), {request, Event::kAnswer, short_name});
        if (in.stale)
          events.after(kStale, {request, Event::kMoreSeen, short_name});
        else
          rule.more(backend);
        if (request + 1 < n) events.at(in.arrivals[request + 1], {request + 1, Event::kArrival, 0});
        break;
      }
      case Event::kAnswer: {
        out.latency[request] = events.now() - in.arrivals[request];
        const std::uint32_t next = backends.leave(event.backend);
        if (next != kNobody)
          events.after(in.takes(event.backend, next), {next, Event::kAnswer, event.backend});
        if constexpr (requires { rule.answered(0u, SimTime{0}, SimTime{0}); })
          rule.answered(event.backend, out.latency[request], events.now());
        if (in.stale)
          events.after(kStale, {request, Event::kLessSeen, event.backend});
        else
          rule.less(event.backend);
        break;
      }
      case Event::kMoreSeen:
        rule.more(event.backend);
        break;
      case Event::kLessSeen:
        rule.less(event.backend);
        break;
    }
  }
}

// What a rule that doesn't look offers to the busiest backend: an even share, whatever it can do.
double even_share(const Input& in) {
  return in.uneven ? kUtilisation * (1 - (1 - 1.0 / kSlowness) / kSlowEach) * kSlowness
                   : kUtilisation;
}

void naive(const Input& in, Output& out) {
  balance<RandomRule>(in, out);
  out.utilisation = even_share(in);
  if (out.utilisation < 1) out.closed_form = mm1_percentile(out.utilisation, 99);
}
void round_robin(const Input& in, Output& out) {
  balance<RoundRobinRule>(in, out);
  out.utilisation = even_share(in);
}
template <class Rule>
void informed(const Input& in, Output& out) {
  balance<Rule>(in, out);
  out.utilisation = kUtilisation;
}
void prequal(const Input& in, Output& out) {
  informed<PrequalRule>(in, out);
  out.probes = PrequalRule::kProbes;
}

constexpr Variant<LoadBalancer> kVariants[] = {
    {.name = "naive", .run = run<naive>, .what = "a backend at random"},
    {.name = "round_robin",
     .run = run<round_robin>,
     .what = "one after the other: no backend gets two in a row by chance",
     .role = Role::kStandard},
    {.name = "least_loaded",
     .run = run<informed<LeastLoadedRule>>,
     .what = "the backend with the fewest requests; with old news, everybody to the same one"},
    {.name = "two_choices",
     .run = run<informed<TwoChoicesRule>>,
     .what = "the better of two at random: most of what all loads buy, and no herd"},
    {.name = "peak_ewma",
     .run = run<informed<PeakEwmaRule>>,
     .what = "of two the one that takes less: sees slow backends, not only long queues"},
    {.name = "prequal",
     .run = run<prequal>,
     .what = "asks backends itself, so its news is new; avoids those with most requests"},
};

const Registrar kRegistrar(
    {.name = "scaling/load_balancer",
     .axis = Axis::kScalar,
     .technique = "send a request where it waits least, by what is known and how old that is",
     .sizes = {20'000, 500'000, 4'000'000},
     .headline = {500'000},
     .measure = {.name = "p99", .unit = "service times", .more_is_better = false},
     .simulated = true,
     .demand =
         [](const Setting& s) {
           return Demand{.items = static_cast<double>(std::max<std::size_t>(s.n, 1)),
                         .working_set = 32 * s.n,
                         .memory = (std::size_t{64} << 20) + 200 * s.n};
         },
     .test_sizes = {0, 1, 2, 3, 100, 1000, 4097}},
    kVariants);

}  // namespace
}  // namespace headroom
