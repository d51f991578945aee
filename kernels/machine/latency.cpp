// machine/latency: from the address of a load to its value, by working set.
//
// Loads that wait for one another: a walk along a random cycle through all cache lines of the
// working set, where each line holds the address of the next. Calls go on where the last one ended,
// so that a large set is not turned into a small one by walking the same part again. With 4 KiB
// pages a large set also pays for the translation of its addresses, which 2 MiB pages mostly spare.
// Out: the line that the walk ended at.
#include <algorithm>

#include "core/kernel.h"
#include "support/cycle.h"

namespace headroom {
namespace {

// Steps a call: some tens of microseconds in the caches, some hundreds in memory.
std::size_t steps(std::size_t n) {
  return n <= (std::size_t{64} << 10) ? 16384 : n <= (std::size_t{4} << 20) ? 4096 : 2048;
}
std::size_t set_bytes(std::size_t n) { return std::max(kLine, n / kLine * kLine); }

struct Latency {
  static constexpr auto kInputs = inputs("huge_pages", "small_pages");
  struct Call {
    const Cycle* cycle;
    std::size_t first;  // visits since the start of the cycle
    std::size_t steps;
  };
  struct Input {
    Cycle cycle;
    std::size_t steps = 0;
    Call at(std::size_t turn) const { return {&cycle, turn * steps, steps}; }
  };
  struct Output {
    const Cycle::Line* end = nullptr;
    double huge_share = -1;
    void poison() { end = nullptr; }
    Quantities quantities() const {
      if (huge_share < 0) return {};
      return {{"huge_page_share", {huge_share, "ratio"}}};
    }
  };

  static Input make(const Setting& setting, Rng& rng) {
    return {{set_bytes(setting.n), page_size(setting.input), rng()}, steps(setting.n)};
  }
  static void size(const Input& in, Output& out) { out.huge_share = in.cycle.huge_share(); }
  static absl::Status same(const Call& call, const Output& want, const Output& got) {
    const Cycle::Line* const truth = call.cycle->line(call.first + call.steps);
    if (want.end != truth || got.end != truth)
      return absl::FailedPreconditionError("the walk ends at the wrong line");
    return absl::OkStatus();
  }
};

void probe(const Latency::Call& call, Latency::Output& out) {
  const Cycle::Line* line = call.cycle->line(call.first);
#pragma GCC unroll 16
  for (std::size_t i = 0; i < call.steps; ++i) line = line->next;
  out.end = line;
}

constexpr Variant<Latency> kVariants[] = {
    {.name = "probe",
     .run = run<probe>,
     .what = "each load's address is the value of the one before"},
};

const Registrar kRegistrar({.name = "machine/latency",
                            .axis = Axis::kMemoryLatency,
                            .technique = "load-to-use latency of a cache level or of memory",
                            .sizes = {16 << 10, 512 << 10, 3 << 20, 64 << 20, 256 << 20},
                            .headline = {16 << 10, 512 << 10, 3 << 20, 64 << 20},
                            .unit = "ns",
                            .demand =
                                [](const Setting& s) {
                                  const std::size_t bytes = set_bytes(s.n);
                                  return Demand{.items = static_cast<double>(steps(s.n)),
                                                .working_set = bytes,
                                                .memory = bytes + bytes / 16};
                                },
                            .test_sizes = {1, 63, 64, 65, 128, 1000, 20'000}},
                           kVariants);

}  // namespace
}  // namespace headroom
