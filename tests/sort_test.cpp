// Sorting beyond the agreement of the listed inputs: data that quicksorts are known to be bad at,
// and lengths around those at which the base cases and the vectors change.
#include "core/agreement.h"

#include <string>

#include "catch.h"
#include "core/kernel.h"
#include "subset.h"

namespace headroom {
namespace {

constexpr const char* kHardInputs[] = {
    "all_equal",     "descending",  "organ_pipe",  "extremes",        "skewed",      "exponential",
    "almost_sorted", "distinct_32", "distinct_33", "few_then_random", "few_then_one"};

void check(const char* name, std::size_t n, const char* input, std::uint64_t seed) {
  const Kernel* const kernel = built_kernel(name);
  if (kernel == nullptr) return;
  const absl::Status status = check_agreement(*kernel, {n, input, seed}, 2);
  INFO(std::string(status.message()));
  REQUIRE(status.ok());
}

TEST_CASE("sort: hard inputs are sorted as std::sort does", "[sort]") {
  for (const char* kernel : {"algorithm/sort", "algorithm/sort_u64"})
    for (const char* input : kHardInputs)
      for (std::size_t n : {0, 1, 2, 3, 15, 16, 17, 100, 256, 257, 1000, 5000, 70000, 140000})
        check(kernel, n, input, n + 1);
}

TEST_CASE("sort: every length around the base cases", "[sort]") {
  for (const char* kernel : {"algorithm/sort", "algorithm/sort_u64"})
    for (std::size_t n = 0; n < 600; n += n < 40 ? 1 : 7) check(kernel, n, "random", n);
}

TEST_CASE("sort: keys that start off their alignment", "[sort]") {
  for (std::size_t offset : {1, 3}) {
    const ScopedMisalignment misaligned(offset);
    for (const char* kernel : {"algorithm/sort", "algorithm/sort_u64"})
      for (std::size_t n : {5, 64, 200, 1001, 4099}) check(kernel, n, "random", offset);
  }
}

TEST_CASE("sort: more keys than the caches hold, which are dealt out by whole lines", "[sort]") {
  const ScopedMisalignment misaligned(3);
  for (const char* input : {"random", "exponential", "almost_sorted"}) {
    check("algorithm/sort", (2 << 20) + 4099, input, 1);
    check("algorithm/sort_u64", (1 << 20) + 2049, input, 1);
  }
}

}  // namespace
}  // namespace headroom
