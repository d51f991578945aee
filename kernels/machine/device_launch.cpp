// machine/device_launch: what it costs to have an OpenCL device do next to nothing.
//
// n launches a call. Inputs: round_trip, each waited for before the next: what a program pays that
// needs each result; queued, all put into the queue and then waited for: what a launch adds to a
// long row of them. Out: how many launches there were, counted on the device, where each adds one.
//
// Links: opencl
#include "core/kernel.h"
#include "support/opencl.h"

namespace headroom {
namespace {

struct DeviceLaunch {
  static constexpr auto kInputs = inputs("round_trip", "queued");
  struct Input {
    std::size_t launches = 0;
    bool queued = false;
  };
  using Output = Buffer<std::uint32_t>;  // of one

  static Input make(const Setting& setting, Rng&) {
    return {setting.n, setting.input == kInputs["queued"]};
  }
  static void size(const Input&, Output& out) { out = Output(1); }
  static absl::Status same(const Input& in, const Output& want, const Output& got) {
    const Output truth = {static_cast<std::uint32_t>(in.launches)};
    if (absl::Status status = exact(truth, want); !status.ok()) return status;
    return exact(want, got);
  }
};

#if HEADROOM_HAVE_OPENCL
constexpr const char* kSource = R"cl(
__kernel void count(__global uint* launches, uint first) {
  launches[0] = (first != 0 ? 0 : launches[0]) + 1;
}
)cl";

struct Counted {
  explicit Counted(const DeviceLaunch::Input&) : launches(1), kernel(kSource, "count") {}
  void answer(Buffer<std::uint32_t>& out) const { launches.bring(out); }
  opencl::Result<cl_uint> launches;
  opencl::Kernel kernel;
};

void probe(Counted& state, const DeviceLaunch::Input& in, Buffer<std::uint32_t>&) {
  for (std::size_t i = 0; i < in.launches; ++i) {
    state.kernel.launch(0, {1}, {1}, state.launches.fresh(), static_cast<cl_uint>(i == 0));
    if (!in.queued) opencl::finish();
  }
  opencl::finish();
}
constexpr auto kProbe = run<probe>;
#else
constexpr auto kProbe = kNotBuilt;
#endif

constexpr Variant<DeviceLaunch> kVariants[] = {
    {.name = "probe",
     .run = kProbe,
     .what = "a kernel of one work-item, launched and waited for",
     .needs = opencl::kNeedsDevice},
};

const Registrar kRegistrar({.name = "machine/device_launch",
                            .axis = Axis::kGpu,
                            .technique = "what each launch on a device costs, waited for or queued",
                            .sizes = {64},
                            .headline = {64},
                            .unit = "ns",
                            .demand =
                                [](const Setting& s) {
                                  return Demand{.items = static_cast<double>(s.n),
                                                .working_set = 64};
                                },
                            .test_sizes = {1, 2, 64}},
                           kVariants);

}  // namespace
}  // namespace headroom
