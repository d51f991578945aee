// computation/callable: pass a function to a loop.
//
// computation/callable. In: n samples of 16 bits, and a calibration (x * gain >> 16) + offset whose
// gain and offset are known at run time only. Out: each sample calibrated. Exact.
// computation/callable_filter. In: n numbers, and a test with a limit known at run time. Out: those
// that pass, in order, and how many. Exact. All store each number and move on if it passed, so that
// no branch depends on the data; nor can a compiler vectorize it, which leaves the call alone.
//
// The loop is a library's: it is handed the function, and doesn't know it. std::function calls
// through a pointer after a test for emptiness, once a number; the call is guessed right, and yet
// it is five to ten instructions, and a wall that neither inlining nor SIMD passes. A template
// parameter is a function that the compiler sees.
#include <functional>

#include "absl/functional/function_ref.h"
#include "core/kernel.h"

namespace headroom {
namespace {

// The calibration, as a lambda with captures makes it.
struct Calibration {
  std::uint16_t gain;
  std::uint16_t offset;
  std::uint16_t operator()(std::uint16_t x) const {
    return static_cast<std::uint16_t>((std::uint32_t{x} * gain >> 16) + offset);
  }
};

struct Limit {
  std::uint32_t limit;
  bool operator()(std::uint32_t x) const { return x < limit; }
};

struct Transform {
  using Item = std::uint16_t;
  using Function = Calibration;
  using Result = std::uint16_t;
  struct Input {
    Buffer<Item> items;
    Function function;
  };
  using Output = Buffer<Item>;
  static Input make(const Setting& setting, Rng& rng) {
    Input in{Buffer<Item>(setting.n), {}};
    in.function = {static_cast<std::uint16_t>(rng()), static_cast<std::uint16_t>(rng())};
    FastRng fast(rng());
    for (Item& item : in.items) item = static_cast<Item>(fast() >> 48);
    return in;
  }
  static void size(const Input& in, Output& out) { out = Output(in.items.size()); }
  static absl::Status same(const Input&, const Output& want, const Output& got) {
    return exact(want, got);
  }
  // The library's loop.
  template <class F>
  static void apply(const Input& in, Output& out, F&& f) {
    const Item* const from = in.items.data();
    Item* const to = out.data();
    const std::size_t n = in.items.size();
    for (std::size_t i = 0; i < n; ++i) to[i] = f(from[i]);
  }
};

struct Filter {
  using Item = std::uint32_t;
  using Function = Limit;
  using Result = bool;
  struct Input {
    Buffer<Item> items;
    Function function;
  };
  struct Output {
    Buffer<Item> items;
    std::size_t count = 0;
    void poison() {
      headroom::poison(items);
      count = ~std::size_t{0};
    }
    bool spoil(Spoil how) { return spoil_counted(how, items.data(), count); }
  };
  static Input make(const Setting& setting, Rng& rng) {
    Input in{Buffer<Item>(setting.n), {}};
    in.function = {static_cast<std::uint32_t>((rng() >> 34) + (1u << 30))};
    FastRng fast(rng());
    for (Item& item : in.items) item = static_cast<Item>(fast() >> 32);
    return in;
  }
  static void size(const Input& in, Output& out) { out.items = Buffer<Item>(in.items.size()); }
  static absl::Status same(const Input&, const Output& want, const Output& got) {
    if (want.count > want.items.size() || got.count > got.items.size())
      return absl::FailedPreconditionError("more passed than there are");
    return exact(std::span(want.items.data(), want.count), std::span(got.items.data(), got.count));
  }
  template <class F>
  static void apply(const Input& in, Output& out, F&& f) {
    const Item* const from = in.items.data();
    Item* const to = out.items.data();
    const std::size_t n = in.items.size();
    std::size_t count = 0;
#pragma GCC unroll 4
    for (std::size_t i = 0; i < n; ++i) {
      to[count] = from[i];
      count += f(from[i]);
    }
    out.count = count;
  }
};

template <class P>
using Item = typename P::Item;

// Made elsewhere, so that the compiler doesn't see what is inside where it's called.
template <class P>
struct StdFunction {
  explicit StdFunction(const typename P::Input& in) : function(in.function) {}
  std::function<typename P::Result(Item<P>)> function;
};

template <class P>
void naive(const StdFunction<P>& state, const typename P::Input& in, typename P::Output& out) {
  P::apply(in, out, state.function);
}

template <class P>
struct Pointer {
  explicit Pointer(const typename P::Input& in)
      : call([](const void* context, Item<P> x) -> typename P::Result {
          return (*static_cast<const typename P::Function*>(context))(x);
        }),
        context(&in.function) {}
  typename P::Result (*call)(const void*, Item<P>);
  const void* context;
};

// The way of C: no test for emptiness, and the context is passed in a register.
template <class P>
void function_pointer(const Pointer<P>& state, const typename P::Input& in,
                      typename P::Output& out) {
  const auto call = state.call;
  const void* const context = state.context;
  P::apply(in, out, [call, context](Item<P> x) { return call(context, x); });
}

template <class P>
struct Ref {
  explicit Ref(const typename P::Input& in) : function(in.function) {}
  absl::FunctionRef<typename P::Result(Item<P>)> function;
};

// A pointer to the function object and one to its code: never empty, owns nothing, allocates
// nothing. The call itself stays.
template <class P>
void absl_function_ref(const Ref<P>& state, const typename P::Input& in, typename P::Output& out) {
  P::apply(in, out, state.function);
}

// The function is part of the type, so its body is compiled into the loop.
template <class P>
void template_parameter(const typename P::Input& in, typename P::Output& out) {
  const typename P::Function function = in.function;
  P::apply(in, out, function);
}

// The library is handed blocks: a call for 256 numbers, whose body is a loop that the compiler
// vectorizes. What remains of std::function is nothing, and its type stays hidden.
constexpr std::size_t kBlock = 256;

struct BlockFunction {
  explicit BlockFunction(const Transform::Input& in)
      : function([f = in.function](std::span<const std::uint16_t> from, std::uint16_t* to) {
          for (std::size_t i = 0; i < from.size(); ++i) to[i] = f(from[i]);
        }) {}
  std::function<void(std::span<const std::uint16_t>, std::uint16_t*)> function;
};

void std_function_blocks(const BlockFunction& state, const Transform::Input& in,
                         Transform::Output& out) {
  const std::size_t n = in.items.size();
  for (std::size_t i = 0; i < n; i += kBlock)
    state.function({in.items.data() + i, std::min(kBlock, n - i)}, out.data() + i);
}

constexpr Variant<Transform> kTransform[] = {
    {.name = "naive",
     .run = run<naive<Transform>>,
     .what = "std::function: a test and a call through a pointer for every number"},
    {.name = "function_pointer",
     .run = run<function_pointer<Transform>>,
     .what = "a pointer to a function and its context: no test, the call stays"},
    {.name = "absl_function_ref",
     .run = run<absl_function_ref<Transform>>,
     .what = "absl::FunctionRef: two pointers, no test and no ownership; the call stays",
     .role = Role::kPeer},
    {.name = "template",
     .run = run<template_parameter<Transform>>,
     .what = "template parameter: the body is inlined and the compiler vectorizes the loop"},
    {.name = "std_function_blocks",
     .run = run<std_function_blocks>,
     .what = "std::function over blocks of 256: one call for them all, and a vectorized body"},
};

constexpr Variant<Filter> kFilter[] = {
    {.name = "naive",
     .run = run<naive<Filter>>,
     .what = "std::function: a test and a call through a pointer for every number"},
    {.name = "function_pointer",
     .run = run<function_pointer<Filter>>,
     .what = "a pointer to a function and its context: no test, the call stays"},
    {.name = "absl_function_ref",
     .run = run<absl_function_ref<Filter>>,
     .what = "absl::FunctionRef: two pointers, no test and no ownership; the call stays",
     .role = Role::kPeer},
    {.name = "template",
     .run = run<template_parameter<Filter>>,
     .what = "template parameter: inlined; scalar, as each store waits to know where the number "
             "goes: an addition a number at best"},
};

template <class P>
Metadata metadata(std::string name, std::vector<std::size_t> sizes) {
  std::vector<std::size_t> headline = {sizes[0], sizes[1]};
  return {.name = std::move(name),
          .axis = Axis::kScalar,
          .technique = "let the compiler see the function that a loop calls",
          .sizes = std::move(sizes),
          .headline = std::move(headline),
          .ceiling = {"machine/copy"},
          .demand = [](const Setting& s) {
            // What passes a filter is between a quarter and half of it.
            const double written = std::is_same_v<P, Filter> ? 0.25 : 1;
            const std::size_t bytes = sizeof(typename P::Item) * s.n;
            return Demand{.items = static_cast<double>(s.n),
                          .bytes = (1 + written) * static_cast<double>(bytes),
                          .working_set = 2 * bytes,
                          .memory = 6 * bytes};
          }};
}

const Registrar kRegistrarTransform(metadata<Transform>("computation/callable",
                                                        {8192, 131072, 1 << 20, 16 << 20}),
                                    kTransform);
const Registrar kRegistrarFilter(metadata<Filter>("computation/callable_filter",
                                                  {4096, 65536, 1 << 19, 8 << 20}),
                                 kFilter);

}  // namespace
}  // namespace headroom
