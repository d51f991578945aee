// machine/core_to_core: how long a cache line takes from one core to another and back.
//
// Two threads, each on its core, pass a number to and fro: one writes, the other sees it and
// answers in kind. n round trips a call; 64 lines take turns, since where a line's home lies on the
// chip is part of the time. The threads stand ready before the clock starts. Out: how many answers
// came; all n, since a wrong one is waited out for ever.
//
// Inputs are pairs of cores: all up to 16 cores, beyond that core 0 with each, and neighbours.
#include <array>
#include <atomic>
#include <charconv>
#include <string>
#include <thread>
#include <vector>

#include "core/kernel.h"
#include "support/on_core.h"
#include "support/team.h"

namespace headroom {
namespace {

std::vector<std::string> pairs() {
  constexpr int kAll = 16;
  const int cores = std::max(2, core_count());
  std::vector<std::string> names;
  for (int a = 0; a < cores; ++a)
    for (int b = a + 1; b < cores; ++b)
      if (cores <= kAll || a == 0 || b == a + 1)
        names.push_back("pair_" + std::to_string(a) + "_" + std::to_string(b));
  return names;
}

struct CoreToCore {
  struct Input {
    int first = 0, second = 1;  // cores
    std::size_t trips = 0;
  };
  using Output = std::size_t;

  static Input make(const Setting& setting, Rng&) {
    Input in{0, 1, setting.n};
    const std::string_view input = setting.input.text();
    if (const std::size_t at = input.find('_'); at != std::string_view::npos) {
      const char* const end = input.data() + input.size();
      const char* rest = input.data() + at + 1;
      rest = std::from_chars(rest, end, in.first).ptr;
      if (rest != end) std::from_chars(rest + 1, end, in.second);
    }
    return in;
  }
  static absl::Status same(const Input& in, const Output& want, const Output& got) {
    if (want != in.trips) return exact(in.trips, want);
    return exact(want, got);
  }
};

#ifdef __linux__

struct alignas(kApart) Line {
  std::atomic<std::uint64_t> value{0};
};

// A partner that is not running (a test on a busy machine) gets the core after a while.
inline void await(const std::atomic<std::uint64_t>& value, std::uint64_t wanted) {
  for (int spins = 0; value.load(std::memory_order_acquire) != wanted; ++spins) {
    spin_pause();
    if (spins == 1 << 12) {
      spins = 0;
      std::this_thread::yield();
    }
  }
}

class Players {
 public:
  // Member 0 asks, on the first core of the pair; 1 answers. Core 0 is the caller's.
  explicit Players(const CoreToCore::Input& in)
      : core0_(cpus_of_core(0)),
        team_({.members = 2, .caller_is_one = in.first == 0, .place = [in](int member) {
                 pin_to_core(member == 0 ? in.first : in.second);
               }}) {}
  Players(const Players&) = delete;

  std::size_t play(std::size_t trips) {
    if (trips == 0) return 0;
    const OnCore here(core0_);
    trips_ = trips;
    team_.run([this](int member) { member == 0 ? ask() : answer(); });
    base_ += 2 * trips;
    ++call_;
    return came_;
  }

 private:
  static constexpr std::size_t kLines = 64;

  void ask() {
    const std::size_t trips = trips_;
    std::atomic<std::uint64_t>& line = lines_[call_ % kLines].value;
    std::uint64_t next = base_;
    for (std::size_t i = 0; i < trips; ++i, next += 2) {
      line.store(next + 1, std::memory_order_release);
      await(line, next + 2);
    }
    came_ = static_cast<std::size_t>(next - base_) / 2;
  }
  void answer() {
    const std::size_t trips = trips_;
    std::atomic<std::uint64_t>& line = lines_[call_ % kLines].value;
    std::uint64_t next = base_;
    for (std::size_t i = 0; i < trips; ++i, next += 2) {
      await(line, next + 1);
      line.store(next + 2, std::memory_order_release);
    }
  }

  const CpuMask core0_;
  std::array<Line, kLines> lines_;
  std::size_t trips_ = 0;
  std::size_t call_ = 0;
  std::uint64_t base_ = 0;  // no number comes twice
  std::size_t came_ = 0;
  Team team_;
};

void probe(Players& players, const CoreToCore::Input& in, std::size_t& out) {
  out = players.play(in.trips);
}
constexpr auto kProbe = run<probe>;
#else
constexpr auto kProbe = kNotBuilt;
#endif

constexpr Need kNeeds[] = {kTwoCores};

constexpr Variant<CoreToCore> kVariants[] = {
    {.name = "probe",
     .run = kProbe,
     .what = "one line written by either core in turn",
     .needs = kNeeds},
};

const Registrar kRegistrar({.name = "machine/core_to_core",
                            .axis = Axis::kCoherence,
                            .technique = "the travel time of a cache line between two cores",
                            .sizes = {1024},
                            .headline = {1024},
                            .inputs = pairs(),
                            .clock = Clock::kWall,
                            .warm = Warm::kEpoch,
                            .unit = "ns",
                            .demand =
                                [](const Setting& s) {
                                  return Demand{.items = static_cast<double>(s.n),
                                                .working_set = 64 * kApart};
                                },
                            .test_sizes = {1, 2, 33}},
                           kVariants);

}  // namespace
}  // namespace headroom
