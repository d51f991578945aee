// scenario/flash_sale_simulated: flash_sale, for more users than a machine can send. Simulated.
//
// The shop of scenario/flash_sale in simulated time (simulated_shop.h): n users, 1,000 to 100,000,
// and `per_second` of them per second, up to a million. The same rules, waits and measure; but the
// shop has as many cores as it needs. Out: for each user when a thread took the request, when it
// had its lock, its answer and its payment, and which item. That this is what such a shop comes to
// is checked from the times alone, without events.
//
// `utilisation` is the share of its time that the busiest part of the shop would need to serve all.
// Where it is above 0.9, `validated` is 0: the simulator was held against closed forms up to there.
//
// Params: per_second, the load that is offered.
#include "scenario/simulated_shop.h"

namespace headroom {
namespace {

using shop::Outcome;
using shop::Rules;

constexpr SimTime kPatience = 5'000'000;
constexpr double kValidatedUtilisation = 0.9;

struct FlashSaleSimulated {
  struct Input : shop::Sale {
    Arrivals arrivals;
    double per_second = 0;
  };
  struct Output : Outcome {
    const Rules* rules = nullptr;  // of the variant whose outcome it is
    Quantities told;
    Quantities quantities() const { return told; }
    void poison() {
      Outcome::poison();
      rules = nullptr;
    }
  };

  static Input make(const Setting& setting, Rng& rng) {
    Input in{shop::Sale::make(setting.n, rng), {}, 0};
    in.per_second = static_cast<double>(setting.params["per_second"]);
    in.arrivals = poisson_arrivals(setting.n, in.per_second, rng());
    return in;
  }
  static void size(const Input& in, Output& out) {
    static_cast<Outcome&>(out) = Outcome(in.arrivals.size());
  }
  static absl::Status same(const Input& in, const Output& want, const Output& got) {
    for (const Output* out : {&want, &got}) {
      if (out->rules == nullptr) return differ("rules: ", "those of a shop", "none");
      absl::Status status = shop::possible(*out->rules, shop::kLate, in, in.arrivals, *out);
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }
};

// What users see of it.
Quantities figures(const FlashSaleSimulated::Input& in, const FlashSaleSimulated::Output& out) {
  std::vector<SimTime> latency;
  double in_time = 0, sold = 0;
  SimTime end = in.arrivals.empty() ? 1 : in.arrivals.back();
  for (std::size_t i = 0; i < in.arrivals.size(); ++i) {
    if (out.item[i] == shop::kAway) continue;
    latency.push_back(out.answered[i] - in.arrivals[i]);
    in_time += latency.back() <= kPatience ? 1 : 0;
    sold += out.item[i] != shop::kNoItem ? 1 : 0;
    end = std::max(end, out.answered[i]);
  }
  const double share = shop::utilisation(*out.rules, shop::kLate, in, in.per_second);
  const auto percentile = [&](double percent) -> Quantity {
    return {static_cast<double>(exact_percentile(latency, percent)), "ns"};
  };
  return {{"p50", percentile(50)},
          {"p99", percentile(99)},
          {"p999", percentile(99.9)},
          {"goodput", {in_time * 1e9 / static_cast<double>(end), "1/s"}},
          {"shed", {static_cast<double>(in.arrivals.size() - latency.size()), "requests"}},
          {"sold", {sold, "items"}},
          {"utilisation", {share, "ratio"}},
          {"validated", {share <= kValidatedUtilisation + 1e-9 ? 1.0 : 0.0, "0 or 1"}}};
}

// The same for every set of rules.
template <const Rules& kRules>
void sale(const FlashSaleSimulated::Input& in, FlashSaleSimulated::Output& out) {
  shop::simulate(kRules, shop::kLate, in, in.arrivals, out);
  out.rules = &kRules;
  out.told = figures(in, out);
}

constexpr std::string_view kLater =
    "a receipt asked for right after the reply may not be there yet";
constexpr std::string_view kSome = "turns users away; receipts follow the replies";

constexpr Variant<FlashSaleSimulated> kVariants[] = {
    {.name = "naive",
     .run = run<sale<shop::kNaive>>,
     .what = "one lock around all of a purchase: page, stock and payment, one user at a time"},
    {.name = "cache",
     .run = run<sale<shop::kCache>>,
     .what = "pages are kept: the lock is held without waiting for the catalogue"},
    {.name = "sharded_stock",
     .run = run<sale<shop::kSharded>>,
     .what = "and the stock in eight parts, each with a lock: eight users are sold to at a time"},
    {.name = "queue",
     .run = run<sale<shop::kQueue>>,
     .what = "and a worker has sales paid after the reply; alone it can't keep up at high loads",
     .promise_note = kLater},
    {.name = "workers",
     .run = run<sale<shop::kWorkers>>,
     .what = "and eight workers do, so that the queue doesn't fill and hold replies up",
     .promise_note = kLater},
    {.name = "admission",
     .run = run<sale<shop::kAdmission>>,
     .what = "and who finds 48 waiting is turned away: the others are served in time",
     .promise = Promise::kExactlyOnce,
     .promise_note = kSome},
};

const Registrar kRegistrar(
    {.name = "scenario/flash_sale_simulated",
     .axis = Axis::kCores,
     .technique = "hold locks for less, wait for nothing that can wait, turn away what can't be "
                  "served",
     .sizes = {1000, 10'000, 100'000},
     .headline = {10'000},
     .params = {{.name = "per_second",
                 .values = {1000, 2000, 4000, 8000, 16'000, 32'000, 64'000, 256'000, 1'024'000},
                 .headline = {2000, 16'000, 256'000}}},
     .measure = {.name = "p99", .unit = "ns"},
     .simulated = true,
     .promise = Promise::kExact | Promise::kExactlyOnce,
     .demand =
         [](const Setting& s) {
           return Demand{.items = static_cast<double>(s.n),
                         .working_set = s.n * 128,
                         .memory = s.n * 2048 + (16 << 20)};
         },
     .test_sizes = {0, 1, 2, 40, 300, 3000}},
    kVariants);

}  // namespace
}  // namespace headroom
