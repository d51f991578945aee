// machine/miss_throughput: time for a cache miss where many are under way at once.
//
// The walk of machine/latency, cut into 8 to 64 parts that are walked side by side: their loads
// don't wait for one another, so the core keeps as many misses in flight as it can. Calls go on
// where the last one ended, and each variant starts in a part of the cycle of its own: where one
// follows the other over the same lines, it finds them in a cache. Out: where the walk began, and
// the line at which each part ended; a step too few or too many shows.
#include <algorithm>
#include <array>
#include <string>

#include "core/kernel.h"
#include "support/cycle.h"

namespace headroom {
namespace {

constexpr std::size_t kVisits = 65536;  // a call; a multiple of the chains
constexpr std::size_t kMostChains = 64;

std::size_t set_bytes(std::size_t n) { return std::max(kLine, n / kLine * kLine); }

struct Misses {
  static constexpr auto kInputs = inputs("huge_pages", "small_pages");
  struct Call {
    const Cycle* cycle;
    std::size_t first;  // visits since the start of the cycle
  };
  struct Input {
    Cycle cycle;
    Call at(std::size_t turn) const { return {&cycle, turn * kVisits}; }
  };
  struct Output {
    std::size_t first = 0;
    std::size_t chains = 0;
    std::array<const Cycle::Line*, kMostChains> ends = {};
    double huge_share = -1;
    void poison() {
      chains = 0;
      ends.fill(nullptr);
    }
    Quantities quantities() const {
      if (huge_share < 0) return {};
      return {{"huge_page_share", {huge_share, "ratio"}}};
    }
  };

  static Input make(const Setting& setting, Rng& rng) {
    return {{set_bytes(setting.n), page_size(setting.input), rng()}};
  }
  static void size(const Input& in, Output& out) { out.huge_share = in.cycle.huge_share(); }
  static absl::Status same(const Call& call, const Output& want, const Output& got) {
    if (absl::Status status = check(*call.cycle, want); !status.ok()) return status;
    return check(*call.cycle, got);
  }
  static absl::Status check(const Cycle& cycle, const Output& out) {
    if (out.chains == 0) return absl::FailedPreconditionError("nothing was walked");
    const std::size_t steps = kVisits / out.chains;
    for (std::size_t c = 0; c < out.chains; ++c)
      if (out.ends[c] != cycle.line(out.first + (c + 1) * steps))
        return absl::FailedPreconditionError("chain " + std::to_string(c) +
                                             " ends at the wrong line");
    return absl::OkStatus();
  }
};

template <std::size_t kChains>
std::size_t part(std::size_t lines) {
  return lines / 4 * (kChains == 8 ? 0 : kChains == 16 ? 1 : kChains == 32 ? 2 : 3);
}

template <std::size_t kChains>
void chains(const Misses::Call& call, Misses::Output& out) {
  constexpr std::size_t kSteps = kVisits / kChains;
  const std::size_t first = call.first + part<kChains>(call.cycle->lines());
  std::array<const Cycle::Line*, kChains> at;
  for (std::size_t c = 0; c < kChains; ++c) at[c] = call.cycle->line(first + c * kSteps);
#pragma GCC unroll 1
  for (std::size_t i = 0; i < kSteps; ++i) {
#pragma GCC unroll 64
    for (std::size_t c = 0; c < kChains; ++c) at[c] = at[c]->next;
  }
  out.first = first;
  out.chains = kChains;
  for (std::size_t c = 0; c < kChains; ++c) out.ends[c] = at[c];
}

constexpr Variant<Misses> kVariants[] = {
    {.name = "chains_8", .run = run<chains<8>>, .what = "8 walks side by side"},
    {.name = "chains_16", .run = run<chains<16>>, .what = "16 walks side by side"},
    {.name = "chains_32",
     .run = run<chains<32>>,
     .what = "32 walks side by side: more than most cores can have in flight"},
    {.name = "chains_64", .run = run<chains<64>>, .what = "64 walks side by side"},
};

const Registrar kRegistrar(
    {.name = "machine/miss_throughput",
     .axis = Axis::kMemoryLatency,
     .technique = "memory-level parallelism: what independent misses cost each",
     .sizes = {512 << 10, 3 << 20, 64 << 20, 256 << 20},
     .headline = {3 << 20, 64 << 20},
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
