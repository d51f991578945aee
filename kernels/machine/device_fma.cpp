// machine/device_fma: floating-point operations at the rate that an OpenCL device allows, 32 bits.
//
// n is how many multiply-adds each of the device's compute units makes: devices differ by a factor
// of a thousand, and each should be busy for about a millisecond. Each work-item has four chains of
// vectors of four. Every lane computes x = x * 1 + 1, so it counts its own multiply-adds exactly,
// and starts from a number of its own, for a compiler merges what it can tell to be alike. Out:
// what each work-item has counted.
//
// Links: opencl
#include <algorithm>
#include <string>

#include "core/kernel.h"
#include "support/opencl.h"

namespace headroom {
namespace {

constexpr std::size_t kLanes = 16;      // of a work-item's four vectors of four
constexpr std::size_t kUnit = 16;       // steps come in so many: four a turn, of vectors of 16 too
constexpr std::size_t kMost = 1 << 20;  // steps: an item counts to 2^24 at most

std::size_t items() { return opencl::filling(opencl::group_of(256)); }
// Of a lane, if there are kLanes.
std::size_t steps(const Setting& s) {
  const opencl::Device* const device = opencl::device();
  const std::size_t units = device == nullptr ? 1 : device->compute_units;
  const std::size_t steps = s.n * units / (items() * kLanes) / kUnit * kUnit;
  return std::clamp<std::size_t>(steps, kUnit, kMost - kUnit);
}

struct DeviceFma {
  struct Input {
    std::size_t items = 0, steps = 0;
  };
  using Output = Buffer<float>;

  static Input make(const Setting& setting, Rng&) { return {items(), steps(setting)}; }
  static void size(const Input& in, Output& out) { out = Output(in.items); }
  static absl::Status same(const Input& in, const Output& want, const Output& got) {
    Output truth(in.items);
    std::fill(truth.begin(), truth.end(), static_cast<float>(kLanes * in.steps));
    if (absl::Status status = exact(truth, want); !status.ok()) return status;
    return exact(want, got);
  }
};

#if HEADROOM_HAVE_OPENCL
constexpr const char* kSource = R"cl(
// Four chains of vectors of WIDTH: as many multiply-adds as a pipeline has stages don't wait for each
// other. Four steps a turn, so that the loop's own instructions are few.
#define JOIN(a, b) a##b
#define OF(type, width) JOIN(type, width)
typedef OF(float, WIDTH) vector;
#define STEP a = mad(a, k, k), b = mad(b, k, k), c = mad(c, k, k), d = mad(d, k, k)
__kernel void chains(uint steps, float one, __global float* counts) {
  const vector k = one;
  const vector a0 = k, b0 = 2 * k, c0 = 3 * k, d0 = 4 * k;
  vector a = a0, b = b0, c = c0, d = d0;
  for (uint s = 0; s < steps; s += 4) {
    STEP;
    STEP;
    STEP;
    STEP;
  }
  float lanes[WIDTH];
  OF(vstore, WIDTH)((a - a0) + (b - b0) + (c - c0) + (d - d0), 0, lanes);
  float made = 0;
  for (uint lane = 0; lane < WIDTH; ++lane) made += lanes[lane];
  counts[get_global_id(0)] = made;
}
)cl";

template <std::size_t kWidth>
struct Chains {
  explicit Chains(const DeviceFma::Input& in)
      : counts(in.items),
        kernel(kSource, "chains", "-DWIDTH=" + std::to_string(kWidth)),
        steps(in.steps * kLanes / (4 * kWidth)) {}
  void answer(Buffer<float>& out) const { counts.bring(out); }
  opencl::Result<float> counts;
  opencl::Kernel kernel;
  std::size_t steps;
};

template <std::size_t kWidth>
void chains(Chains<kWidth>& state, const DeviceFma::Input& in, Buffer<float>&) {
  state.kernel.run({in.items}, {opencl::group_of(256)}, static_cast<cl_uint>(state.steps), 1.0f,
                   state.counts.fresh());
}
void vectors_4(Chains<4>& state, const DeviceFma::Input& in, Buffer<float>& out) {
  chains(state, in, out);
}
void vectors_16(Chains<16>& state, const DeviceFma::Input& in, Buffer<float>& out) {
  chains(state, in, out);
}
constexpr auto kVectors4 = run<vectors_4>;
constexpr auto kVectors16 = run<vectors_16>;
#else
constexpr auto kVectors4 = kNotBuilt, kVectors16 = kNotBuilt;
#endif

constexpr Variant<DeviceFma> kVariants[] = {
    {.name = "vectors_4",
     .run = kVectors4,
     .what = "four chains of vectors of four a work-item, thousands of work-items",
     .needs = opencl::kNeedsDevice},
    {.name = "vectors_16",
     .run = kVectors16,
     .what = "four chains of vectors of 16: as wide as a CPU's",
     .needs = opencl::kNeedsDevice},
};

const Registrar kRegistrar({.name = "machine/device_fma",
                            .axis = Axis::kGpu,
                            .technique = "peak floating-point rate of a device, 32 bits",
                            .sizes = {1 << 26},
                            .headline = {1 << 26},
                            .unit = "FLOP/s",
                            .demand =
                                [](const Setting& s) {
                                  const double fmas =
                                      static_cast<double>(items() * kLanes * steps(s));
                                  return Demand{.items = fmas,
                                                .flops = 2 * fmas,
                                                .working_set = 4 * items(),
                                                .memory = 16 * items()};
                                },
                            .test_sizes = {1, 1000, 1 << 16, 1 << 20}},
                           kVariants);

}  // namespace
}  // namespace headroom
