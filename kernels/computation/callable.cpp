// computation/callable: pass a function to a loop.
//
// In: n samples of 16 bits, and a calibration (x * gain >> 16) + offset whose gain and offset are
// known at run time only. Out: each sample calibrated. Exact.
//
// The loop is a library's: it is handed the function, and doesn't know it. std::function calls
// through a pointer after a test for emptiness, once per number; the call is predicted right, and
// yet it is five to ten instructions, and a wall that neither inlining nor SIMD passes. A template
// parameter is a function that the compiler sees. computation/callable_filter has a loop that no
// compiler vectorizes.
#include <functional>

#include "computation/callables.h"
#include "core/kernel.h"

namespace headroom {
namespace {

using Sample = std::uint16_t;

// The calibration, as a lambda with captures makes it.
struct Calibration {
  std::uint16_t gain;
  std::uint16_t offset;
  Sample operator()(Sample x) const {
    return static_cast<Sample>((std::uint32_t{x} * gain >> 16) + offset);
  }
};

struct Callable {
  struct Input {
    Buffer<Sample> samples;
    Calibration function;
  };
  using Output = Buffer<Sample>;

  static Input make(const Setting& setting, Rng& rng) {
    Input in{Buffer<Sample>(setting.n), {}};
    in.function = {static_cast<std::uint16_t>(rng()), static_cast<std::uint16_t>(rng())};
    FastRng fast(rng());
    for (Sample& sample : in.samples) sample = static_cast<Sample>(fast() >> 48);
    return in;
  }
  static void size(const Input& in, Output& out) { out = Output(in.samples.size()); }
  static absl::Status same(const Input&, const Output& want, const Output& got) {
    return exact(want, got);
  }
};
using Input = Callable::Input;
using Output = Callable::Output;

// The library's loop.
template <class F>
void transform(const Input& in, Output& out, F&& f) {
  const Sample* const from = in.samples.data();
  Sample* const to = out.data();
  const std::size_t n = in.samples.size();
  for (std::size_t i = 0; i < n; ++i) to[i] = f(from[i]);
}

void naive(const StdFunction<Sample, Sample>& state, const Input& in, Output& out) {
  transform(in, out, state.call);
}

// The way of C: no test for emptiness. The pointers are copied, or each sample stored might change
// them, for all that the compiler knows.
void function_pointer(const FunctionPointer<Sample, Sample>& state, const Input& in, Output& out) {
  const FunctionPointer<Sample, Sample> function = state;
  transform(in, out, function);
}

// No test either, and two words; the call itself stays.
void absl_function_ref(const FunctionRef<Sample, Sample>& state, const Input& in, Output& out) {
  transform(in, out, state.call);
}

// The function is part of the type, so its body is compiled into the loop.
void template_parameter(const Input& in, Output& out) {
  const Calibration calibration = in.function;
  transform(in, out, calibration);
}

// The library is handed blocks: a call for 256 numbers, whose body is a loop that the compiler
// vectorizes. What remains of std::function is nothing, and its type stays hidden.
constexpr std::size_t kBlock = 256;

struct BlockFunction {
  explicit BlockFunction(const Input& in)
      : function([f = in.function](std::span<const Sample> from, Sample* to) {
          for (std::size_t i = 0; i < from.size(); ++i) to[i] = f(from[i]);
        }) {}
  std::function<void(std::span<const Sample>, Sample*)> function;
};

void std_function_blocks(const BlockFunction& state, const Input& in, Output& out) {
  const std::size_t n = in.samples.size();
  for (std::size_t i = 0; i < n; i += kBlock)
    state.function({in.samples.data() + i, std::min(kBlock, n - i)}, out.data() + i);
}

constexpr Variant<Callable> kVariants[] = {
    {.name = "naive",
     .run = run<naive>,
     .what = "std::function: a test and a call through a pointer for every number"},
    {.name = "function_pointer",
     .run = run<function_pointer>,
     .what = "a pointer to a function and its context: no test, the call stays"},
    {.name = "absl_function_ref",
     .run = run<absl_function_ref>,
     .what = "absl::FunctionRef: two pointers, no test and no ownership; the call stays",
     .role = Role::kPeer},
    {.name = "template",
     .run = run<template_parameter>,
     .what = "template parameter: the body is inlined and the compiler vectorizes the loop"},
    {.name = "std_function_blocks",
     .run = run<std_function_blocks>,
     .what = "std::function over blocks of 256: one call for them all, and a vectorized body"},
};

const Registrar kRegistrar({.name = "computation/callable",
                            .axis = Axis::kScalar,
                            .technique = "let the compiler see the function that a loop calls",
                            .sizes = {8192, 131072, 1 << 20, 16 << 20},
                            .headline = {8192, 131072},
                            .ceiling = {"machine/copy"},
                            .demand =
                                [](const Setting& s) {
                                  const std::size_t bytes = sizeof(Sample) * s.n;
                                  return Demand{.items = static_cast<double>(s.n),
                                                .bytes = 2 * static_cast<double>(bytes),
                                                .working_set = 2 * bytes,
                                                .memory = 6 * bytes};
                                }},
                           kVariants);

}  // namespace
}  // namespace headroom
