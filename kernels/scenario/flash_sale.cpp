// scenario/flash_sale: a shop opens its sale, and all users come at once.
//
// n users come, `per_second` of them per second (open loop, Poisson), and each wants one item; the
// shop (shop.h has it, and what it waits for) answers each. Out: all answers, which must be such
// that nothing is sold twice or that isn't there. Which of two users has the last item is not the
// same in every run. The measure is p99; p50, p999, goodput (answers within 5 ms, per second), what
// was sold and how long receipts take stand beside it.
//
// The load generator has core 0 for itself, the shop the other cores. It is no web shop: there is
// no network, and no user but has one thing to say.
//
// Params: per_second, the load that is offered.
#include "scenario/shop.h"

namespace headroom {
namespace {

using shop::buy;

constexpr std::uint64_t kPatience = 5'000'000;

struct FlashSale {
  using Request = shop::Request;
  using Reply = shop::Reply;
  struct Input : shop::Sale {
    Arrivals arrivals;
  };
  using Output = std::vector<Reply>;

  static Input make(const Setting& setting, Rng& rng) {
    Input in{shop::Sale::make(setting.n, rng), {}};
    in.arrivals =
        poisson_arrivals(setting.n, static_cast<double>(setting.params["per_second"]), rng());
    return in;
  }
  static LoadPlan plan(const Input& in, const Setting&) {
    return {.arrivals = in.arrivals, .limit_ns = kPatience};
  }
  static absl::Status same(const Input& in, const Output& want, const Output& got) {
    for (const Output* out : {&want, &got}) {
      if (out->size() != in.requests.size())
        return differ("length: ", std::to_string(in.requests.size()), std::to_string(out->size()));
      if (absl::Status status = shop::right(in, *out); !status.ok()) return status;
    }
    return absl::OkStatus();
  }
};

constexpr Need kNeeds[] = {kTwoCores};
constexpr std::string_view kLater =
    "a receipt asked for right after the reply may not be there yet";
constexpr std::string_view kSome = "turns users away; receipts follow the replies";

constexpr Variant<FlashSale> kVariants[] = {
    {.name = "naive",
     .run = serve<buy<shop::kNaive>>,
     .what = "one lock around all of a purchase: page, stock and payment, one user at a time",
     .needs = kNeeds},
    {.name = "cache",
     .run = serve<buy<shop::kCache>>,
     .what = "pages are kept: the lock is held without waiting for the catalogue",
     .needs = kNeeds},
    {.name = "sharded_stock",
     .run = serve<buy<shop::kSharded>>,
     .what = "and the stock in eight parts, each with a lock: eight users are sold to at a time",
     .needs = kNeeds},
    {.name = "queue",
     .run = serve<buy<shop::kQueue>>,
     .what = "and a worker has sales paid after the reply; alone it can't keep up at high loads",
     .promise_note = kLater,
     .needs = kNeeds},
    {.name = "workers",
     .run = serve<buy<shop::kWorkers>>,
     .what = "and eight workers do, so that the queue doesn't fill and hold replies up",
     .promise_note = kLater,
     .needs = kNeeds},
    {.name = "admission",
     .run = serve<buy<shop::kAdmission>>,
     .what = "and who finds 48 waiting is turned away: the others are served in time",
     .promise = Promise::kExactlyOnce,
     .promise_note = kSome,
     .needs = kNeeds},
};

const Registrar kRegistrar(
    {.name = "scenario/flash_sale",
     .axis = Axis::kCores,
     .technique = "hold locks for less, wait for nothing that can wait, turn away what can't be "
                  "served",
     .sizes = {64, 256, 1024},
     .headline = {64},
     .params = {{.name = "per_second",
                 .values = {1000, 2000, 4000, 8000, 16000, 32000, 64000},
                 .headline = {8000, 32000}}},
     .one_group = true,
     .clock = Clock::kWall,
     .warm = Warm::kNone,
     .measure = {.name = "p99", .unit = "ns"},
     .promise = Promise::kExact | Promise::kExactlyOnce,
     .demand =
         [](const Setting& s) {
           return Demand{.items = static_cast<double>(s.n),
                         .working_set = s.n * 128,
                         .memory = s.n * 1024 + (16 << 20)};
         },
     .test_sizes = {0, 1, 2, 40, 300}},
    kVariants);

}  // namespace
}  // namespace headroom
