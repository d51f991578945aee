// The contract of a kernel: one typed problem, several ways to solve it, one table of them.
//
// A kernel is one file, kernels/<group>/<kernel>.cpp. It defines a problem type P with
//
//   P::Input                      everything that variants read; made once, shared by all of them
//   P::Output                     what one call produces; each variant has its own
//   static Input make(const Setting&, Rng&);               deterministic in setting and seed
//   static absl::Status same(const Call&, const Output& want, const Output& got);
//   static void size(const Input&, Output&);               optional: allocates the output, untimed;
//                                                          may ask for a const Setting& at the end
//   static Input from(std::span<const std::uint8_t>);      optional: any bytes as an input, for the
//                                                          fuzzer and for tests of hard cases
//   static constexpr auto kInputs = inputs("a", "b");      optional: its inputs by name, first the
//                                                          default; compare with kInputs["a"]
//   using Call = ...;                                      optional: the input rotates (below)
//
// a function for each variant, in one of these shapes (chosen by its parameters, run.h):
//
//   void variant(const Call&, Output&);                // pure
//   void variant(const Setting&, const Call&, Output&);  // pure, and asks for threads or params
//   void variant(const State&, const Call&, Output&);  // stateful: State(const Input&), built
//                                                      // untimed (a State& may also change)
//   void variant(Work&, Output&);                      // mutating: Work(const Input&) and then,
//                                                      // before each call, untimed,
//                                                      // work.refill(const Call&)
//   void variant(Service&, const Request&, Reply&);    // served: support/served.h
//
// a constexpr table of them, and one registration at the end:
//
//   constexpr Variant<P> kVariants[] = {{.name = "naive", .run = run<naive>, .what = "..."}, ...};
//   const Registrar kRegistrar(Metadata{...}, kVariants);
//
// State and Work may also take (const Input&, const Setting&), for threads and params. Where the
// result lies in one of them rather than in the Output, its member `answer(Output&)` hands it out,
// untimed. Threads come from the Setting alone; nothing is global.
//
// Call is what one call sees: Input itself, or, where the problem declares `using Call = ...`, what
// its Input's `Call at(std::size_t turn) const` gives for that turn. Turns count up call by call,
// one counter a variant, so a kernel whose branches depend on data gives no two consecutive calls
// the same data: carry at least 10^6 decisions. The same table feeds the tests and the benchmarks:
// what is timed is what was checked.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "core/arm.h"
#include "core/buffer.h"
#include "core/need.h"
#include "core/problem.h"
#include "core/promise.h"
#include "core/random.h"
#include "core/run.h"
#include "core/same.h"
#include "core/setting.h"

namespace headroom {

// The first variant of a table is the baseline; the others say what they are: ours, a library's
// implementation, or, at most one, what the standard library or plain good C++ gives. Where the
// baseline is a textbook's first way that nobody ships, there must be a standard one: speedups over
// it are the ones to quote.
enum class Role { kOptimized, kStandard, kPeer };

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
  kCoherence,
  kGpu
};
std::string_view name(Axis axis);

// Which placebo's spread is a kernel's noise floor.
enum class NoiseClass { kCpu, kDram, kThreads, kStorage };
std::string_view name(NoiseClass noise_class);
NoiseClass noise_class(Axis axis);

// The clock that is reported. kAuto: thread CPU time for one-thread compute, wall time for I/O,
// network, several threads, a device, and epochs under 50 us.
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

// What a ladder is judged by: the time of a call, or a quantity that its variants report
// (arm.h, Quantities), named, with a direction.
struct Measure {
  std::string name = "time";  // "p99"
  std::string unit = "ns";
  bool more_is_better = false;
};

// A further coordinate of a kernel: {"clients", {1, 4, 16}}; `headline` are the values that
// `standard` measures, all where it is empty.
struct Param {
  std::string name;
  std::vector<std::int64_t> values;
  std::vector<std::int64_t> headline = {};
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
  std::optional<Promise> promise = {};  // the baseline's, unless it says otherwise
  std::string_view promise_note = {};   // what words don't say: "stale by up to 50 ms"
  std::size_t max_n = kNoLimit;         // larger sizes are left out of ladders (a quadratic naive)
  bool single_thread = false;           // uses one thread in every ladder; its rows keep threads:1
  std::span<const Need> needs = {};
};

// What the report, the command and the profiles know of a kernel.
struct Metadata {
  std::string name;  // "group/kernel"
  Axis axis = Axis::kScalar;
  std::string technique;                 // what the kernel teaches, one line
  std::vector<std::size_t> sizes;        // fixed numbers, ascending
  std::vector<std::size_t> headline;     // what `standard` measures: two of them, or one where the
                                         // size says only how many requests there are
  std::vector<std::string> inputs = {};  // the first is the default; the problem's kInputs, unless
                                         // they depend on the machine
  std::vector<std::string> test_inputs = {};  // further ones, never measured; from kInputs
  std::vector<Param> params = {};             // further coordinates
  bool sweeps_threads = false;                // thread counts 1, 2, 4 ... all are coordinates
  bool one_group = false;  // variants that wait for a disk: how many share the caches is no matter
  Ceiling ceiling = {};
  Clock clock = Clock::kAuto;
  Warm warm = Warm::kAuto;
  Measure measure = {};
  bool simulated = false;  // in simulated time: the same on every machine (support/simulator.h)
  Promise promise = Promise::kExact;       // what the baseline guarantees
  std::vector<std::string> fixtures = {};  // servers that `headroom run` starts: "postgresql"
  std::string placebo = {};                // noise class, where this kernel is a placebo
  std::string unit = {};                   // of a probe: "B/s", "FLOP/s", "Hz" (items a
                                           // second) or "ns" (an item); no probe: empty
  std::function<Demand(const Setting&)> demand;
  std::vector<std::size_t> test_sizes = {0,  1,  2,  3,  7,   8,   9,   15,  16,  17,   31,  32,
                                         33, 63, 64, 65, 127, 128, 129, 255, 257, 1000, 4097};
};

// A row of the table as the rest of the program sees it, without types.
struct VariantInfo {
  std::string_view name;
  std::string_view what;
  std::string_view role;  // "baseline", "standard", "optimized", "peer"
  Promise promise = Promise::kNone;
  std::string_view promise_note;
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
  // `variant` is an index into the kernel's table and must be available; it may use `threads`
  // threads. The arm must not outlive the instance.
  virtual std::unique_ptr<Arm> arm(std::size_t variant, int threads) const = 0;
};

struct Kernel {
  Metadata meta;
  std::string file;    // where the compiler found it
  std::string source;  // "simd/sum.cpp": its last folder and name
  std::vector<VariantInfo> variants;
  // Throws std::invalid_argument for an input that the kernel doesn't declare.
  std::function<std::unique_ptr<Instance>(const Setting&)> bind;
  // A hash of what make() drew from its generator and left in Buffers: it changes with the input.
  std::function<std::uint64_t(const Setting&)> input_hash;
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
// Before the first kernels(): lets a program change how every kernel is bound.
// headroom-bench-cluster does, so that what is bound on its first rank is bound on all.
void adapt_kernels(void (*adapt)(Kernel&));
// nullptr if there is none of that name.
const Kernel* find_kernel(std::string_view name);

namespace internal {

template <class P>
class InstanceOf final : public Instance {
 public:
  InstanceOf(std::span<const Variant<P>> variants, typename P::Input input, Setting setting)
      : variants_(variants), input_(std::move(input)), setting_(std::move(setting)) {}
  std::unique_ptr<Arm> arm(std::size_t variant, int threads) const override {
    Setting own = setting_;
    own.threads = threads;
    return variants_[variant].run.make(input_, own);
  }

 private:
  std::span<const Variant<P>> variants_;
  typename P::Input input_;
  Setting setting_;
};

// The setting with its input's name as the metadata spell it, which lasts. Throws
// std::invalid_argument where they don't.
Setting with_known_input(const std::string& kernel, const std::vector<std::string>& inputs,
                         const std::vector<std::string>& test_inputs, Setting setting);

// "/a/simd/sum.cpp" -> "simd/sum.cpp".
std::string last_folder_and_name(std::string_view path);

// What is known of a row without its problem's type.
template <class P>
VariantInfo without_type(const Variant<P>& v, const Metadata& meta, bool first) {
  const std::string_view role = first                       ? "baseline"
                                : v.role == Role::kStandard ? "standard"
                                : v.role == Role::kPeer     ? "peer"
                                                            : "optimized";
  return {.name = v.name,
          .what = v.what,
          .role = role,
          .promise = v.promise.value_or(meta.promise),
          .promise_note = v.promise_note,
          .max_n = v.max_n,
          .single_thread = v.single_thread,
          .shape = v.run.shape,
          .needs = v.needs,
          .built = v.run.make != nullptr};
}

}  // namespace internal

// Describes a kernel without registering it (tests do, with kernels that are broken on purpose).
template <class P, std::size_t kCount>
Kernel describe(Metadata meta, const Variant<P> (&table)[kCount],
                const char* file = __builtin_FILE()) {
  Kernel kernel;
  kernel.meta = std::move(meta);
  kernel.file = file;
  kernel.source = internal::last_folder_and_name(kernel.file);
  if constexpr (internal::NamesInputs<P>) {
    for (std::size_t i = 0; i < std::size(P::kInputs.names); ++i)
      (i < P::kInputs.measured ? kernel.meta.inputs : kernel.meta.test_inputs)
          .emplace_back(P::kInputs.names[i]);
  } else if (kernel.meta.inputs.empty()) {
    kernel.meta.inputs = {"default"};
  }
  const std::span<const Variant<P>> variants(table);
  for (const Variant<P>& v : variants)
    kernel.variants.push_back(internal::without_type(v, kernel.meta, &v == table));
  // Nothing is made of a problem that breaks the contract: one error is enough.
  if constexpr (Problem<P>) {
    const auto known = [name = kernel.meta.name, inputs = kernel.meta.inputs,
                        tests = kernel.meta.test_inputs](const Setting& asked) {
      return internal::with_known_input(name, inputs, tests, asked);
    };
    kernel.bind = [variants, known](const Setting& asked) {
      const Setting setting = known(asked);
      Rng rng(setting.seed);
      return std::make_unique<internal::InstanceOf<P>>(variants, P::make(setting, rng), setting);
    };
    kernel.input_hash = [known](const Setting& asked) {
      const Setting setting = known(asked);
      Rng rng(setting.seed);
      const internal::BufferWatch made;
      [[maybe_unused]] const typename P::Input input = P::make(setting, rng);
      return made.hash() ^ rng();
    };
    if constexpr (internal::TakesBytes<P>)
      kernel.bind_bytes = [variants](std::span<const std::uint8_t> bytes) {
        return std::make_unique<internal::InstanceOf<P>>(variants, P::from(bytes), Setting{});
      };
  }
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
