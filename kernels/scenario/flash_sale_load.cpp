// scenario/flash_sale_load: how many users per second the shop of flash_sale can have.
//
// The same shop (shop.h), the other way round: not how long users wait at a load, but the largest
// load at which 99 of 100 wait for at most a quarter as long as it lasts. A call is a search: users
// come for n milliseconds (open loop, Poisson, the same schedule stretched or pressed together), at
// one rate after another of a fixed grid, 19% apart, each time to a shop of their own. Out: all
// answers of the first rate, right in the sense of flash_sale; those of the other rates are held
// against the same rules. The measure is that largest load.
//
// Waiting may build up while users come, as it does on the day of a sale: where it may for longer,
// a service passes a little closer to what it can do in the long run. So n is part of the question.
#include "scenario/shop.h"

namespace headroom {
namespace {

using shop::buy;

constexpr double kLowest = 500;
constexpr int kOctaves = 8;  // up to 128,000 per second
constexpr int kStride = 8;   // of the grid: 4 rates to an octave

struct FlashSaleLoad {
  using Request = shop::Request;
  using Reply = shop::Reply;
  struct Input : shop::Sale {
    std::uint64_t seed = 0;  // of the arrivals
    std::size_t first = 0;   // users at the first rate
  };
  using Output = std::vector<Reply>;

  static std::size_t users(const Setting& setting, double per_second) {
    return static_cast<std::size_t>(per_second * static_cast<double>(setting.n) * 1e-3);
  }
  static Input make(const Setting& setting, Rng& rng) {
    Input in{shop::Sale::make(users(setting, kLowest * (1 << kOctaves)), rng), rng(), 0};
    in.first = users(setting, first_rate(kLowest, kOctaves, kStride));
    return in;
  }
  static RateSearch search(const Input&, const Setting& setting) {
    const std::uint64_t quarter = setting.n * 250'000;
    return {.lowest = kLowest, .octaves = kOctaves, .p99_ns = quarter, .stride = kStride};
  }
  static Arrivals arrivals(const Input& in, const Setting& setting, double per_second) {
    return poisson_arrivals(users(setting, per_second), per_second, in.seed);
  }
  static absl::Status right(const Input& in, std::span<const Reply> replies) {
    return shop::right(in, replies);
  }
  static absl::Status same(const Input& in, const Output& want, const Output& got) {
    for (const Output* out : {&want, &got}) {
      if (out->size() != in.first)
        return differ("length: ", std::to_string(in.first), std::to_string(out->size()));
      if (absl::Status status = right(in, *out); !status.ok()) return status;
    }
    return absl::OkStatus();
  }
};

constexpr Need kNeeds[] = {kTwoCores};
constexpr std::string_view kLater =
    "a receipt asked for right after the reply may not be there yet";

constexpr Variant<FlashSaleLoad> kVariants[] = {
    {.name = "naive",
     .run = largest_rate<buy<shop::kNaive>>,
     .what = "one lock around all of a purchase: page, stock and payment, one user at a time",
     .needs = kNeeds},
    {.name = "cache",
     .run = largest_rate<buy<shop::kCache>>,
     .what = "pages are kept: the lock is held without waiting for the catalogue",
     .needs = kNeeds},
    {.name = "sharded_stock",
     .run = largest_rate<buy<shop::kSharded>>,
     .what = "and the stock in eight parts, each with a lock: eight users are sold to at a time",
     .needs = kNeeds},
    {.name = "queue",
     .run = largest_rate<buy<shop::kQueue>>,
     .what = "and a worker has sales paid after the reply: it alone can't keep up for long",
     .promise_note = kLater,
     .needs = kNeeds},
    {.name = "workers",
     .run = largest_rate<buy<shop::kWorkers>>,
     .what = "and eight workers do, so that the queue doesn't fill and hold replies up",
     .promise_note = kLater,
     .needs = kNeeds},
};

const Registrar kRegistrar({.name = "scenario/flash_sale_load",
                            .axis = Axis::kCores,
                            .technique = "the largest load at which users don't wait for long",
                            .sizes = {8, 40},
                            .headline = {8},
                            .one_group = true,
                            .clock = Clock::kWall,
                            .warm = Warm::kNone,
                            .measure = {.name = "max_rate", .unit = "1/s", .more_is_better = true},
                            .promise = Promise::kExact | Promise::kExactlyOnce,
                            .demand =
                                [](const Setting& s) {
                                  return Demand{.items = 1,
                                                .working_set = s.n * 16'384,
                                                .memory = s.n * 1'000'000 + (16 << 20)};
                                },
                            .test_sizes = {4, 8}},
                           kVariants);

}  // namespace
}  // namespace headroom
