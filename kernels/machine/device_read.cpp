// machine/device_read: bytes that the program of an OpenCL device reads from the device's memory.
//
// n is the working set in bytes: a small one lies in the device's caches, and a call of it is
// mostly a launch (machine/device_launch). Out: the sum of all 32-bit words, modulo 2^32; exact, in
// any order, so that a word left out is found out.
//
// Work-items side by side read words side by side, so that whole lines are fetched, each once.
//
// Links: opencl
#include <numeric>

#include "core/kernel.h"
#include "support/opencl.h"

namespace headroom {
namespace {

// At least a page, in whole vectors of four.
std::size_t words_of(const Setting& s) { return std::max<std::size_t>(s.n, 4096) / 16 * 4; }

struct DeviceRead {
  using Input = Buffer<std::uint32_t>;
  using Output = std::uint32_t;

  static Input make(const Setting& setting, Rng& rng) {
    Input words(words_of(setting));
    FastRng fast(rng());
    for (std::uint32_t& word : words) word = static_cast<std::uint32_t>(fast() >> 32) | 1u;
    return words;
  }
  static absl::Status same(const Input& in, const Output& want, const Output& got) {
    const std::uint32_t truth = std::accumulate(in.begin(), in.end(), std::uint32_t{0});
    if (absl::Status status = exact(truth, want); !status.ok()) return status;
    return exact(want, got);
  }
  // Work-items, each with at least one vector.
  static std::size_t items_of(const Input& in) {
    return opencl::filling(opencl::group_of(256), in.size() / 4);
  }
};

#if HEADROOM_HAVE_OPENCL
constexpr const char* kSource = R"cl(
__kernel void words(__global const uint* x, uint n, __global uint* sums) {
  const uint all = get_global_size(0);
  uint sum = 0;
  for (uint i = get_global_id(0); i < n; i += all) sum += x[i];
  sums[get_global_id(0)] = sum;
}

// A piece of its own for each item: right for a core, which has a prefetcher, and wrong for a GPU.
__kernel void pieces(__global const uint4* x, uint n, __global uint* sums) {
  const uint all = get_global_size(0), fours = n / 4, piece = (fours + all - 1) / all;
  const uint first = min(fours, (uint)get_global_id(0) * piece), last = min(fours, first + piece);
  uint4 a = 0;
  for (uint i = first; i < last; ++i) a += x[i];
  sums[get_global_id(0)] = a.x + a.y + a.z + a.w;
}

// Four words a load, and four loads under way.
__kernel void vectors(__global const uint4* x, uint n, __global uint* sums) {
  const uint all = get_global_size(0), fours = n / 4;
  uint4 a = 0, b = 0, c = 0, d = 0;
  uint i = get_global_id(0);
  for (; i + 3 * all < fours; i += 4 * all) {
    a += x[i];
    b += x[i + all];
    c += x[i + 2 * all];
    d += x[i + 3 * all];
  }
  for (; i < fours; i += all) a += x[i];
  a += b + c + d;
  sums[get_global_id(0)] = a.x + a.y + a.z + a.w;
}
)cl";

struct Words {
  Words(const DeviceRead::Input& in, const char* name)
      : x(opencl::copy_of(in)), sums(DeviceRead::items_of(in)), kernel(kSource, name) {}
  void answer(std::uint32_t& out) const {
    Buffer<std::uint32_t> host(sums.array().size());
    if (sums.bring(host)) out = std::accumulate(host.begin(), host.end(), std::uint32_t{0});
  }
  void read() {
    kernel.run({sums.array().size()}, {opencl::group_of(256)}, x, static_cast<cl_uint>(x.size()),
               sums.fresh());
  }
  opencl::Array<std::uint32_t> x;
  opencl::Result<std::uint32_t> sums;
  opencl::Kernel kernel;
};
struct ByWords : Words {
  explicit ByWords(const DeviceRead::Input& in) : Words(in, "words") {}
};
struct ByVectors : Words {
  explicit ByVectors(const DeviceRead::Input& in) : Words(in, "vectors") {}
};

struct ByPieces : Words {
  explicit ByPieces(const DeviceRead::Input& in) : Words(in, "pieces") {}
};

void words(ByWords& state, const DeviceRead::Input&, DeviceRead::Output&) { state.read(); }
void vectors(ByVectors& state, const DeviceRead::Input&, DeviceRead::Output&) { state.read(); }
void pieces(ByPieces& state, const DeviceRead::Input&, DeviceRead::Output&) { state.read(); }
constexpr auto kWords = run<words>;
constexpr auto kPieces = run<pieces>;
constexpr auto kVectors = run<vectors>;
#else
constexpr auto kWords = kNotBuilt, kVectors = kNotBuilt, kPieces = kNotBuilt;
#endif

constexpr Variant<DeviceRead> kVariants[] = {
    {.name = "words",
     .run = kWords,
     .what = "4-byte loads, items side by side read words side by side",
     .needs = opencl::kNeedsDevice},
    {.name = "vectors",
     .run = kVectors,
     .what = "16-byte loads, four of them under way",
     .needs = opencl::kNeedsDevice},
    {.name = "pieces",
     .run = kPieces,
     .what = "a piece of its own for each item: the way of a CPU's cores",
     .needs = opencl::kNeedsDevice},
};

const Registrar kRegistrar({.name = "machine/device_read",
                            .axis = Axis::kGpu,
                            .technique = "bandwidth of a device's memory, by its own program",
                            .sizes = {1 << 20, 16 << 20, 256 << 20},
                            .headline = {1 << 20, 256 << 20},
                            .unit = "B/s",
                            .demand =
                                [](const Setting& s) {
                                  const std::size_t bytes = 4 * words_of(s);
                                  return Demand{.items = static_cast<double>(bytes),
                                                .bytes = static_cast<double>(bytes),
                                                .working_set = bytes,
                                                .memory = 4 * bytes};
                                },
                            .test_sizes = {1, 4096, 4097, 5000, 1 << 20, 3'000'000}},
                           kVariants);

}  // namespace
}  // namespace headroom
