// computation/vector_growth: fill a vector with n results.
//
// In: n numbers. Out: a sequence of n results, (x ^ key) + (x >> 7), made anew in every call.
// Exact, element by element. Allocation is timed, as how often it happens is the subject.
//
// A vector that grows copies what it holds each time, about one copy an element in all, and asks
// the system for memory that it has just given back. And even with room for all, push_back tests
// its capacity and stores its size for each element, which no compiler vectorizes.
#include <memory>

#include "core/kernel.h"

namespace headroom {
namespace {

struct VectorGrowth {
  struct Input {
    Buffer<std::uint32_t> numbers;
    std::uint32_t key = 0;
  };
  struct Output {
    std::vector<std::uint32_t> vector;
    std::unique_ptr<std::uint32_t[]> array;  // where a variant makes no vector
    std::size_t array_size = 0;
    std::span<const std::uint32_t> results;  // in either
    void poison() {
      headroom::poison(vector);
      results = {};
    }
    bool spoil(Spoil how) {
      if (how == Spoil::kLength && !results.empty()) {
        results = results.first(results.size() - 1);
        return true;
      }
      return vector.empty() ? false : headroom::spoil(vector, how);
    }
  };

  static Input make(const Setting& setting, Rng& rng) {
    Input in{Buffer<std::uint32_t>(setting.n), static_cast<std::uint32_t>(rng())};
    FastRng fast(rng());
    for (std::uint32_t& number : in.numbers) number = static_cast<std::uint32_t>(fast() >> 32);
    return in;
  }
  static absl::Status same(const Input&, const Output& want, const Output& got) {
    return exact(want.results, got.results);
  }
};
using Input = VectorGrowth::Input;
using Output = VectorGrowth::Output;

std::uint32_t result(std::uint32_t x, std::uint32_t key) { return (x ^ key) + (x >> 7); }

void hand_over(std::vector<std::uint32_t>&& v, Output& out) {
  out.vector = std::move(v);
  out.results = out.vector;
}

void naive(const Input& in, Output& out) {
  std::vector<std::uint32_t> v;
  for (const std::uint32_t x : in.numbers) v.push_back(result(x, in.key));
  hand_over(std::move(v), out);
}

// One allocation, nothing copied. The test of the capacity stays, and the loop stays scalar.
void reserve_push_back(const Input& in, Output& out) {
  std::vector<std::uint32_t> v;
  v.reserve(in.numbers.size());
  for (const std::uint32_t x : in.numbers) v.push_back(result(x, in.key));
  hand_over(std::move(v), out);
}

inline void write(const Input& in, std::uint32_t* to) {
  const std::uint32_t key = in.key;
  const std::size_t n = in.numbers.size();
  for (std::size_t i = 0; i < n; ++i) to[i] = result(in.numbers[i], key);
}

// Zeroes first, then a plain loop, which the compiler vectorizes: each byte is written twice.
void resize_write(const Input& in, Output& out) {
  std::vector<std::uint32_t> v(in.numbers.size());
  write(in, v.data());
  hand_over(std::move(v), out);
}

// Memory that holds nothing yet: written once, by the vectorized loop.
void uninitialized(const Input& in, Output& out) {
  const std::size_t n = in.numbers.size();
  auto array = std::make_unique_for_overwrite<std::uint32_t[]>(n);
  write(in, array.get());
  out.array = std::move(array);
  out.results = {out.array.get(), n};
}

// The vector of the last call: from the second call on nothing is allocated, nor its pages faulted
// in, and resize has nothing to do. Only where the last result is no longer needed.
void reused(const Input& in, Output& out) {
  out.vector.resize(in.numbers.size());
  write(in, out.vector.data());
  out.results = out.vector;
}

constexpr Variant<VectorGrowth> kVariants[] = {
    {.name = "naive",
     .run = run<naive>,
     .what = "push_back: doubles when full, copies all, and tests the capacity every time"},
    {.name = "reserve_push_back",
     .run = run<reserve_push_back>,
     .what = "reserve: one allocation, no copies; the test stays, so the loop is scalar"},
    {.name = "resize_write",
     .run = run<resize_write>,
     .what =
         "resize, then write by index: zeroed for nothing, but the compiler vectorizes the loop"},
    {.name = "uninitialized",
     .run = run<uninitialized>,
     .what = "make_unique_for_overwrite: written once, by a vectorized loop",
     .promise_note = "an array, not a std::vector"},
    {.name = "reused",
     .run = run<reused>,
     .what = "the vector of the last call: no allocation, no pages to fault in, nothing zeroed",
     .promise_note = "overwrites the last result"},
};

const Registrar kRegistrar({.name = "computation/vector_growth",
                            .axis = Axis::kScalar,
                            .technique = "allocate once, write once",
                            .sizes = {4096, 65536, 524288, 8 << 20},
                            .headline = {4096, 65536},
                            .ceiling = {"machine/copy"},
                            .demand =
                                [](const Setting& s) {
                                  return Demand{.items = static_cast<double>(s.n),
                                                .bytes = 8.0 * static_cast<double>(s.n),
                                                .working_set = 8 * s.n,
                                                .memory = 4 * (1 + 2 + 4 + 4) * s.n};
                                }},
                           kVariants);

}  // namespace
}  // namespace headroom
