// gpu/histogram: how often each byte value occurs in a text, on the CPU and on a device.
//
// Out: 256 counts, exact. Inputs: `random` bytes; `skewed`, where half of the bytes have one value
// and the others follow a Zipf distribution, so that many work-items meet at one counter. The param
// `transfer`: 0, the text stays in the device's memory; 1, a call brings it there. The counts
// always come back: 1 KiB.
//
// Thousands of work-items that count in one table have to do it by atomic increments, and those of
// one counter go one after the other. A table for each group, in its local memory, has fewer that
// meet, and closer by; and several tables for a group fewer again.
//
// Links: opencl
#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "core/kernel.h"
#include "gpu/all_cores.h"
#include "support/opencl.h"

namespace headroom {
namespace {

struct GpuHistogram {
  static constexpr auto kInputs = inputs("random", "skewed");
  using Input = Buffer<std::uint8_t>;
  using Output = Buffer<std::uint32_t>;

  static Input make(const Setting& setting, Rng& rng) {
    Input text(setting.n);
    FastRng fast(rng());
    const Zipf zipf(256, 1.2);
    for (std::uint8_t& byte : text) {
      const std::uint64_t bits = fast();
      byte = static_cast<std::uint8_t>(setting.input == kInputs["random"] ? bits >> 56
                                       : (bits >> 63) != 0                ? 32
                                                                          : zipf(fast));
    }
    return text;
  }
  static void size(const Input&, Output& out) { out = Output(256); }
  static absl::Status same(const Input&, const Output& want, const Output& got) {
    return exact(want, got);
  }
};

// One thread, one table: a load, an add and a store a byte.
void naive(const GpuHistogram::Input& text, Buffer<std::uint32_t>& out) {
  std::fill(out.begin(), out.end(), 0u);
  for (std::uint8_t byte : text) ++out[byte];
}

struct CoresAndTables : gpu::AllCores {
  explicit CoresAndTables(const GpuHistogram::Input& text)
      : AllCores(text), tables(static_cast<std::size_t>(team->count())) {}
  using Tables = std::array<std::array<std::uint32_t, 256>, 4>;
  std::vector<Apart<Tables>> tables;
};

// The CPU used well: tables of each core's own, and four of them by turns, so that two neighbours
// of one value need not wait for each other (parallel/histogram). What a device has to beat.
void cores(CoresAndTables& cores, const GpuHistogram::Input& text, Buffer<std::uint32_t>& out) {
  cores.team->run([&](int member) {
    auto& tables = cores.tables[static_cast<std::size_t>(member)].value;
    for (auto& table : tables) table.fill(0);
    const Share part = share(text.size(), 64, member, cores.team->count());
    std::size_t i = part.begin;
    for (; i + 8 <= part.end; i += 8) {
      std::uint64_t word;
      std::memcpy(&word, text.data() + i, 8);
      for (std::size_t k = 0; k < 8; ++k) ++tables[k % 4][(word >> (8 * k)) & 255];
    }
    for (; i < part.end; ++i) ++tables[0][text[i]];
  });
  std::fill(out.begin(), out.end(), 0u);
  for (const auto& own : cores.tables)
    for (const auto& table : own.value)
      for (std::size_t value = 0; value < 256; ++value) out[value] += table[value];
}

#if HEADROOM_HAVE_OPENCL
constexpr const char* kSource = R"cl(
// One table for all, in the device's memory. Items side by side take bytes side by side.
__kernel void one_table(__global const uchar* text, uint n, __global uint* counts) {
  for (uint i = get_global_id(0); i < n; i += get_global_size(0)) atomic_inc(&counts[text[i]]);
}

// TABLES tables for each group, in its local memory: items side by side count in different ones.
// Counters of one value lie side by side, which is in different banks. At the end a group adds its
// tables to the common one: 256 atomic additions, however long the text is (Podlozhnyuk, "Histogram
// calculation in CUDA", 2007). Four bytes a load.
#define COUNT(byte) atomic_inc(&own[(byte) * TABLES + me % TABLES])
__kernel void own_tables(__global const uchar* text, uint n, __global uint* counts,
                         __local uint* own) {
  const uint me = get_local_id(0), items = get_local_size(0);
  for (uint i = me; i < 256 * TABLES; i += items) own[i] = 0;
  barrier(CLK_LOCAL_MEM_FENCE);
  const uint all = get_global_size(0);
  for (uint i = get_global_id(0); i < n / 4; i += all) {
    const uchar4 four = vload4(i, text);
    COUNT(four.x);
    COUNT(four.y);
    COUNT(four.z);
    COUNT(four.w);
  }
  if (get_global_id(0) < n % 4) COUNT(text[n / 4 * 4 + get_global_id(0)]);
  barrier(CLK_LOCAL_MEM_FENCE);
  for (uint value = me; value < 256; value += items) {
    uint sum = 0;
    for (uint table = 0; table < TABLES; ++table) sum += own[value * TABLES + table];
    if (sum != 0) atomic_add(&counts[value], sum);
  }
}
)cl";

struct OnDevice {
  OnDevice(const GpuHistogram::Input& in, const Setting& setting, const char* name,
           const std::string& options = "")
      : transfers(gpu::transfers(setting)),
        group(opencl::group_of(256)),
        text(in.size()),
        counts(256),
        kernel(kSource, name, options.empty() ? "-DTABLES=1" : options) {
    counts.fill(0xa5a5);
    if (!transfers) text.write({in.data(), in.size()});
  }
  template <class... More>
  void call(const GpuHistogram::Input& in, Buffer<std::uint32_t>& out, const More&... more) {
    if (transfers) text.write({in.data(), in.size()});
    counts.fill(0);
    kernel.launch(0, {opencl::filling(group, text.size() / 4)}, {group}, text,
                  static_cast<cl_uint>(text.size()), counts, more...);
    counts.read({out.data(), out.size()});
  }
  bool transfers;
  std::size_t group;
  opencl::Array<cl_uchar> text;
  opencl::Array<cl_uint> counts;
  opencl::Kernel kernel;
};

struct OneTable : OnDevice {
  OneTable(const GpuHistogram::Input& in, const Setting& setting)
      : OnDevice(in, setting, "one_table") {}
};
void opencl_naive(OneTable& state, const GpuHistogram::Input& in, Buffer<std::uint32_t>& out) {
  state.call(in, out);
}

template <std::size_t kTables>
struct OwnTables : OnDevice {
  OwnTables(const GpuHistogram::Input& in, const Setting& setting)
      : OnDevice(in, setting, "own_tables", "-DTABLES=" + std::to_string(kTables)) {}
};
template <std::size_t kTables>
void count(OwnTables<kTables>& state, const GpuHistogram::Input& in, Buffer<std::uint32_t>& out) {
  state.call(in, out, opencl::Local{256 * kTables * sizeof(cl_uint)});
}
void opencl_local(OwnTables<1>& state, const GpuHistogram::Input& in, Buffer<std::uint32_t>& out) {
  count(state, in, out);
}
void opencl_local_8(OwnTables<8>& state, const GpuHistogram::Input& in,
                    Buffer<std::uint32_t>& out) {
  count(state, in, out);
}
constexpr auto kNaive = run<opencl_naive>;
constexpr auto kLocal = run<opencl_local>;
constexpr auto kLocal8 = run<opencl_local_8>;
#else
constexpr auto kNaive = kNotBuilt, kLocal = kNotBuilt, kLocal8 = kNotBuilt;
#endif

constexpr Variant<GpuHistogram> kVariants[] = {
    {.name = "naive",
     .run = run<naive>,
     .what = "one thread of the CPU, one table: a load, an add and a store a byte"},
    {.name = "cores",
     .run = run<cores>,
     .what = "four tables a core on all cores: the best of the CPU"},
    {.name = "opencl_naive",
     .run = kNaive,
     .what = "on the device, atomic increments of one table in its memory",
     .needs = opencl::kNeedsDevice},
    {.name = "opencl_local",
     .run = kLocal,
     .what = "on the device, a table a group in local memory, added to the common one at the end",
     .needs = opencl::kNeedsDevice},
    {.name = "opencl_local_8",
     .run = kLocal8,
     .what = "the same with eight tables a group: fewer items meet at a counter",
     .needs = opencl::kNeedsDevice},
};

const Registrar kRegistrar(
    {.name = "gpu/histogram",
     .axis = Axis::kGpu,
     .technique = "atomics close by, on tables that few share, before those that all share",
     .sizes = {1 << 12, 1 << 16, 1 << 20, 16 << 20, 64 << 20},
     .headline = {1 << 20, 16 << 20},
     .params = {{"transfer", {0, 1}}},
     .ceiling = {"machine/device_read"},
     .demand =
         [](const Setting& s) {
           const double n = static_cast<double>(s.n);
           return Demand{.items = n,
                         .bytes = n,
                         .working_set = s.n,
                         .memory = s.n * (1 + std::size(kVariants))};
         },
     .test_sizes = {0, 1, 2, 3, 4, 5, 7, 255, 256, 257, 1000, 4099, 70'001}},
    kVariants);

}  // namespace
}  // namespace headroom
