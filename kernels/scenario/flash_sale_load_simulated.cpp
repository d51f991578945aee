// scenario/flash_sale_load_simulated: how many users per second, within 100 ms. Simulated.
//
// The question of scenario/flash_sale_load to the shop in simulated time (simulated_shop.h): n
// users come (Poisson), at one rate after another of a fixed grid, 19% apart; the largest at which
// 99 of 100 have their answer within 100 ms is the measure. A sale of n users lasts n over that
// rate, and a shop may be a little behind at its end. Out: that rate, and what became of each user
// at it. It is checked that this outcome is possible, that it is within the limit, and that the
// next rate of the grid is not.
#include "scenario/simulated_shop.h"

namespace headroom {
namespace {

using shop::Outcome;
using shop::Rules;

constexpr double kLowest = 500;
constexpr int kOctaves = 10;  // up to 512,000 per second
constexpr int kStride = 8;    // of the grid: 4 rates to an octave
constexpr SimTime kLimit = 100'000'000;

struct FlashSaleLoadSimulated {
  struct Input : shop::Sale {
    std::uint64_t seed = 0;  // of the arrivals
    Arrivals at(double per_second) const {
      return poisson_arrivals(requests.size(), per_second, seed);
    }
  };
  struct Output : Outcome {
    const Rules* rules = nullptr;  // of the variant whose outcome it is
    double per_second = 0;
    Quantities quantities() const { return {{"max_rate", {per_second, "1/s"}}}; }
    void poison() {
      Outcome::poison();
      rules = nullptr;
    }
  };

  static Input make(const Setting& setting, Rng& rng) {
    return {shop::Sale::make(setting.n, rng), rng()};
  }
  static void size(const Input& in, Output& out) {
    static_cast<Outcome&>(out) = Outcome(in.requests.size());
  }
  static SimTime p99(const Arrivals& arrivals, const Outcome& outcome) {
    std::vector<SimTime> latency(arrivals.size());
    for (std::size_t i = 0; i < latency.size(); ++i) latency[i] = outcome.answered[i] - arrivals[i];
    return exact_percentile(latency, 99);
  }
  static absl::Status same(const Input& in, const Output& want, const Output& got) {
    for (const Output* out : {&want, &got}) {
      if (out->rules == nullptr) return differ("rules: ", "those of a shop", "none");
      const Arrivals arrivals = in.at(out->per_second);
      absl::Status status = shop::possible(*out->rules, shop::kLate, in, arrivals, *out);
      if (!status.ok()) return status;
      if (p99(arrivals, *out) > kLimit) return differ("p99: ", "at most 100 ms", "more");
      int step = 0;
      while (grid_rate(kLowest, step) < out->per_second) step += kStride;
      if (grid_rate(kLowest, step) != out->per_second)
        return differ("rate: ", "of the grid", "not");
      if (step + kStride >= kOctaves * kRatesPerOctave) continue;
      const Arrivals closer = in.at(grid_rate(kLowest, step + kStride));
      Outcome beyond(in.requests.size());
      shop::simulate(*out->rules, shop::kLate, in, closer, beyond);
      if (!in.requests.empty() && p99(closer, beyond) <= kLimit)
        return differ("rate: ", "the largest", "one that is not");
    }
    return absl::OkStatus();
  }
};

// The same for every set of rules.
template <const Rules& kRules>
void search(const FlashSaleLoadSimulated::Input& in, FlashSaleLoadSimulated::Output& out) {
  const auto simulated = [&](double per_second) {
    const Arrivals arrivals = in.at(per_second);
    shop::simulate(kRules, shop::kLate, in, arrivals, out);
    return FlashSaleLoadSimulated::p99(arrivals, out);
  };
  const MaxRate found = max_rate(
      kLowest, kOctaves, kLimit,
      [&](double per_second) {
        Load load;
        load.latency.record(simulated(per_second));
        return load;
      },
      kStride);
  // Where all of them come within the limit of each other, the highest rate passes too.
  const double highest = grid_rate(kLowest, kOctaves * kRatesPerOctave - kStride);
  out.per_second = found.refusal == Refusal::kOffGrid ? highest : found.per_second;
  simulated(out.per_second);
  out.rules = &kRules;
}

constexpr std::string_view kLater =
    "a receipt asked for right after the reply may not be there yet";

constexpr Variant<FlashSaleLoadSimulated> kVariants[] = {
    {.name = "naive",
     .run = run<search<shop::kNaive>>,
     .what = "one lock around all of a purchase: page, stock and payment, one user at a time"},
    {.name = "cache",
     .run = run<search<shop::kCache>>,
     .what = "pages are kept: the lock is held without waiting for the catalogue"},
    {.name = "sharded_stock",
     .run = run<search<shop::kSharded>>,
     .what = "and the stock in eight parts, each with a lock: eight users are sold to at a time"},
    {.name = "queue",
     .run = run<search<shop::kQueue>>,
     .what = "and a worker has sales paid after the reply: it alone can't keep up for long",
     .promise_note = kLater},
    {.name = "workers",
     .run = run<search<shop::kWorkers>>,
     .what = "and eight workers do, so that the queue doesn't fill and hold replies up",
     .promise_note = kLater},
};

const Registrar kRegistrar({.name = "scenario/flash_sale_load_simulated",
                            .axis = Axis::kCores,
                            .technique = "the largest load at which users don't wait for long",
                            .sizes = {20'000, 100'000},
                            .headline = {20'000},
                            .measure = {.name = "max_rate", .unit = "1/s", .more_is_better = true},
                            .simulated = true,
                            .promise = Promise::kExact | Promise::kExactlyOnce,
                            .demand =
                                [](const Setting& s) {
                                  return Demand{.items = static_cast<double>(s.n),
                                                .working_set = s.n * 128,
                                                .memory = s.n * 2048 + (16 << 20)};
                                },
                            .test_sizes = {1, 2, 40, 3000}},
                           kVariants);

}  // namespace
}  // namespace headroom
