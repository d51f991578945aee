// scaling/load_balancer_decision: what it costs to choose a backend, by the rule. In real time.
//
// n is the number of backends. Always 4 n requests are under way; a call is 4,096 times: a drawn
// one of them is answered, the rule chooses a backend for the next, which takes its place. No
// request is sent anywhere: the time is the rule's own. Every call starts with the same loads, so
// that a choice can be checked by those before it. Out: for each decision the backend, and how many
// requests were there. What the choices are worth is in scaling/load_balancer.
//
// The first three find the same backend, the one with the fewest requests (of equals, the next in
// turn). The others look at less, and say so.
#include "core/kernel.h"
#include "scaling/balancers.h"
#include "support/slices.h"

namespace headroom {
namespace {

constexpr std::size_t kDecisions = 4096;
constexpr std::size_t kCarried = 1 << 20;
constexpr std::size_t kUnderWay = 4;  // requests per backend

struct Decision {
  struct Call {
    std::size_t backends = 0;
    std::span<const std::uint32_t> answered;  // which of the requests under way
  };
  struct Input {
    std::size_t backends = 0;
    Slices slices;
    Buffer<std::uint32_t> answered;
    Call at(std::size_t turn) const { return {backends, slices.of(answered, turn)}; }
  };
  struct Output {
    Buffer<std::uint32_t> chosen, load;
    bool least = true;  // claims to have found the least loaded
    void poison() { headroom::poison(chosen), headroom::poison(load), least = true; }
    bool spoil(Spoil how) { return spoil_parts(how, load, chosen); }
  };

  static Input make(const Setting& setting, Rng& rng) {
    Input in;
    in.backends = std::max<std::size_t>(setting.n, 1);
    in.slices = Slices::covering(kCarried, kDecisions);
    in.answered = Buffer<std::uint32_t>(in.slices.items());
    FastRng fast(rng());
    for (std::uint32_t& one : in.answered)
      one = static_cast<std::uint32_t>(bounded(fast, kUnderWay * in.backends));
    return in;
  }
  static void size(const Input&, Output& out) {
    out.chosen = Buffer<std::uint32_t>(kDecisions), out.load = Buffer<std::uint32_t>(kDecisions);
  }
  // The loads are those that the choices before left; and who claims the least found it.
  static absl::Status same(const Call& call, const Output& want, const Output& got) {
    if (!want.least) return differ("the baseline: ", "the least loaded", "another rule");
    if (absl::Status right = follows(call, want); !right.ok()) return right;
    if (got.least)
      if (absl::Status status = exact(want.chosen, got.chosen); !status.ok()) return status;
    return follows(call, got);
  }

 private:
  static absl::Status follows(const Call& call, const Output& out) {
    std::vector<std::uint32_t> loads(call.backends, kUnderWay), where(kUnderWay * call.backends);
    for (std::size_t i = 0; i < where.size(); ++i)
      where[i] = static_cast<std::uint32_t>(i % call.backends);
    Buffer<std::uint32_t> seen(call.answered.size());
    if (out.chosen.size() != seen.size()) return differ("choices: ", "all", "another number");
    for (std::size_t i = 0; i < seen.size(); ++i) {
      std::uint32_t& place = where[call.answered[i]];
      --loads[place];
      place = out.chosen[i];
      if (place >= call.backends)
        return differ("backend, below: ", std::to_string(call.backends), std::to_string(place));
      if (out.least && loads[place] != *std::min_element(loads.begin(), loads.end()))
        return differ("at decision " + std::to_string(i) + ": ", "the least loaded",
                      "one with " + std::to_string(loads[place]));
      seen[i] = loads[place]++;
    }
    return exact(seen, out.load);
  }
};
using Call = Decision::Call;
using Output = Decision::Output;

// A rule at work, with what each backend has (which a proxy counts in any case).
template <class Rule>
struct Proxy {
  explicit Proxy(const Decision::Input& in)
      : fresh(in.backends, 1), rule(fresh), loads(in.backends), where(kUnderWay * in.backends) {
    for (std::size_t i = 0; i < where.size(); ++i)
      fresh.more(static_cast<std::uint32_t>(i % in.backends));
  }
  auto probe() const {
    return [this](std::uint32_t backend) { return loads[backend]; };
  }
  Rule fresh, rule;
  std::vector<std::uint32_t> loads, where;
};

template <class Rule, bool kLeast>
void decide(Proxy<Rule>& proxy, const Call& call, Output& out) {
  // Copies into arrays that are there already: nothing is allocated.
  Rule& rule = proxy.rule = proxy.fresh;
  std::fill(proxy.loads.begin(), proxy.loads.end(), kUnderWay);
  for (std::size_t i = 0, at = 0; i < proxy.where.size(); ++i) {
    proxy.where[i] = static_cast<std::uint32_t>(at);
    at = at + 1 == call.backends ? 0 : at + 1;
  }
  SimTime now = 0;
  for (std::size_t i = 0; i < call.answered.size(); ++i) {
    std::uint32_t& place = proxy.where[call.answered[i]];
    rule.less(place);
    --proxy.loads[place];
    now += 1'000;
    // Some latency: what the rule does with it is timed, its value doesn't matter.
    if constexpr (requires { rule.answered(0u, SimTime{0}, SimTime{0}); })
      rule.answered(place, 1'000'000 + (call.answered[i] << 10), now);
    place = rule.choose(proxy.probe());
    rule.more(place);
    out.chosen[i] = place;
    out.load[i] = proxy.loads[place]++;
  }
  out.least = kLeast;
}

constexpr std::string_view kAnother = "not always the backend with the fewest requests";

constexpr Variant<Decision> kVariants[] = {
    {.name = "naive",
     .run = run<decide<ScanRule, true>>,
     .what = "an object per backend; walks over all of them for the fewest requests"},
    {.name = "packed_scan",
     .run = run<decide<PackedScanRule, true>>,
     .what = "loads alone, 32 to a cache line: the least is found by vectors"},
    {.name = "bitmaps",
     .run = run<decide<LeastLoadedRule, true>>,
     .what = "a bitmap of backends for each load, kept up to date: one search for a set bit"},
    {.name = "random",
     .run = run<decide<RandomRule, false>>,
     .what = "looks at no load",
     .promise = Promise::kNone,
     .promise_note = kAnother},
    {.name = "round_robin",
     .run = run<decide<RoundRobinRule, false>>,
     .what = "looks at no load and draws nothing",
     .promise = Promise::kNone,
     .promise_note = kAnother},
    {.name = "two_choices",
     .run = run<decide<TwoChoicesRule, false>>,
     .what = "looks at two loads, both from one draw",
     .promise = Promise::kNone,
     .promise_note = kAnother},
    {.name = "peak_ewma",
     .run = run<decide<PeakEwmaRule, false>>,
     .what = "two loads and two averages, which each answer updates",
     .promise = Promise::kNone,
     .promise_note = kAnother},
    {.name = "prequal",
     .run = run<decide<PrequalRule, false>>,
     .what = "looks through a pool of 16 probed backends; the probes' own cost is not in it",
     .promise = Promise::kNone,
     .promise_note = kAnother},
};

const Registrar kRegistrar(
    {.name = "scaling/load_balancer_decision",
     .axis = Axis::kScalar,
     .technique = "keep what the next decision needs up to date, instead of a walk over all",
     .sizes = {10, 100, 1000, 10'000},
     .headline = {100, 1000},
     .demand =
         [](const Setting& s) {
           return Demand{.items = kDecisions,
                         .working_set = 160 * s.n + 12 * kDecisions,
                         .memory = (std::size_t{16} << 20) + 1600 * s.n};
         },
     .test_sizes = {0, 1, 2, 3, 63, 64, 65, 100, 129, 1000}},
    kVariants);

}  // namespace
}  // namespace headroom
