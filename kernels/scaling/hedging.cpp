// scaling/hedging: a second try for requests that are late. Simulated.
//
// n is the number of requests; they come by chance (Poisson) to a hundred servers, each of which
// serves one at a time, in order, and has the answer. Of a hundred services 99 take 0.79 ms in the
// mean (exponential), and one is a hiccup of 21.8 ms in the mean (a collection, a compaction,
// another tenant): 1 ms altogether, servers in use for 0.3 of the time. The ladder is judged by
// `p99`, in mean service times, from arrival to the first answer. `extra_load` is the work done
// beyond one service per request, as a share of that. After Dean and Barroso, The tail at scale
// (2013).
//
// Out: for each request when it was answered; for each try its server, when it came there, when it
// was begun. That no server served two at a time, out of order, or was idle while somebody waited
// is checked from these alone. Which server, and what a try takes there, is drawn for each request
// beforehand, the same for all variants.
#include "core/kernel.h"
#include "scaling/outcome.h"
#include "support/simulator.h"

namespace headroom {
namespace {

constexpr std::uint32_t kServers = 100;
constexpr double kUtilisation = 0.3;
constexpr double kHiccups = 0.01;
constexpr SimTime kUsual = 790'000, kHiccup = 21'790'000;  // 0.99 * 0.79 + 0.01 * 21.79 = 1 ms
constexpr SimTime kMessage = 50'000;                       // from one server to another
constexpr SimTime kNever = ~SimTime{0};

struct Try {
  std::uint32_t server = 0;
  SimTime service = 0;
};

struct Hedging {
  struct Input {
    Buffer<SimTime> arrivals;
    Buffer<Try> tries;  // two for each request, at different servers
  };
  struct Output {
    Buffer<SimTime> answered;
    Buffer<SimTime> joined, begun;  // of each try; kNever where it wasn't
    double utilisation = 0, extra = 0;
    std::vector<SimTime> latency;
    void poison() { headroom::poison(answered), headroom::poison(joined), headroom::poison(begun); }
    bool spoil(Spoil how) { return spoil_parts(how, answered, begun, joined); }
    Quantities quantities() const {
      Quantities all = latency_figures(latency, utilisation, kServers);
      all["extra_load"] = {extra, "ratio"};
      return all;
    }
  };

  static Input make(const Setting& setting, Rng& rng) {
    Input in;
    const Arrivals arrivals = poisson_arrivals(
        setting.n, kUtilisation * kServers * 1e9 / static_cast<double>(kService), rng());
    SimRandom random(rng());
    in.arrivals = Buffer<SimTime>(setting.n), in.tries = Buffer<Try>(2 * setting.n);
    std::copy(arrivals.begin(), arrivals.end(), in.arrivals.begin());
    for (std::size_t i = 0; i < in.tries.size(); ++i) {
      Try& one = in.tries[i];
      one.server = random.below(i % 2 == 0 ? kServers : kServers - 1);
      if (i % 2 == 1 && one.server >= in.tries[i - 1].server) ++one.server;
      one.service = random.exponential(random.chance(kHiccups) ? kHiccup : kUsual);
    }
    return in;
  }
  static void size(const Input& in, Output& out) {
    out.answered = Buffer<SimTime>(in.arrivals.size());
    out.joined = Buffer<SimTime>(in.tries.size()), out.begun = Buffer<SimTime>(in.tries.size());
  }
  static absl::Status same(const Input& in, const Output& want, const Output& got) {
    const absl::Status right = sound(in, want);
    return right.ok() ? sound(in, got) : right;
  }

 private:
  // Whether servers worked as servers do, and requests were answered when their first try was.
  static absl::Status sound(const Input& in, const Output& out) {
    const std::size_t n = in.arrivals.size();
    if (out.answered.size() != n) return differ("answers: ", std::to_string(n), "another number");
    Buffer<SimTime> answered(n);
    std::fill(answered.begin(), answered.end(), kNever);
    std::vector<std::uint32_t> order;  // tries that were begun, by when they came
    for (std::size_t i = 0; i < 2 * n; ++i) {
      if (out.begun[i] == kNever) continue;
      const auto at = std::to_string(i);
      if (out.joined[i] < in.arrivals[i / 2])
        return differ("try " + at + " came: ", "after its request", "before it");
      if (out.joined[i] > out.begun[i])
        return differ("try " + at + " was begun: ", "after it came", "before it");
      order.push_back(static_cast<std::uint32_t>(i));
      answered[i / 2] = std::min(answered[i / 2], out.begun[i] + in.tries[i].service);
    }
    std::sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
      return std::pair(out.joined[a], out.begun[a]) < std::pair(out.joined[b], out.begun[b]);
    });
    std::vector<SimTime> free(kServers, 0);
    for (const std::uint32_t i : order) {
      SimTime& until = free[in.tries[i].server];
      const SimTime begun = std::max(until, out.joined[i]);
      if (out.begun[i] != begun)
        return differ("try " + std::to_string(i) + " begun at: ", std::to_string(begun),
                      std::to_string(out.begun[i]));
      until = begun + in.tries[i].service;
    }
    return exact(answered, out.answered);
  }
};
using Input = Hedging::Input;
using Output = Hedging::Output;

struct Event {
  enum Kind : std::uint32_t { kArrival, kSecond, kFinish, kCancel };
  std::uint32_t at;  // a request, or of the last two a try
  Kind kind;
};

// When the second try is sent, and what becomes of the other one.
struct Rules {
  enum Second { kNone, kAtOnce, kWhenLate } second = kNone;
  bool drop_when_answered = false;  // a try that waits is dropped as soon as the other has answered
  bool drop_when_begun = false;     // and already when the other is begun
};

// The 95th percentile of what came so far, by steps: up by 19 where a value lies above it, down by
// 1 where below.
class Late {
 public:
  SimTime limit() const { return at_; }
  void add(SimTime latency) {
    if (latency > at_)
      at_ += 19 * kStep;
    else
      at_ -= std::min(at_, kStep);
  }

 private:
  static constexpr SimTime kStep = kService / 1000;
  SimTime at_ = 4 * kService;
};

template <Rules kRules>
void ask(const Input& in, Output& out) {
  const auto n = static_cast<std::uint32_t>(in.arrivals.size());
  FifoServers servers(kServers, 1, 2 * std::size_t{n});
  EventQueue<Event> events(1024);
  std::vector<bool> dropped(2 * std::size_t{n});
  Late late;
  unsigned __int128 once = 0, done = 0;
  std::fill(out.answered.begin(), out.answered.end(), kNever);
  std::fill(out.joined.begin(), out.joined.end(), kNever);
  std::fill(out.begun.begin(), out.begun.end(), kNever);
  const auto begin = [&](std::uint32_t at) {
    out.begun[at] = events.now();
    done += in.tries[at].service;
    events.after(in.tries[at].service, {at, Event::kFinish});
    if (kRules.drop_when_begun) events.after(kMessage, {at ^ 1, Event::kCancel});
  };
  const auto send = [&](std::uint32_t at) {
    out.joined[at] = events.now();
    if (servers.join(in.tries[at].server, at)) begin(at);
  };
  if (n != 0) events.at(in.arrivals[0], {0, Event::kArrival});
  while (!events.empty()) {
    const auto [at, kind] = events.next();
    switch (kind) {
      case Event::kArrival:
        once += in.tries[2 * at].service;
        send(2 * at);
        if (kRules.second == Rules::kAtOnce) events.after(2 * kMessage, {at, Event::kSecond});
        if (kRules.second == Rules::kWhenLate) events.after(late.limit(), {at, Event::kSecond});
        if (at + 1 < n) events.at(in.arrivals[at + 1], {at + 1, Event::kArrival});
        break;
      case Event::kSecond:
        if (out.answered[at] == kNever && !dropped[2 * at + 1]) send(2 * at + 1);
        break;
      case Event::kFinish: {
        SimTime& answered = out.answered[at / 2];
        if (answered == kNever) {
          answered = events.now();
          late.add(answered - in.arrivals[at / 2]);
          if (kRules.drop_when_answered) dropped[at ^ 1] = true;
        }
        // Who waits next and wasn't dropped.
        const std::uint32_t server = in.tries[at].server;
        std::uint32_t next = servers.leave(server);
        while (next != kNobody && dropped[next]) next = servers.leave(server);
        if (next != kNobody) begin(next);
        break;
      }
      case Event::kCancel:
        // Both may have been begun before the message came: then both are served.
        if (out.begun[at] == kNever) dropped[at] = true;
        break;
    }
  }
  out.extra = once == 0 ? 0 : static_cast<double>(done) / static_cast<double>(once) - 1;
  out.utilisation = kUtilisation * (1 + out.extra);
  out.latency.resize(n);
  for (std::size_t i = 0; i < n; ++i) out.latency[i] = out.answered[i] - in.arrivals[i];
}

constexpr Rules kOnce{};
constexpr Rules kTwice{.second = Rules::kAtOnce};
constexpr Rules kHedged{.second = Rules::kWhenLate};
constexpr Rules kHedgedAndDropped{.second = Rules::kWhenLate, .drop_when_answered = true};
constexpr Rules kTied{
    .second = Rules::kAtOnce, .drop_when_answered = true, .drop_when_begun = true};

constexpr Variant<Hedging> kVariants[] = {
    {.name = "naive", .run = run<ask<kOnce>>, .what = "one try, and waits for it"},
    {.name = "twice",
     .run = run<ask<kTwice>>,
     .what = "two tries of each request at once: the first answer counts, the load doubles"},
    {.name = "hedge_p95",
     .run = run<ask<kHedged>>,
     .what = "a second try once a request is later than 95 of 100: few are, so it costs little"},
    {.name = "hedge_p95_drop",
     .run = run<ask<kHedgedAndDropped>>,
     .what = "and the try that still waits is dropped when the other has answered"},
    {.name = "tied",
     .run = run<ask<kTied>>,
     .what = "both at once, and whichever is begun first calls the other off: avoids long lines"},
};

const Registrar kRegistrar(
    {.name = "scaling/hedging",
     .axis = Axis::kScalar,
     .technique = "ask a second server only where the first is late",
     .sizes = {20'000, 500'000, 4'000'000},
     .headline = {500'000},
     .measure = {.name = "p99", .unit = "service times", .more_is_better = false},
     .simulated = true,
     .demand =
         [](const Setting& s) {
           return Demand{.items = static_cast<double>(std::max<std::size_t>(s.n, 1)),
                         .working_set = 100 * s.n,
                         .memory = (std::size_t{64} << 20) + 600 * s.n};
         },
     .test_sizes = {0, 1, 2, 3, 100, 1000, 4097}},
    kVariants);

}  // namespace
}  // namespace headroom
