// layout/chase_parallel: follow 32 linked lists, 2048 nodes of each.
//
// n bytes of memory hold one random cycle of nodes, a cache line each; the lists are 32 parts of
// it. Calls go on where the last one ended. Out: where the walk began, and the node at which each
// list ended; checked against the order in which the cycle was made, so a step too few or too many
// shows.
//
// The address of a node is the value of the load before it, so one list has one miss under way at a
// time. The lists are independent: walked side by side, as many misses overlap as the core can
// track (its line fill buffers, or what stands for them).
#include <algorithm>
#include <array>
#include <string>

#include "core/kernel.h"
#include "support/cycle.h"

namespace headroom {
namespace {

constexpr std::size_t kLists = 32;
constexpr std::size_t kSteps = 2048;  // of each list, a call
constexpr std::size_t kVisits = kLists * kSteps;

std::size_t set_bytes(std::size_t n) { return std::max(kLine, n / kLine * kLine); }

struct Chase {
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
    std::array<const Cycle::Line*, kLists> ends = {};
    double huge_share = -1;
    void poison() { ends.fill(nullptr); }
    bool spoil(Spoil how) {
      if (how != Spoil::kFirst) return false;
      ends[0] = nullptr;
      return true;
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
    for (const Output* out : {&want, &got})
      for (std::size_t list = 0; list < kLists; ++list)
        if (out->ends[list] != call.cycle->line(out->first + (list + 1) * kSteps))
          return absl::FailedPreconditionError("list " + std::to_string(list) +
                                               " ends at the wrong node");
    return absl::OkStatus();
  }
};

// Follows kTogether lists at a time. Each variant starts in a part of the cycle of its own: where
// one follows another over the same nodes, it would find them in a cache.
template <std::size_t kTogether, std::size_t kPart>
void walk(const Chase::Call& call, Chase::Output& out) {
  const std::size_t first = call.first + call.cycle->lines() / 6 * kPart;
  out.first = first;
  for (std::size_t list = 0; list < kLists; list += kTogether) {
    std::array<const Cycle::Line*, kTogether> at;
    for (std::size_t k = 0; k < kTogether; ++k)
      at[k] = call.cycle->line(first + (list + k) * kSteps);
#pragma GCC unroll 1
    for (std::size_t i = 0; i < kSteps; ++i) {
#pragma GCC unroll 32
      for (std::size_t k = 0; k < kTogether; ++k) at[k] = at[k]->next;
    }
    for (std::size_t k = 0; k < kTogether; ++k) out.ends[list + k] = at[k];
  }
}

constexpr Variant<Chase> kVariants[] = {
    {.name = "naive",
     .run = run<walk<1, 0>>,
     .what = "one list after the other: each load waits for the last one"},
    {.name = "chains_2", .run = run<walk<2, 1>>, .what = "two lists side by side"},
    {.name = "chains_4", .run = run<walk<4, 2>>, .what = "four lists side by side"},
    {.name = "chains_8", .run = run<walk<8, 3>>, .what = "eight lists side by side"},
    {.name = "chains_16",
     .run = run<walk<16, 4>>,
     .what = "sixteen lists side by side: more pointers than registers, but the stack is in L1"},
    {.name = "chains_32",
     .run = run<walk<32, 5>>,
     .what = "32 lists side by side: near the number of misses that a core can have in flight"},
};

const Registrar kRegistrar({.name = "layout/chase_parallel",
                            .axis = Axis::kMemoryLatency,
                            .technique = "several dependent chains at once: misses overlap",
                            .sizes = {32 << 10, 512 << 10, 3 << 20, 64 << 20},
                            .headline = {3 << 20, 64 << 20},
                            .ceiling = {"machine/miss_throughput", "huge_pages"},
                            .demand =
                                [](const Setting& s) {
                                  const std::size_t bytes = set_bytes(s.n);
                                  return Demand{.items = static_cast<double>(kVisits),
                                                .accesses = static_cast<double>(kVisits),
                                                .working_set = bytes,
                                                .memory = bytes + bytes / 16};
                                },
                            .test_sizes = {1, 64, 65, 128, 1000, 20'000}},
                           kVariants);

}  // namespace
}  // namespace headroom
