// gpu/matmul: C = A * B for square matrices of floats, on the CPU and on a device.
//
// n is the side; all three are stored row by row. Out: C, whole. The numbers are integers, none of
// them zero (|x| is 1 to 64, either sign), so up to n = 4096 every partial sum, in any order, fused
// or not, is an integer of at most 2^24 and thus exact. The param `transfer`: 0, the matrices stay
// in the device's memory; 1, a call brings A and B there and C back.
//
// n^3 multiplications on 3 n^2 numbers: what the way costs matters less the larger n is. On the
// device as on a CPU, what decides is how often a number that was fetched is used: from a group's
// local memory by many items, from an item's registers for many products.
//
// Links: opencl clblast
#include <algorithm>
#include <barrier>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/kernel.h"
#include "gpu/all_cores.h"
#include "gpu/clblast.h"
#include "support/matmul.h"
#include "support/opencl.h"

namespace headroom {
namespace {

struct GpuMatmul {
  struct Input {
    std::size_t n = 0;
    Buffer<float> a, b;  // a[i * n + k]: row i, column k
  };
  using Output = Buffer<float>;

  static Input make(const Setting& setting, Rng& rng) {
    const std::size_t cells = setting.n * setting.n;
    Input in{setting.n, Buffer<float>(cells), Buffer<float>(cells)};
    FastRng fast(rng());
    const auto number = [](std::uint64_t bits) {
      return static_cast<float>((bits & 63) + 1) * ((bits & 64) != 0 ? 1.0f : -1.0f);
    };
    for (std::size_t i = 0; i < cells; ++i) {
      const std::uint64_t bits = fast();
      in.a[i] = number(bits >> 8);
      in.b[i] = number(bits >> 40);
    }
    return in;
  }
  static void size(const Input& in, Output& out) { out = Output(in.n * in.n); }
  static absl::Status same(const Input&, const Output& want, const Output& got) {
    return within(want, got, 0);  // exact
  }
};

// One thread, loops in the order i, k, j: the inner one walks along rows, and the compiler
// vectorizes it.
void naive(const GpuMatmul::Input& in, Buffer<float>& c) {
  const std::size_t n = in.n;
  std::fill(c.begin(), c.end(), 0.0f);
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t k = 0; k < n; ++k) {
      const float x = in.a[i * n + k];
      const float* const row = in.b.data() + k * n;
      float* const to = c.data() + i * n;
      for (std::size_t j = 0; j < n; ++j) to[j] += x * row[j];
    }
}

}  // namespace
}  // namespace headroom

// The SIMD part, compiled once for each target.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "gpu/matmul-inl.h"
#include "gpu/matmul-inl.h"

namespace headroom {
namespace {

HWY_EXPORT(GpuMatmulRows);
HWY_EXPORT(GpuMatmulTogether);

// Where the members of a team wait for each other.
std::unique_ptr<std::barrier<>> meeting;
void meet() { meeting->arrive_and_wait(); }

struct CoresAndPacked : gpu::AllCores {
  explicit CoresAndPacked(const GpuMatmul::Input& in)
      : AllCores(in), room((packed_b_items<float>(in.n) + 15) / 16 * 16), b(2 * room) {
    for (int i = 0; i < team->count(); ++i) {
      a.emplace_back(packed_a_items<float>(rows(in.n, i).size(), in.n));
      own_b.emplace_back(in.n <= most_in_l2<float>() ? packed_b_items<float>(in.n) : 0);
    }
  }
  // The rows of C of one member.
  Share rows(std::size_t n, int member) const { return share(n, 8, member, team->count()); }
  std::size_t room;
  Buffer<float> b;
  std::vector<Buffer<float>> a, own_b;
};

// The CPU used well: a part of C a core, tiles in registers, A and B packed, B by all together
// (parallel/matmul). What a device has to beat.
void cores(CoresAndPacked& cores, const GpuMatmul::Input& in, Buffer<float>& c) {
  const std::size_t n = in.n, unpacked = most_in_l2<float>();
  const int members = cores.team->count();
  meeting = std::make_unique<std::barrier<>>(members);
  cores.team->run([&](int i) {
    const auto own = static_cast<std::size_t>(i);
    const Share rows = cores.rows(n, i);
    const Job<float> job{in.a.data() + rows.begin * n,
                         in.b.data(),
                         c.data() + rows.begin * n,
                         rows.size(),
                         n,
                         cores.a[own].data(),
                         n <= unpacked ? cores.own_b[own].data() : cores.b.data(),
                         strip_columns<float>()};
    if (n > unpacked)
      HWY_DYNAMIC_DISPATCH(GpuMatmulTogether)(job, {i, members, cores.room, meet});
    else if (job.rows != 0)
      HWY_DYNAMIC_DISPATCH(GpuMatmulRows)(job, unpacked);
  });
}

#if HEADROOM_HAVE_OPENCL
constexpr const char* kSource = R"cl(
// An item for each number of C, which reads a row of A and a column of B from the device's memory:
// 2 n reads for 2 n operations, that its caches have to bear.
__kernel void one_each(uint n, __global const float* a, __global const float* b,
                       __global float* c) {
  const uint j = get_global_id(0), i = get_global_id(1);
  if (i >= n || j >= n) return;
  float sum = 0;
  for (uint k = 0; k < n; ++k) sum += a[i * n + k] * b[k * n + j];
  c[i * n + j] = sum;
}

// A group makes a square of C, 16 by 16. It brings a square of A and one of B into local memory,
// a number each item, and every number that was fetched is used 16 times.
__kernel __attribute__((reqd_work_group_size(16, 16, 1)))
void tiles(uint n, __global const float* a, __global const float* b, __global float* c) {
  __local float of_a[16][16], of_b[16][16];
  const uint x = get_local_id(0), y = get_local_id(1);
  const uint j = get_global_id(0), i = get_global_id(1);
  float sum = 0;
  for (uint k = 0; k < n; k += 16) {
    of_a[y][x] = i < n && k + x < n ? a[i * n + k + x] : 0;
    of_b[y][x] = k + y < n && j < n ? b[(k + y) * n + j] : 0;
    barrier(CLK_LOCAL_MEM_FENCE);
    for (uint s = 0; s < 16; ++s) sum += of_a[y][s] * of_b[s][x];
    barrier(CLK_LOCAL_MEM_FENCE);
  }
  if (i < n && j < n) c[i * n + j] = sum;
}

// Reading local memory is what bounds that: two reads for one product. So each item makes EACH
// times EACH numbers of C in its registers: 2 EACH reads serve EACH * EACH products. A group makes
// a square of TILE = 16 EACH (Volkov and Demmel, "Benchmarking GPUs to Tune Dense Linear Algebra",
// 2008). An item's columns come in fours, 64 apart, so that neighbours read neighbouring words; A's
// square lies on its side, so that an item's rows are one after the other.
#define TILE (16 * EACH)
#define FOURS (EACH / 4)
#define STEP 16
__kernel __attribute__((reqd_work_group_size(16, 16, 1)))
void blocks(uint n, __global const float* a, __global const float* b, __global float* c) {
  __local float of_a[STEP][TILE + 4], of_b[STEP][TILE];
  const uint x = get_local_id(0), y = get_local_id(1), me = 16 * y + x;
  const uint row = get_group_id(1) * TILE, column = get_group_id(0) * TILE;
  float4 sums[EACH][FOURS];
#pragma unroll
  for (uint r = 0; r < EACH; ++r)
#pragma unroll
    for (uint v = 0; v < FOURS; ++v) sums[r][v] = 0;
  for (uint k = 0; k < n; k += STEP) {
#pragma unroll
    for (uint t = 0; t < EACH; ++t) {
      const uint at = 256 * t + me;
      const uint i = at / STEP, ka = at % STEP, kb = at / TILE, j = at % TILE;
      of_a[ka][i] = row + i < n && k + ka < n ? a[(row + i) * n + k + ka] : 0;
      of_b[kb][j] = k + kb < n && column + j < n ? b[(k + kb) * n + column + j] : 0;
    }
    barrier(CLK_LOCAL_MEM_FENCE);
#pragma unroll 4
    for (uint s = 0; s < STEP; ++s) {
      float4 of_row[FOURS];
#pragma unroll
      for (uint v = 0; v < FOURS; ++v) of_row[v] = vload4(16 * v + x, of_b[s]);
#pragma unroll
      for (uint r = 0; r < EACH; ++r) {
        const float number = of_a[s][EACH * y + r];
#pragma unroll
        for (uint v = 0; v < FOURS; ++v) sums[r][v] = mad(number, of_row[v], sums[r][v]);
      }
    }
    barrier(CLK_LOCAL_MEM_FENCE);
  }
#pragma unroll
  for (uint r = 0; r < EACH; ++r) {
    const uint i = row + EACH * y + r;
    if (i >= n) break;
#pragma unroll
    for (uint v = 0; v < FOURS; ++v) {
      const uint j = column + 64 * v + 4 * x;
      if (j + 4 <= n) {
        vstore4(sums[r][v], 0, c + i * n + j);
      } else {
        if (j < n) c[i * n + j] = sums[r][v].x;
        if (j + 1 < n) c[i * n + j + 1] = sums[r][v].y;
        if (j + 2 < n) c[i * n + j + 2] = sums[r][v].z;
      }
    }
  }
}
)cl";

// The matrices on the device. A call brings them there and back where that is to be timed.
struct Matrices {
  Matrices(const GpuMatmul::Input& in, const Setting& setting)
      : transfers(gpu::transfers(setting)),
        n(in.n),
        a(in.a.size()),
        b(in.b.size()),
        c(in.a.size()) {
    if (!transfers) bring(in);
  }
  void answer(Buffer<float>& out) const { c.bring(out); }
  void bring(const GpuMatmul::Input& in) const {
    a.write({in.a.data(), in.a.size()});
    b.write({in.b.data(), in.b.size()});
  }
  // `multiply` puts the multiplication into the first queue.
  template <class Multiply>
  void call(const GpuMatmul::Input& in, Buffer<float>& out, const Multiply& multiply) {
    if (n == 0) return;
    if (transfers) bring(in);
    multiply();
    if (transfers)
      c.array().read({out.data(), out.size()});
    else
      opencl::finish();
    if (!transfers) c.fresh();
  }
  bool transfers;
  std::size_t n;
  opencl::Array<float> a, b;
  opencl::Result<float> c;
};

// A kernel whose groups are squares of 16 by 16 items, each of which makes `each` times `each`.
struct OnDevice : Matrices {
  OnDevice(const GpuMatmul::Input& in, const Setting& setting, const char* name, std::size_t each)
      : Matrices(in, setting),
        items((in.n + each - 1) / each),
        kernel(kSource, name, "-DEACH=" + std::to_string(std::max<std::size_t>(4, each))) {
    if (opencl::device()->most_items < 256)
      throw std::runtime_error("OpenCL: the device has no groups of 256 work-items");
  }
  void call(const GpuMatmul::Input& in, Buffer<float>& out) {
    Matrices::call(in, out, [&] {
      kernel.launch(0, {items, items}, {16, 16}, static_cast<cl_uint>(n), a, b, c.array());
    });
  }
  std::size_t items;  // of each dimension
  opencl::Kernel kernel;
};

struct OneEach : OnDevice {
  OneEach(const GpuMatmul::Input& in, const Setting& setting)
      : OnDevice(in, setting, "one_each", 1) {}
};
void opencl_naive(OneEach& state, const GpuMatmul::Input& in, Buffer<float>& c) {
  state.call(in, c);
}

struct Tiles : OnDevice {
  Tiles(const GpuMatmul::Input& in, const Setting& setting) : OnDevice(in, setting, "tiles", 1) {}
};
void opencl_local(Tiles& state, const GpuMatmul::Input& in, Buffer<float>& c) { state.call(in, c); }

template <std::size_t kEach>
struct Blocks : OnDevice {
  Blocks(const GpuMatmul::Input& in, const Setting& setting)
      : OnDevice(in, setting, "blocks", kEach) {}
};
void opencl_registers(Blocks<4>& state, const GpuMatmul::Input& in, Buffer<float>& c) {
  state.call(in, c);
}
void opencl_registers_8(Blocks<8>& state, const GpuMatmul::Input& in, Buffer<float>& c) {
  state.call(in, c);
}
constexpr auto kNaive = run<opencl_naive>;
constexpr auto kLocal = run<opencl_local>;
constexpr auto kRegisters = run<opencl_registers>;
constexpr auto kRegisters8 = run<opencl_registers_8>;
#else
constexpr auto kNaive = kNotBuilt, kLocal = kNotBuilt, kRegisters = kNotBuilt,
               kRegisters8 = kNotBuilt;
#endif

#if HEADROOM_HAVE_OPENCL && HEADROOM_HAVE_CLBLAST
void clblast_sgemm(Matrices& state, const GpuMatmul::Input& in, Buffer<float>& c) {
  state.call(in, c, [&] {
    cl_command_queue queue = opencl::queue();
    const std::size_t n = state.n;
    const int status = clblast::sgemm()(
        clblast::kRowMajor, clblast::kTransposeNo, clblast::kTransposeNo, n, n, n, 1, state.a.get(),
        0, n, state.b.get(), 0, n, 0, state.c.array().get(), 0, n, &queue, nullptr);
    if (status != clblast::kSuccess)
      throw std::runtime_error("CLBlast: sgemm: status " + std::to_string(status));
  });
}
constexpr auto kClBlast = run<clblast_sgemm>;
#else
constexpr auto kClBlast = kNotBuilt;
#endif

constexpr Variant<GpuMatmul> kVariants[] = {
    {.name = "naive",
     .run = run<naive>,
     .what = "one thread of the CPU, loops in the order i, k, j: the compiler vectorizes"},
    {.name = "cores",
     .run = run<cores>,
     .what = "rows a core on all cores, tiles in registers, packed: the best of the CPU"},
    {.name = "opencl_naive",
     .run = kNaive,
     .what = "on the device, an item a number of C: a row and a column from memory each",
     .needs = opencl::kNeedsDevice},
    {.name = "opencl_local",
     .run = kLocal,
     .what = "on the device, squares of 16 by 16 in local memory: each number used 16 times",
     .needs = opencl::kNeedsDevice},
    {.name = "opencl_registers",
     .run = kRegisters,
     .what = "on the device, 4 by 4 numbers of C in an item's registers: 8 reads, 16 products",
     .needs = opencl::kNeedsDevice},
    {.name = "opencl_registers_8",
     .run = kRegisters8,
     .what = "on the device, 8 by 8 of them: fewer reads a product, and fewer groups to share out",
     .needs = opencl::kNeedsDevice},
    {.name = "clblast",
     .run = kClBlast,
     .what = "on the device, CLBlast's sgemm, with what its tuning database has for the device",
     .role = Role::kPeer,
     .needs = clblast::kNeeds},
};

const Registrar kRegistrar(
    {.name = "gpu/matmul",
     .axis = Axis::kGpu,
     .technique = "reuse what was fetched: from local memory, then from registers",
     .sizes = {64, 256, 512, 1024, 2048},
     .headline = {256, 1024},
     .params = {{"transfer", {0, 1}}},
     .ceiling = {"machine/device_fma"},
     .promise = Promise::kNone,  // on other inputs the order of sums shows
     .demand =
         [](const Setting& s) {
           const double n = static_cast<double>(s.n);
           return Demand{
               .items = n * n * n,
               .bytes = 12 * n * n,
               .flops = 2 * n * n * n,
               .working_set = 12 * s.n * s.n,
               .memory = 4 * (2 + 4 * std::size(kVariants)) * s.n * s.n + (std::size_t{64} << 20)};
         },
     .test_sizes = {0, 1, 2, 3, 7, 15, 16, 17, 31, 33, 63, 64, 65, 100, 129, 200}},
    kVariants);

}  // namespace
}  // namespace headroom
