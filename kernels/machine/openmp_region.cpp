// machine/openmp_region: an empty parallel region, from the fork to the barrier at its end.
//
// n regions a call, one after the other, with a team that is awake: the runtime's threads spin
// between regions as close together as these. A team that has gone to sleep pays a wake-up on top.
// Out: how often each thread of the team came by; each n times.
//
// Links: openmp
#include <vector>

#include "core/cpu.h"
#include "core/kernel.h"
#if HEADROOM_HAVE_OPENMP
#include <omp.h>
#endif

namespace headroom {
namespace {

struct OpenMpRegion {
  struct Input {
    std::size_t regions = 0;
  };
  using Output = std::vector<std::size_t>;

  static Input make(const Setting& setting, Rng&) { return {setting.n}; }
  // How often each thread of the team came by.
  static absl::Status same(const Input& in, const Output& want, const Output& got) {
    if (absl::Status fine = exact(Output(want.size(), in.regions), want); !fine.ok()) return fine;
    return exact(want, got);
  }
};

#if HEADROOM_HAVE_OPENMP
void probe(const Setting& setting, const OpenMpRegion::Input& in, std::vector<std::size_t>& out) {
  // A line for each thread, so that counting costs no travel of lines.
  struct alignas(128) Count {
    std::size_t value = 0;
  };
  std::vector<Count> counts(static_cast<std::size_t>(setting.threads));
  Count* const mine = counts.data();
  for (std::size_t i = 0; i < in.regions; ++i) {
#pragma omp parallel num_threads(setting.threads)
    ++mine[omp_get_thread_num()].value;
  }
  out.resize(counts.size());
  for (std::size_t i = 0; i < counts.size(); ++i) out[i] = counts[i].value;
}
constexpr auto kProbe = run<probe>;
#else
constexpr auto kProbe = kNotBuilt;
#endif

constexpr Need kNeeds[] = {kOpenMp};

constexpr Variant<OpenMpRegion> kVariants[] = {
    {.name = "probe",
     .run = kProbe,
     .what = "fork, one increment per thread, join",
     .needs = kNeeds},
};

const Registrar kRegistrar(
    {.name = "machine/openmp_region",
     .axis = Axis::kCores,
     .technique = "the cost of opening and closing a parallel region",
     .sizes = {64},
     .headline = {64},
     .sweeps_threads = true,
     .clock = Clock::kWall,
     .unit = "ns",
     .demand = [](const Setting& s) { return Demand{.items = static_cast<double>(s.n)}; },
     .test_sizes = {1, 2, 33}},
    kVariants);

}  // namespace
}  // namespace headroom
