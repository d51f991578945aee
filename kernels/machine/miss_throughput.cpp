// machine/miss_throughput: time for a cache miss where many are under way at once.
//
// The walk of machine/latency, cut into 8 to 64 parts that are walked side by side: their loads
// don't wait for one another, so the core keeps as many misses in flight as it can. Calls go on
// where the last one ended, and each variant starts in a part of the cycle of its own: where one
// follows the other over the same lines, it finds them in a cache. Out: where the walk began, and
// the sum of the addresses that were loaded, as line numbers.
#include <algorithm>
#include <array>

#include "core/kernel.h"
#include "machine/pages.h"

namespace headroom {
namespace {

constexpr std::size_t kVisits = 8192;  // a call; a multiple of the chains

std::size_t set_bytes(std::size_t n) {
  return std::max(machine::kLine, n / machine::kLine * machine::kLine);
}

struct Misses {
  struct Call {
    const machine::Cycle* cycle;
    std::size_t first;  // visits since the start of the cycle
  };
  struct Input {
    machine::Cycle cycle;
    Call at(std::size_t turn) const { return {&cycle, turn * kVisits}; }
  };
  struct Output {
    std::size_t first = 0;
    std::uint64_t sum = 0;
    double huge_share = -1;
    void poison() { sum = ~sum; }
    Quantities quantities() const {
      if (huge_share < 0) return {};
      return {{"huge_page_share", {huge_share, "ratio"}}};
    }
  };

  static Input make(const Setting& setting, Rng& rng) {
    return {{set_bytes(setting.n), machine::pages(setting.input), rng()}};
  }
  static void size(const Input& in, Output& out) { out.huge_share = in.cycle.huge_share(); }
  static absl::Status same(const Call& call, const Output& want, const Output& got) {
    if (absl::Status status = check(*call.cycle, want); !status.ok()) return status;
    return check(*call.cycle, got);
  }
  static absl::Status check(const machine::Cycle& cycle, const Output& out) {
    std::uint64_t truth = 0;
    for (std::size_t i = 1; i <= kVisits; ++i) truth += cycle.number(out.first + i);
    return exact(truth, out.sum);
  }
};

template <std::size_t kChains>
std::size_t part(std::size_t lines) {
  return lines / 4 * (kChains == 8 ? 0 : kChains == 16 ? 1 : kChains == 32 ? 2 : 3);
}

template <std::size_t kChains>
void chains(const Misses::Call& call, Misses::Output& out) {
  constexpr std::size_t kSteps = kVisits / kChains;
  const auto base = reinterpret_cast<std::uintptr_t>(call.cycle->begin());
  const std::size_t first = call.first + part<kChains>(call.cycle->lines());
  std::array<const machine::Cycle::Line*, kChains> at;
  for (std::size_t c = 0; c < kChains; ++c) at[c] = call.cycle->line(first + c * kSteps);
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < kSteps; ++i) {
#pragma GCC unroll 64
    for (std::size_t c = 0; c < kChains; ++c) {
      at[c] = at[c]->next;
      // The address is the load's value: no second load, and no waiting, since nothing waits for
      // sums.
      sum += reinterpret_cast<std::uintptr_t>(at[c]);
    }
  }
  out.first = first;
  out.sum = (sum - kVisits * base) / machine::kLine;
}

constexpr Variant<Misses> kVariants[] = {
    {.name = "chains_8", .run = run<chains<8>>, .what = "8 walks side by side"},
    {.name = "chains_16", .run = run<chains<16>>, .what = "16 walks side by side"},
    {.name = "chains_32",
     .run = run<chains<32>>,
     .what = "32 walks side by side: more than most cores can have under way"},
    {.name = "chains_64", .run = run<chains<64>>, .what = "64 walks side by side"},
};

const Registrar kRegistrar(
    {.name = "machine/miss_throughput",
     .axis = Axis::kMemoryLatency,
     .technique = "memory-level parallelism: what independent misses cost each",
     .sizes = {512 << 10, 3 << 20, 64 << 20, 256 << 20},
     .headline = {3 << 20, 64 << 20},
     .inputs = {"huge_pages", "small_pages"},
     .unit = "ns",
     .demand =
         [](const Setting& s) {
           const std::size_t bytes = set_bytes(s.n);
           return Demand{.items = static_cast<double>(kVisits),
                         .working_set = bytes,
                         .memory = bytes + bytes / 16};
         },
     .test_sizes = {1, 63, 64, 65, 128, 1000, 20'000}},
    kVariants);

}  // namespace
}  // namespace headroom
