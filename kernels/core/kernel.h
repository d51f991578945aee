// The contract of a kernel: one typed problem, several ways to solve it, one table of them.
//
// A kernel is one file, kernels/<group>/<kernel>.cpp. It defines a problem type P with
//
//   P::Input                      everything that variants read; made once, shared by all of them
//   P::Output                     what one call produces; each variant has its own
//   static Input make(const Setting&, Rng&);               deterministic in setting and seed
//   static absl::Status same(const Call&, const Output& want, const Output& got);
//   static void size(const Input&, Output&);               optional: allocates the output, untimed
//   static Input from(std::span<const std::uint8_t>);      optional: any bytes as an input, for the
//                                                          fuzzer and for tests of hard cases
//
// a function for each variant, in one of three shapes (chosen by its parameters, run.h):
//
//   void variant(const Call&, Output&);                // pure
//   void variant(const State&, const Call&, Output&);  // stateful: State(const Input&), built
//                                                      // untimed (a State& may also change)
//   void variant(Work&, Output&);                      // mutating: Work(const Input&) and then,
//                                                      // before each call, untimed,
//                                                      // work.refill(const Call&)
//
// a constexpr table of them, and one registration at the end:
//
//   constexpr Variant<P> kVariants[] = {{.name = "naive", .run = run<naive>, .what = "..."}, ...};
//   const Registrar kRegistrar(Metadata{...}, kVariants);
//
// Call is what one call sees: Input itself, or, where Input has `Call at(std::size_t turn) const`,
// the slice for that turn. Turns count up call by call, one counter a variant, so a kernel whose
// branches depend on data gives no two consecutive calls the same data: carry at least 10^6
// decisions. The same table feeds the tests and the benchmarks: what is timed is what was checked.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "core/arm.h"
#include "core/buffer.h"
#include "core/need.h"
#include "core/random.h"
#include "core/run.h"
#include "core/same.h"

namespace headroom {

// The first variant of a table is the baseline; the others say whether they are ours or a
// library's.
enum class Role { kOptimized, kPeer };

// The resource that a kernel leans on.
enum class Axis {
  kScalar,
  kSimd,
  kCores,
  kCache,
  kMemoryBandwidth,
  kMemoryLatency,
  kStorageSequential,
  kStorageRandom,
  kStorageSync,
  kSyscall,
  kNetwork,
  kCoherence
};
std::string_view name(Axis axis);

// Which placebo's spread is a kernel's noise floor.
enum class NoiseClass { kCpu, kDram, kThreads, kStorage };
std::string_view name(NoiseClass noise_class);
NoiseClass noise_class(Axis axis);

// The clock that is reported. kAuto: thread CPU time for one-thread compute, wall time for I/O,
// network, several threads, and epochs under 50 us.
enum class Clock { kAuto, kCpu, kWall };

// What runs untimed before each epoch. kAuto: one call, or a whole epoch where the working set fits
// L2 but one call does not touch all of it (inputs that rotate, states). kNone for cold and
// storage.
enum class Warm { kAuto, kCall, kEpoch, kNone };

// What a kernel can't pass: a probe of group machine/, whose value times what a call needs at least
// is the shortest time a call can take. The need is the Demand's bytes for a probe in B/s, flops
// for one in FLOP/s, and accesses for one in ns or Hz. A probe with several sizes is asked at the
// ladder's working set, with the ladder's threads. An empty name: the kernel has no meaningful
// ceiling.
struct Ceiling {
  std::string probe = {};  // "machine/read"
  std::string input = {};  // of the probe; empty: its default
};

// What one call asks of the machine at least, for rates and ceilings, and what a ladder needs.
struct Demand {
  double items = 0;             // per call; time per item divides by it
  double bytes = 0;             // moved per call at least: read plus written; 0 where meaningless
  double flops = 0;             // floating-point operations per call
  double accesses = 0;          // operations that the ceiling's probe counts, per call
  std::size_t working_set = 0;  // bytes that calls come back to; 0: as `bytes`
  std::size_t memory = 0;       // bytes of RAM for the whole ladder, all variants together
  std::size_t scratch = 0;      // bytes of scratch space for the ladder
  std::size_t written = 0;      // bytes written to storage per call of one variant
};

inline constexpr std::size_t kNoLimit = std::numeric_limits<std::size_t>::max();

// One row of a kernel's table.
template <class P>
struct Variant {
  std::string_view name;
  Run<P> run;             // run<function>, or kNotBuilt where a library is missing
  std::string_view what;  // one line: why it is faster (naive: what it does)
  Role role = Role::kOptimized;
  std::size_t max_n = kNoLimit;  // larger sizes are left out of ladders (a quadratic naive)
  bool single_thread = false;    // uses one thread in every ladder; its rows keep threads:1
  std::span<const Need> needs = {};
};

// What the report, the command and the profiles know of a kernel.
struct Metadata {
  std::string name;  // "group/kernel"
  Axis axis = Axis::kScalar;
  std::string technique;                          // what the kernel teaches, one line
  std::vector<std::size_t> sizes;                 // fixed numbers, ascending
  std::vector<std::size_t> headline;              // two of them: what `standard` measures
  std::vector<std::string> inputs = {"default"};  // the first is the default
  bool sweeps_threads = false;                    // thread counts 1, 2, 4 ... all are coordinates
  bool one_group = false;  // variants that wait for a disk: how many share the caches is no matter
  Ceiling ceiling = {};
  Clock clock = Clock::kAuto;
  Warm warm = Warm::kAuto;
  std::string placebo = {};  // noise class, where this kernel is a placebo
  std::string unit = {};     // of a probe: "B/s", "FLOP/s", "Hz" (items a
                             // second) or "ns" (an item); no probe: empty
  std::function<Demand(const Setting&)> demand;
  std::vector<std::size_t> test_sizes = {0,  1,  2,  3,  7,   8,   9,   15,  16,  17,   31,  32,
                                         33, 63, 64, 65, 127, 128, 129, 255, 257, 1000, 4097};
};

// A row of the table as the rest of the program sees it, without types.
struct VariantInfo {
  std::string_view name;
  std::string_view what;
  std::string_view role;  // "baseline", "optimized", "peer"
  std::size_t max_n = kNoLimit;
  bool single_thread = false;
  Shape shape = Shape::kPure;
  std::span<const Need> needs;
  bool built = false;
  bool available() const;  // built, and every need met
};

// A kernel bound to one setting: its input, made. Makes arms, which run variants on that input.
class Instance {
 public:
  virtual ~Instance() = default;
  // `variant` is an index into the kernel's table and must be available. The arm must not outlive
  // the instance.
  virtual std::unique_ptr<Arm> arm(std::size_t variant) const = 0;
};

struct Kernel {
  Metadata meta;
  std::string source;  // "simd/sum.cpp"
  std::vector<VariantInfo> variants;
  std::function<std::unique_ptr<Instance>(const Setting&)> bind;
  // Null where the problem has no from().
  std::function<std::unique_ptr<Instance>(std::span<const std::uint8_t>)> bind_bytes;
  std::string_view group() const {
    return std::string_view(meta.name).substr(0, meta.name.find('/'));
  }
};

// All kernels registered, by name. Aborts with one line if a table breaks the contract (a name
// twice, a headline size that is not a size): a mistake of the kernel's author, found at the first
// start.
const std::vector<Kernel>& kernels();
// nullptr if there is none of that name.
const Kernel* find_kernel(std::string_view name);

namespace internal {

template <class P>
class InstanceOf final : public Instance {
 public:
  InstanceOf(std::span<const Variant<P>> variants, typename P::Input input)
      : variants_(variants), input_(std::move(input)) {}
  std::unique_ptr<Arm> arm(std::size_t variant) const override {
    return variants_[variant].run.make(input_);
  }

 private:
  std::span<const Variant<P>> variants_;
  typename P::Input input_;
};

}  // namespace internal

// Describes a kernel without registering it (tests do, with kernels that are broken on purpose).
template <class P, std::size_t kCount>
Kernel describe(Metadata meta, const Variant<P> (&table)[kCount],
                const char* file = __builtin_FILE()) {
  Kernel kernel;
  kernel.meta = std::move(meta);
  const std::string_view path(file);
  const std::size_t folder = path.rfind("kernels/");
  kernel.source = path.substr(folder == std::string_view::npos ? 0 : folder + 8);
  const std::span<const Variant<P>> variants(table);
  for (const Variant<P>& v : variants) {
    const std::string_view role = &v == table             ? "baseline"
                                  : v.role == Role::kPeer ? "peer"
                                                          : "optimized";
    kernel.variants.push_back({v.name, v.what, role, v.max_n, v.single_thread, v.run.shape, v.needs,
                               v.run.make != nullptr});
  }
  kernel.bind = [variants](const Setting& setting) -> std::unique_ptr<Instance> {
    Rng rng(setting.seed);
    return std::make_unique<internal::InstanceOf<P>>(variants, P::make(setting, rng));
  };
  if constexpr (requires(std::span<const std::uint8_t> bytes) { P::from(bytes); })
    kernel.bind_bytes = [variants](std::span<const std::uint8_t> bytes) {
      return std::make_unique<internal::InstanceOf<P>>(variants, P::from(bytes));
    };
  return kernel;
}

// Adds a kernel to kernels(). The table must have static storage.
class Registrar {
 public:
  template <class P, std::size_t kCount>
  Registrar(Metadata meta, const Variant<P> (&table)[kCount], const char* file = __builtin_FILE())
      : Registrar(describe(std::move(meta), table, file)) {}
  explicit Registrar(Kernel kernel);
};

}  // namespace headroom
