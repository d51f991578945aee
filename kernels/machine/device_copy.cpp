// machine/device_copy: bytes between the host's memory and an OpenCL device's.
//
// n bytes a call. Inputs: to_device, from_device. The variants are the ways that a program has.
// Out: the bytes, whole, where they were copied to.
//
// A device behind a bus fetches from the host's memory by itself only what cannot be moved or
// swapped meanwhile ("pinned"); of ordinary memory its driver first makes a copy that is. Where
// device and host share their memory, to map it copies nothing, and what is measured is a memcpy.
//
// Links: opencl
#include <algorithm>
#include <cstring>

#include "core/kernel.h"
#include "support/opencl.h"

namespace headroom {
namespace {

struct DeviceCopy {
  static constexpr auto kInputs = inputs("to_device", "from_device");
  struct Input {
    Buffer<std::uint8_t> bytes;
    bool to_device = true;
  };
  using Output = Buffer<std::uint8_t>;

  static Input make(const Setting& setting, Rng& rng) {
    Input in{Buffer<std::uint8_t>(setting.n), setting.input == kInputs["to_device"]};
    FastRng fast(rng());
    for (std::uint8_t& byte : in.bytes) byte = static_cast<std::uint8_t>(fast() >> 56);
    return in;
  }
  static void size(const Input& in, Output& out) { out = Output(in.bytes.size()); }
  static absl::Status same(const Input& in, const Output& want, const Output& got) {
    if (absl::Status status = exact(in.bytes, want); !status.ok()) return status;
    return exact(want, got);
  }
};

#if HEADROOM_HAVE_OPENCL
using Bytes = std::span<std::uint8_t>;

// The device's memory; where bytes come from there, they lie there already.
struct Ends {
  explicit Ends(const DeviceCopy::Input& in) : bytes(in.bytes.size()), device(bytes) {
    if (!in.to_device) device.array().write({in.bytes.data(), bytes});
  }
  void answer(Buffer<std::uint8_t>& out) const { device.bring(out); }
  std::size_t bytes;
  opencl::Result<std::uint8_t> device;
};

// The first way that comes to mind: from and to memory as a program has it.
void pageable(Ends& state, const DeviceCopy::Input& in, Buffer<std::uint8_t>& out) {
  if (in.to_device)
    state.device.fresh().write({in.bytes.data(), state.bytes});
  else
    state.device.array().read({out.data(), out.size()});
}

struct WithPinned : Ends {
  explicit WithPinned(const DeviceCopy::Input& in)
      : Ends(in), host(bytes), to_device(in.to_device) {
    if (to_device) std::copy(in.bytes.begin(), in.bytes.end(), host.items().begin());
  }
  // What came from the device lies in pinned memory, and is made unknown once it was looked at.
  void answer(Buffer<std::uint8_t>& out) const {
    if (to_device) return Ends::answer(out);
    if (!std::exchange(came, false)) return;
    std::copy(host.items().begin(), host.items().end(), out.begin());
    std::fill(host.items().begin(), host.items().end(), std::uint8_t{0xa5});
  }
  opencl::Pinned<std::uint8_t> host;
  bool to_device;
  mutable bool came = false;
};
// Without the driver's copy in between. The program's own data must lie in such memory.
void pinned(WithPinned& state, const DeviceCopy::Input& in, Buffer<std::uint8_t>&) {
  if (in.to_device) return state.device.fresh().write(state.host.items());
  state.device.array().read(state.host.items());
  state.came = true;
}

// The device's memory as part of the host's: a plain memcpy, and the driver sees to it that the
// other side sees it.
void mapped(Ends& state, const DeviceCopy::Input& in, Buffer<std::uint8_t>& out) {
  if (state.bytes == 0) return;
  if (in.to_device) {
    const opencl::Mapped<std::uint8_t> at(state.device.fresh(), CL_MAP_WRITE_INVALIDATE_REGION);
    std::memcpy(at.data(), in.bytes.data(), state.bytes);
  } else {
    const opencl::Mapped<std::uint8_t> at(state.device.array(), CL_MAP_READ);
    std::memcpy(out.data(), at.data(), state.bytes);
  }
  opencl::finish();
}
constexpr auto kPageable = run<pageable>;
constexpr auto kPinned = run<pinned>;
constexpr auto kMapped = run<mapped>;
#else
constexpr auto kPageable = kNotBuilt, kPinned = kNotBuilt, kMapped = kNotBuilt;
#endif

constexpr Variant<DeviceCopy> kVariants[] = {
    {.name = "pageable",
     .run = kPageable,
     .what = "from and to ordinary memory of the host",
     .needs = opencl::kNeedsDevice},
    {.name = "pinned",
     .run = kPinned,
     .what = "from and to memory of the host that the driver has pinned",
     .needs = opencl::kNeedsDevice},
    {.name = "mapped",
     .run = kMapped,
     .what = "memcpy from and to the device's memory, mapped",
     .needs = opencl::kNeedsDevice},
};

const Registrar kRegistrar({.name = "machine/device_copy",
                            .axis = Axis::kGpu,
                            .technique = "what the way to a device and back lets through",
                            .sizes = {64 << 10, 16 << 20},
                            .headline = {64 << 10, 16 << 20},
                            .unit = "B/s",
                            .demand =
                                [](const Setting& s) {
                                  const double n = static_cast<double>(s.n);
                                  return Demand{.items = n,
                                                .bytes = n,
                                                .working_set = 2 * s.n,
                                                .memory = 9 * s.n};
                                },
                            .test_sizes = {1, 2, 3, 4, 5, 63, 4096, 4097, 100'000}},
                           kVariants);

}  // namespace
}  // namespace headroom
