// gpu/saxpy: z = a * x + y for arrays of floats, on the CPU and on a device.
//
// Out: z, whole; numbers are small integers, so that every product and sum is exact, fused or not.
// The result is an array of its own, unlike BLAS's: each call does the same work, and a call that
// writes nothing is found out.
//
// The param `transfer`: 0, x, y and z stay in the device's memory, as between two steps of a longer
// computation there; 1, a call brings x and y to the device and z back. Variants on the CPU do the
// same in both. Two operations on twelve bytes: memory's speed decides, and the way to the device
// is slower than any memory. With transfer, a device loses at every size.
//
// Links: opencl
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "gpu/saxpy.cpp"
#include "support/simd.h"

#if HWY_ONCE
#include "core/kernel.h"
#include "gpu/all_cores.h"
#include "support/opencl.h"

namespace headroom {
namespace {

struct Saxpy {
  struct Input {
    Buffer<float> x, y;
    float a = 3;
  };
  using Output = Buffer<float>;

  static Input make(const Setting& setting, Rng& rng) {
    Input in{Buffer<float>(setting.n), Buffer<float>(setting.n)};
    FastRng fast(rng());
    const auto number = [](std::uint64_t bits) {
      return static_cast<float>((bits & 127) + 1) * ((bits & 128) != 0 ? 1.0f : -1.0f);
    };
    for (std::size_t i = 0; i < setting.n; ++i) {
      const std::uint64_t bits = fast();
      in.x[i] = number(bits);
      in.y[i] = number(bits >> 8);
    }
    return in;
  }
  static void size(const Input& in, Output& out) { out = Output(in.x.size()); }
  static absl::Status same(const Input&, const Output& want, const Output& got) {
    return exact(want, got);
  }
};

// One thread, one loop, which compilers vectorize for the base ISA.
void naive(const Saxpy::Input& in, Buffer<float>& z) {
  for (std::size_t i = 0; i < z.size(); ++i) z[i] = in.a * in.x[i] + in.y[i];
}

}  // namespace
}  // namespace headroom
#endif  // HWY_ONCE

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {

void GpuSaxpyPart(float a, const float* HWY_RESTRICT x, const float* HWY_RESTRICT y,
                  float* HWY_RESTRICT z, size_t n) {
  const hn::ScalableTag<float> d;
  const size_t lanes = hn::Lanes(d);
  const auto av = hn::Set(d, a);
  size_t i = 0;
  for (; i + lanes <= n; i += lanes)
    hn::StoreU(hn::MulAdd(av, hn::LoadU(d, x + i), hn::LoadU(d, y + i)), d, z + i);
  for (; i < n; ++i) z[i] = a * x[i] + y[i];
}

}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace headroom {
namespace {

HWY_EXPORT(GpuSaxpyPart);

// The CPU used well: what a device has to beat.
void cores(gpu::AllCores& cores, const Saxpy::Input& in, Buffer<float>& z) {
  const auto part_of = HWY_DYNAMIC_DISPATCH(GpuSaxpyPart);
  cores.team->run([&](int i) {
    const Share part = share(z.size(), 64 / sizeof(float), i, cores.team->count());
    part_of(in.a, in.x.data() + part.begin, in.y.data() + part.begin, z.data() + part.begin,
            part.size());
  });
}

#if HEADROOM_HAVE_OPENCL
constexpr const char* kSource = R"cl(
// A work-item for each element: neighbours read and write neighbouring words, so that what a group
// asks for at a time is whole lines of memory.
__kernel void one_each(float a, __global const float* x, __global const float* y,
                       __global float* z, uint n) {
  const uint i = get_global_id(0);
  if (i < n) z[i] = a * x[i] + y[i];
}

// Four elements each, by one load and one store of 16 bytes: fewer instructions, and more bytes
// under way, for as many items. The last item does what is left over.
__kernel void four_each(float a, __global const float* x, __global const float* y,
                        __global float* z, uint n) {
  const uint i = get_global_id(0);
  if (4 * i + 4 <= n) {
    vstore4(a * vload4(i, x) + vload4(i, y), i, z);
  } else {
    for (uint k = 4 * i; k < n; ++k) z[k] = a * x[k] + y[k];
  }
}
)cl";

struct OnDevice {
  OnDevice(const Saxpy::Input& in, const Setting& setting, const char* name)
      : transfers(gpu::transfers(setting)),
        x(in.x.size()),
        y(in.y.size()),
        z(in.x.size()),
        kernel(kSource, name) {
    if (transfers) return;
    x.write({in.x.data(), in.x.size()});
    y.write({in.y.data(), in.y.size()});
  }
  void answer(Buffer<float>& out) const { z.bring(out); }

  // One call; each item does `each` elements.
  void call(const Saxpy::Input& in, Buffer<float>& out, std::size_t each) {
    if (transfers) {
      x.write({in.x.data(), in.x.size()});
      y.write({in.y.data(), in.y.size()});
    }
    const auto n = static_cast<cl_uint>(x.size());
    kernel.run({(n + each - 1) / each}, {opencl::group_of(256)}, in.a, x, y, z.array(), n);
    if (transfers)
      z.array().read({out.data(), out.size()});
    else
      z.fresh();
  }

  bool transfers;
  opencl::Array<float> x, y;
  opencl::Result<float> z;
  opencl::Kernel kernel;
};

struct OneEach : OnDevice {
  OneEach(const Saxpy::Input& in, const Setting& setting) : OnDevice(in, setting, "one_each") {}
};
void opencl_naive(OneEach& state, const Saxpy::Input& in, Buffer<float>& z) {
  state.call(in, z, 1);
}

struct FourEach : OnDevice {
  FourEach(const Saxpy::Input& in, const Setting& setting) : OnDevice(in, setting, "four_each") {}
};
void opencl_vectors(FourEach& state, const Saxpy::Input& in, Buffer<float>& z) {
  state.call(in, z, 4);
}
constexpr auto kOpenClNaive = run<opencl_naive>;
constexpr auto kOpenClVectors = run<opencl_vectors>;
#else
constexpr auto kOpenClNaive = kNotBuilt, kOpenClVectors = kNotBuilt;
#endif

constexpr Variant<Saxpy> kVariants[] = {
    {.name = "naive",
     .run = run<naive>,
     .what = "one thread of the CPU, one loop, which compilers vectorize for the base ISA"},
    {.name = "cores",
     .run = run<cores>,
     .what = "a part a core on all cores, widest SIMD of the host: the best of the CPU"},
    {.name = "opencl_naive",
     .run = kOpenClNaive,
     .what = "on the device, a work-item an element",
     .needs = opencl::kNeedsDevice},
    {.name = "opencl_vectors",
     .run = kOpenClVectors,
     .what = "on the device, four elements a work-item by 16-byte loads and stores",
     .needs = opencl::kNeedsDevice},
};

const Registrar kRegistrar(
    {.name = "gpu/saxpy",
     .axis = Axis::kGpu,
     .technique = "a stream on a device: gains its memory's speed, if the data are there already",
     .sizes = {1 << 12, 1 << 16, 1 << 20, 8 << 20, 32 << 20},
     .headline = {1 << 20, 8 << 20},
     .params = {{"transfer", {0, 1}}},
     .ceiling = {"machine/device_read"},
     .demand =
         [](const Setting& s) {
           const double n = static_cast<double>(s.n);
           return Demand{.items = n,
                         .bytes = 12 * n,
                         .flops = 2 * n,
                         .working_set = 12 * s.n,
                         .memory = 4 * s.n * (2 + 4 * std::size(kVariants))};
         },
     .test_sizes = {0, 1, 3, 4, 5, 15, 16, 17, 255, 256, 257, 1000, 1023, 4099}},
    kVariants);

}  // namespace
}  // namespace headroom
#endif  // HWY_ONCE
