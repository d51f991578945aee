// computation/callable_filter: pass a test to a loop that keeps what passes it.
//
// In: n numbers, and a test with a limit known at run time. Out: those that pass, in order, and how
// many. Exact.
//
// All variants store each number and move on if it passed, so that no branch depends on the data;
// nor can a compiler vectorize it, which leaves the price of the call alone. computation/callable
// has a loop that a compiler does vectorize, where it sees the function.
#include "computation/callables.h"
#include "core/kernel.h"

namespace headroom {
namespace {

struct Limit {
  std::uint32_t limit;
  bool operator()(std::uint32_t x) const { return x < limit; }
};

struct CallableFilter {
  struct Input {
    Buffer<std::uint32_t> numbers;
    Limit function;
  };
  struct Output {
    Buffer<std::uint32_t> numbers;
    std::size_t count = 0;
    void poison() {
      headroom::poison(numbers);
      count = ~std::size_t{0};
    }
    bool spoil(Spoil how) { return spoil_counted(how, numbers.data(), count); }
  };

  static Input make(const Setting& setting, Rng& rng) {
    Input in{Buffer<std::uint32_t>(setting.n), {}};
    in.function = {
        static_cast<std::uint32_t>((rng() >> 34) + (1u << 30))};  // a quarter to a half pass
    FastRng fast(rng());
    for (std::uint32_t& number : in.numbers) number = static_cast<std::uint32_t>(fast() >> 32);
    return in;
  }
  static void size(const Input& in, Output& out) {
    out.numbers = Buffer<std::uint32_t>(in.numbers.size());
  }
  static absl::Status same(const Input&, const Output& want, const Output& got) {
    if (want.count > want.numbers.size() || got.count > got.numbers.size())
      return absl::FailedPreconditionError("more passed than there are");
    return exact(std::span(want.numbers.data(), want.count),
                 std::span(got.numbers.data(), got.count));
  }
};
using Input = CallableFilter::Input;
using Output = CallableFilter::Output;

// The library's loop.
template <class F>
void filter(const Input& in, Output& out, F&& f) {
  const std::uint32_t* const from = in.numbers.data();
  std::uint32_t* const to = out.numbers.data();
  const std::size_t n = in.numbers.size();
  std::size_t count = 0;
#pragma GCC unroll 4
  for (std::size_t i = 0; i < n; ++i) {
    to[count] = from[i];
    count += f(from[i]);
  }
  out.count = count;
}

void naive(const StdFunction<bool, std::uint32_t>& state, const Input& in, Output& out) {
  filter(in, out, state.call);
}

// The way of C: no test for emptiness. The pointers are copied, or each number stored might change
// them, for all that the compiler knows.
void function_pointer(const FunctionPointer<bool, std::uint32_t>& state, const Input& in,
                      Output& out) {
  const FunctionPointer<bool, std::uint32_t> function = state;
  filter(in, out, function);
}

// No test either, and two words; the call itself stays.
void absl_function_ref(const FunctionRef<bool, std::uint32_t>& state, const Input& in,
                       Output& out) {
  filter(in, out, state.call);
}

// The function is part of the type, so its body is compiled into the loop.
void template_parameter(const Input& in, Output& out) {
  const Limit test = in.function;
  filter(in, out, test);
}

constexpr Variant<CallableFilter> kVariants[] = {
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
     .what = "template parameter: inlined; scalar, as each store's address waits for the one "
             "before: at best an addition per number"},
};

const Registrar kRegistrar({.name = "computation/callable_filter",
                            .axis = Axis::kScalar,
                            .technique = "let the compiler see the function that a loop calls",
                            .sizes = {4096, 65536, 1 << 19, 8 << 20},
                            .headline = {4096, 65536},
                            .ceiling = {"machine/copy"},
                            .promise = Promise::kExact | Promise::kOrdered,
                            .demand =
                                [](const Setting& s) {
                                  // At least a quarter is written.
                                  const std::size_t bytes = sizeof(std::uint32_t) * s.n;
                                  return Demand{.items = static_cast<double>(s.n),
                                                .bytes = 1.25 * static_cast<double>(bytes),
                                                .working_set = 2 * bytes,
                                                .memory = 6 * bytes};
                                }},
                           kVariants);

}  // namespace
}  // namespace headroom
