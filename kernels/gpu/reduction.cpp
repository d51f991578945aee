// gpu/reduction: the sum of an array of 32-bit numbers, on the CPU and on a device.
//
// Out: the sum, as a 64-bit number; exact in any order, so that a variant that leaves out or
// doubles any number is found out. The param `transfer`: 0, the array stays in the device's memory;
// 1, a call brings it there. The sum itself always comes back: the host needs it.
//
// A device adds with thousands of threads, and what teaches most is how they share the array. A
// thread of a CPU takes a piece of its own. Threads of a device that do so ask for words that lie
// far from each other, each in another line of memory; they should take neighbouring words.
//
// Links: opencl
#include <numeric>
#include <vector>

#include "core/kernel.h"
#include "gpu/all_cores.h"
#include "support/opencl.h"

namespace headroom {
namespace {

struct Reduction {
  using Input = Buffer<std::uint32_t>;
  using Output = std::uint64_t;

  static Input make(const Setting& setting, Rng& rng) {
    Input in(setting.n);
    FastRng fast(rng());
    for (std::uint32_t& number : in) number = static_cast<std::uint32_t>(fast() >> 32) | 1u;
    return in;
  }
  static absl::Status same(const Input&, const Output& want, const Output& got) {
    return exact(want, got);
  }
};

std::uint64_t sum_of(const std::uint32_t* numbers, std::size_t n) {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < n; ++i) sum += numbers[i];
  return sum;
}

// One thread, one loop, which compilers vectorize for the base ISA.
void naive(const Reduction::Input& in, std::uint64_t& out) { out = sum_of(in.data(), in.size()); }

}  // namespace
}  // namespace headroom

// The SIMD part, compiled once for each target.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "gpu/reduction-inl.h"
#include "gpu/reduction-inl.h"

namespace headroom {
namespace {

HWY_EXPORT(GpuSumWide);

// The CPU used well: what a device has to beat.
struct CoresAndSums : gpu::AllCores {
  explicit CoresAndSums(const Reduction::Input& in)
      : AllCores(in), sums(static_cast<std::size_t>(team->count())) {}
  std::vector<Apart<std::uint64_t>> sums;
};
void cores(CoresAndSums& cores, const Reduction::Input& in, std::uint64_t& out) {
  const auto sum = HWY_DYNAMIC_DISPATCH(GpuSumWide);
  cores.team->run([&](int i) {
    const Share part = share(in.size(), 16, i, cores.team->count());
    cores.sums[static_cast<std::size_t>(i)].value = sum(in.data() + part.begin, part.size());
  });
  out = 0;
  for (const Apart<std::uint64_t>& own : cores.sums) out += own.value;
}

#if HEADROOM_HAVE_OPENCL
constexpr const char* kSource = R"cl(
// Each item adds a piece of its own, as a thread of a CPU would. Items that run side by side read
// words that lie a whole piece apart: for each word a device fetches a line, and uses 4 bytes of it.
__kernel void pieces(__global const uint* x, uint n, __global ulong* sums) {
  const uint me = get_global_id(0), all = get_global_size(0);
  const uint piece = (n + all - 1) / all;
  const uint first = min(n, me * piece), last = min(n, first + piece);
  ulong sum = 0;
  for (uint i = first; i < last; ++i) sum += x[i];
  sums[me] = sum;
}

// Items side by side read words side by side, then all go on by as many words as there are items:
// whole lines, each fetched once ("coalesced").
__kernel void strides(__global const uint* x, uint n, __global ulong* sums) {
  const uint me = get_global_id(0), all = get_global_size(0);
  ulong sum = 0;
  for (uint i = me; i < n; i += all) sum += x[i];
  sums[me] = sum;
}

// Four words a load; and the items of a group add up their sums in local memory, by halves, so that
// one sum a group is written and brought back (Harris, "Optimizing Parallel Reduction in CUDA",
// 2007). The number of items of a group is a power of two.
__kernel void tree(__global const uint* x, uint n, __global ulong* sums, __local ulong* own) {
  const uint me = get_global_id(0), all = get_global_size(0);
  const uint here = get_local_id(0);
  ulong4 four = 0;
  for (uint i = me; i < n / 4; i += all) four += convert_ulong4(vload4(i, x));
  ulong sum = four.x + four.y + four.z + four.w;
  if (me < n % 4) sum += x[n / 4 * 4 + me];
  own[here] = sum;
  for (uint upper = get_local_size(0) / 2; upper != 0; upper /= 2) {
    barrier(CLK_LOCAL_MEM_FENCE);
    if (here < upper) own[here] += own[here + upper];
  }
  if (here == 0) sums[get_group_id(0)] = own[0];
}
)cl";

struct OnDevice {
  OnDevice(const Reduction::Input& in, const Setting& setting, const char* name, bool by_groups)
      : transfers(gpu::transfers(setting)),
        group(opencl::group_of(256)),
        items(opencl::filling(group, in.size() / 4)),
        x(in.size()),
        sums(by_groups ? items / group : items),
        host(sums.size()),
        kernel(kSource, name) {
    sums.fill(0xa5);  // a launch that writes nothing is found out
    if (!transfers) x.write({in.data(), in.size()});
  }
  // Brings the numbers where that is to be timed, launches, and adds up the sums.
  template <class... More>
  void call(const Reduction::Input& in, std::uint64_t& out, const More&... more) {
    if (transfers) x.write({in.data(), in.size()});
    kernel.launch(0, {items}, {group}, x, static_cast<cl_uint>(x.size()), sums, more...);
    sums.read({host.data(), host.size()});
    out = std::accumulate(host.begin(), host.end(), std::uint64_t{0});
  }

  bool transfers;
  std::size_t group, items;
  opencl::Array<cl_uint> x;
  opencl::Array<cl_ulong> sums;
  Buffer<cl_ulong> host;
  opencl::Kernel kernel;
};

struct Pieces : OnDevice {
  Pieces(const Reduction::Input& in, const Setting& setting)
      : OnDevice(in, setting, "pieces", false) {}
};
void opencl_naive(Pieces& state, const Reduction::Input& in, std::uint64_t& out) {
  state.call(in, out);
}

struct Strides : OnDevice {
  Strides(const Reduction::Input& in, const Setting& setting)
      : OnDevice(in, setting, "strides", false) {}
};
void opencl_coalesced(Strides& state, const Reduction::Input& in, std::uint64_t& out) {
  state.call(in, out);
}

struct Tree : OnDevice {
  Tree(const Reduction::Input& in, const Setting& setting) : OnDevice(in, setting, "tree", true) {}
};
void opencl_local(Tree& state, const Reduction::Input& in, std::uint64_t& out) {
  state.call(in, out, opencl::Local{state.group * sizeof(cl_ulong)});
}
constexpr auto kNaive = run<opencl_naive>;
constexpr auto kCoalesced = run<opencl_coalesced>;
constexpr auto kLocal = run<opencl_local>;
#else
constexpr auto kNaive = kNotBuilt, kCoalesced = kNotBuilt, kLocal = kNotBuilt;
#endif

constexpr Variant<Reduction> kVariants[] = {
    {.name = "naive",
     .run = run<naive>,
     .what = "one thread of the CPU, one loop, which compilers vectorize for the base ISA"},
    {.name = "cores",
     .run = run<cores>,
     .what = "a part a core on all cores, widest SIMD of the host: the best of the CPU"},
    {.name = "opencl_naive",
     .run = kNaive,
     .what = "on the device, a piece of the array a work-item, as threads of a CPU would share it",
     .needs = opencl::kNeedsDevice},
    {.name = "opencl_coalesced",
     .run = kCoalesced,
     .what = "on the device, items side by side read words side by side: whole lines",
     .needs = opencl::kNeedsDevice},
    {.name = "opencl_local",
     .run = kLocal,
     .what = "the same by 16-byte loads; groups add up in local memory, one sum a group comes back",
     .needs = opencl::kNeedsDevice},
};

const Registrar kRegistrar(
    {.name = "gpu/reduction",
     .axis = Axis::kGpu,
     .technique = "neighbouring threads read neighbouring words, and add up close by",
     .sizes = {1 << 12, 1 << 16, 1 << 20, 16 << 20, 64 << 20},
     .headline = {1 << 20, 16 << 20},
     .params = {{"transfer", {0, 1}}},
     .ceiling = {"machine/device_read"},
     .demand =
         [](const Setting& s) {
           const double n = static_cast<double>(s.n);
           return Demand{.items = n,
                         .bytes = 4 * n,
                         .working_set = 4 * s.n,
                         .memory = 4 * s.n * (1 + std::size(kVariants))};
         },
     .test_sizes = {0, 1, 2, 3, 4, 5, 63, 64, 65, 255, 257, 1000, 4097, 70'001}},
    kVariants);

}  // namespace
}  // namespace headroom
