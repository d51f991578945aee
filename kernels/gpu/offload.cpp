// gpu/offload: at which size does a device beat all cores of the CPU, the way there and back
// included?
//
// Each of n floats goes through `steps` steps of x = a * x + b, with |a| < 1: a stand-in for
// whatever a program computes of a number. The param `steps` is how much that is; what has to be
// brought to the device and back, 8 bytes a number, stays the same. Data lie in ordinary memory of
// the host before a call, and after it. `headroom show` says from which n on a variant of the
// device is faster than every one of the CPU, for each number of steps, or that there is none.
//
// Out: all n results. Two variants may round each step differently, fused or not: by at most 2^-23
// times the largest value there is (1.5), which later steps only make smaller; each of the two, so
// the tolerance is 3 * steps * 2^-23.
//
// Links: opencl
#include <algorithm>
#include <cmath>
#include <memory>

#include "core/kernel.h"
#include "gpu/all_cores.h"
#include "support/opencl.h"

namespace headroom {
namespace {

constexpr float kA = -1 + 0x1p-10f, kB = 0.5f;

struct Offload {
  struct Input {
    Buffer<float> x;
    std::int64_t steps = 1;
  };
  using Output = Buffer<float>;

  static Input make(const Setting& setting, Rng& rng) {
    Input in{Buffer<float>(setting.n), setting.params["steps"]};
    FastRng fast(rng());
    for (float& number : in.x) number = static_cast<float>(fast() >> 40) * 0x1p-24f;
    return in;
  }
  static void size(const Input& in, Output& out) { out = Output(in.x.size()); }
  static absl::Status same(const Input& in, const Output& want, const Output& got) {
    return within(want, got, 3 * static_cast<double>(in.steps) * 0x1p-23);
  }
};

// One thread, number by number: each step waits for the last one.
void naive(const Offload::Input& in, Buffer<float>& y) {
  for (std::size_t i = 0; i < y.size(); ++i) {
    float v = in.x[i];
    for (std::int64_t s = 0; s < in.steps; ++s) v = kA * v + kB;
    y[i] = v;
  }
}

}  // namespace
}  // namespace headroom

// The SIMD part, compiled once for each target.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "gpu/offload-inl.h"
#include "gpu/offload-inl.h"

namespace headroom {
namespace {

HWY_EXPORT(GpuOffloadPart);

// One core used well: below some size the others are not worth waking.
void simd(const Offload::Input& in, Buffer<float>& y) {
  HWY_DYNAMIC_DISPATCH(GpuOffloadPart)(in.x.data(), y.data(), y.size(), in.steps, kA, kB);
}

// All cores used well.
void cores(gpu::AllCores& cores, const Offload::Input& in, Buffer<float>& y) {
  const auto part_of = HWY_DYNAMIC_DISPATCH(GpuOffloadPart);
  cores.team->run([&](int i) {
    const Share part = share(y.size(), 16, i, cores.team->count());
    part_of(in.x.data() + part.begin, y.data() + part.begin, part.size(), in.steps, kA, kB);
  });
}

#if HEADROOM_HAVE_OPENCL
constexpr const char* kSource = R"cl(
// An item for each number. Eight steps a turn: the loop's own instructions would else be as many.
__kernel void steps(__global const float* x, __global float* y, uint n, uint steps, float a,
                    float b) {
  const uint i = get_global_id(0);
  if (i >= n) return;
  float v = x[i];
  uint s = 0;
  for (; s + 8 <= steps; s += 8) {
    v = mad(a, mad(a, mad(a, mad(a, v, b), b), b), b);
    v = mad(a, mad(a, mad(a, mad(a, v, b), b), b), b);
  }
  for (; s < steps; ++s) v = mad(a, v, b);
  y[i] = v;
}
)cl";

struct OnDevice {
  explicit OnDevice(const Offload::Input& in)
      : steps(static_cast<cl_uint>(in.steps)),
        group(opencl::group_of(256)),
        kernel(kSource, "steps") {}
  // Puts the computation of n numbers into a queue.
  void launch(std::size_t queue, const opencl::Array<float>& x, const opencl::Array<float>& y,
              std::size_t n) const {
    kernel.launch(queue, {n}, {group}, x, y, static_cast<cl_uint>(n), steps, kA, kB);
  }
  cl_uint steps;
  std::size_t group;
  opencl::Kernel kernel;
};

struct Copied : OnDevice {
  explicit Copied(const Offload::Input& in) : OnDevice(in), x(in.x.size()), y(in.x.size()) {
    y.fill(-1);
  }
  opencl::Array<float> x, y;
};
// There, through, and back: one after the other, each waited for.
void opencl_copy(Copied& state, const Offload::Input& in, Buffer<float>& y) {
  state.x.write({in.x.data(), in.x.size()});
  state.launch(0, state.x, state.y, in.x.size());
  state.y.read({y.data(), y.size()});
}

// The host's own memory, as it lies, is the device's buffer. Where the two share memory (a GPU in
// the processor, or a driver that computes on the CPU) nothing is copied; elsewhere the driver
// does.
void opencl_shared(OnDevice& state, const Offload::Input& in, Buffer<float>& y) {
  const std::size_t n = in.x.size();
  if (n == 0) return;
  const opencl::Array<float> from(n, CL_MEM_READ_ONLY | CL_MEM_USE_HOST_PTR,
                                  const_cast<float*>(in.x.data()));
  const opencl::Array<float> to(n, CL_MEM_WRITE_ONLY | CL_MEM_USE_HOST_PTR, y.data());
  state.launch(0, from, to, n);
  // From here on the host may read what lies in its memory.
  { const opencl::Mapped<float> result(to, CL_MAP_READ); }
  opencl::finish();
}

// A piece under way: its place in pinned memory, which a device can fetch from by itself, and in
// the device's.
struct Piece {
  explicit Piece(std::size_t size) : host_x(size), host_y(size), x(size), y(size) { y.fill(-1); }
  opencl::Pinned<float> host_x, host_y;
  opencl::Array<float> x, y;
  std::size_t first = 0, size = 0;  // of the numbers; no size: none is under way
};
struct Overlapped : OnDevice {
  explicit Overlapped(const Offload::Input& in)
      : OnDevice(in),
        most(std::clamp<std::size_t>(in.x.size() / 8, std::min(in.x.size(), kLeast), kMost)) {
    for (std::unique_ptr<Piece>& piece : pieces) piece = std::make_unique<Piece>(most);
  }
  // Waits for a queue's piece, and takes its results.
  void take(std::size_t queue, Buffer<float>& y) {
    Piece& piece = *pieces[queue];
    if (piece.size == 0) return;
    opencl::finish(queue);
    std::copy_n(piece.host_y.items().begin(), piece.size, y.begin() + piece.first);
    piece.size = 0;
  }
  static constexpr std::size_t kLeast = 1 << 15, kMost = 1 << 20;  // numbers of a piece
  std::size_t most;
  std::unique_ptr<Piece> pieces[2];
};
// In pieces, two of them under way on a queue each: while the device works on one, the next one is
// brought there, and the last one's results come back. The host copies to and from pinned memory
// meanwhile, which a driver would do else, and wait.
void opencl_overlap(Overlapped& state, const Offload::Input& in, Buffer<float>& y) {
  std::size_t queue = 0;
  for (std::size_t first = 0; first < in.x.size(); first += state.most, queue = 1 - queue) {
    state.take(queue, y);
    Piece& piece = *state.pieces[queue];
    piece.first = first;
    piece.size = std::min(state.most, in.x.size() - first);
    const std::span<float> x = piece.host_x.items().first(piece.size);
    std::copy_n(in.x.begin() + first, piece.size, x.begin());
    piece.x.write(x, 0, CL_FALSE, queue);
    state.launch(queue, piece.x, piece.y, piece.size);
    piece.y.read(piece.host_y.items().first(piece.size), 0, CL_FALSE, queue);
    opencl::require(clFlush(opencl::queue(queue)), "clFlush");
  }
  state.take(queue, y);
  state.take(1 - queue, y);
}
constexpr auto kCopy = run<opencl_copy>;
constexpr auto kShared = run<opencl_shared>;
constexpr auto kOverlap = run<opencl_overlap>;
#else
constexpr auto kCopy = kNotBuilt, kShared = kNotBuilt, kOverlap = kNotBuilt;
#endif

constexpr Variant<Offload> kVariants[] = {
    {.name = "naive",
     .run = run<naive>,
     .what = "one thread of the CPU, number by number: each step waits for the last one",
     .max_n = 1 << 18},
    {.name = "simd",
     .run = run<simd>,
     .what = "one thread, eight vectors of numbers in flight: the best of one core"},
    {.name = "cores",
     .run = run<cores>,
     .what = "the same, a part a core on all cores: the best of the CPU"},
    {.name = "opencl_copy",
     .run = kCopy,
     .what = "copied to the device, computed there, copied back, one after the other",
     .needs = opencl::kNeedsDevice},
    {.name = "opencl_shared",
     .run = kShared,
     .what = "the host's memory is the device's buffer: nothing is copied where they share it",
     .needs = opencl::kNeedsDevice},
    {.name = "opencl_overlap",
     .run = kOverlap,
     .what = "in pieces through pinned memory: one computes while others are on the way",
     .needs = opencl::kNeedsDevice},
};

const Registrar kRegistrar(
    {.name = "gpu/offload",
     .axis = Axis::kGpu,
     .technique = "from which size on a device pays, with the way there and back",
     .sizes = {1 << 10, 1 << 12, 1 << 14, 1 << 16, 1 << 18, 1 << 20, 1 << 22, 1 << 24},
     .headline = {1 << 16, 1 << 20},
     .params = {{"steps", {1, 32, 256}}},
     .promise = Promise::kNone,  // results differ in their last bits
     .demand =
         [](const Setting& s) {
           const double n = static_cast<double>(s.n);
           return Demand{.items = n,
                         .bytes = 8 * n,
                         .flops = 2 * n * static_cast<double>(s.params["steps"]),
                         .working_set = 8 * s.n,
                         .memory = 4 * s.n * (1 + 5 * std::size(kVariants))};
         },
     .test_sizes = {0, 1, 15, 17, 257, 1000, 4097, 70'001}},
    kVariants);

}  // namespace
}  // namespace headroom
