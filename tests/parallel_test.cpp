// The kernels of group parallel/ beyond agreement on this machine's cores: more threads than cores,
// more threads than items, and sizes at which the parts of a split are uneven in each way.
#include <string>
#include <vector>

#include "catch.h"
#include "core/agreement.h"
#include "subset.h"
#include "support/openblas_threads.h"

namespace headroom {
namespace {

void check(const Kernel& kernel, std::size_t n, InputName input, int threads) {
  const absl::Status status = check_agreement(kernel, {n, input, n + 3, threads}, 1);
  INFO(std::string(status.message()));
  CHECK(status.ok());
}

TEST_CASE("parallel: variants agree with more threads than cores, and than items") {
  for (const Kernel& kernel : kernels()) {
    if (kernel.group() != "parallel") continue;
    DYNAMIC_SECTION(kernel.meta.name) {
      REQUIRE(kernel.meta.sweeps_threads);
      const std::vector<std::size_t>& sizes = kernel.meta.test_sizes;
      for (const std::string& input : kernel.meta.inputs)
        for (const int threads : {3, 8})
          for (const std::size_t n : sizes)  // more threads than cores spend their time waiting
            if (n < 70 || n == sizes.back()) check(kernel, n, input, threads);
    }
  }
}

TEST_CASE("parallel: each ladder has the naive and the best of one thread, at every size") {
  for (const Kernel& kernel : kernels()) {
    if (kernel.group() != "parallel") continue;
    INFO(kernel.meta.name);
    int single = 0, threaded = 0;
    for (const VariantInfo& variant : kernel.variants) {
      single += variant.single_thread && variant.max_n == kNoLimit ? 1 : 0;
      threaded += variant.single_thread ? 0 : 1;
    }
    CHECK(kernel.variants.front().single_thread);
    CHECK(single >= 2);
    CHECK(threaded >= 2);
  }
}

// B is packed by all threads together in whole panels of three vectors, but the last, which may
// have one, two or four: every remainder, for vectors of 4, 8 and 16 floats, and a second strip.
TEST_CASE("parallel/matmul: what is packed together is what each would pack") {
  const Kernel* const kernel = built_kernel("parallel/matmul");
  if (kernel == nullptr) return;
  for (const std::size_t n : {272, 289, 297, 304, 320, 321, 481, 500, 530, 600})
    for (const int threads : {1, 2, 3, 7}) check(*kernel, n, "default", threads);
}

TEST_CASE("parallel/stencil: strips agree where a grid is more than one wide for each thread") {
  const Kernel* const kernel = built_kernel("parallel/stencil");
  if (kernel == nullptr) return;
  for (const std::size_t n : {2051, 2115, 4200})
    for (const int threads : {1, 2}) check(*kernel, n, "default", threads);
}

TEST_CASE("parallel/prefix_sum: agrees where there are several blocks, the last one uneven") {
  const Kernel* const kernel = built_kernel("parallel/prefix_sum");
  if (kernel == nullptr) return;
  for (const std::size_t n : {65'536, 70'001, 200'003, 1'000'003})
    for (const int threads : {1, 2, 3}) check(*kernel, n, "default", threads);
}

TEST_CASE("parallel: sorts agree on inputs that split badly") {
  for (const char* name : {"parallel/sort", "parallel/quicksort_tasks"}) {
    const Kernel* const kernel = built_kernel(name);
    if (kernel == nullptr) continue;
    for (const std::string& input : kernel->meta.test_inputs)
      for (const std::size_t n : {1, 100, 4097, 70'000})
        for (const int threads : {1, 2, 3, 6}) check(*kernel, n, input, threads);
  }
}

TEST_CASE("OpenBLAS with OpenMP's threads computes with as many as it is told") {
  if (!has_openblas_threads()) return;
  const std::size_t n = 100'000;
  const std::vector<double> x(n, 2), y(n, 3);
  for (const int threads : {1, 2, 3}) {
    openblas_threads().set_threads(threads);
    CHECK(openblas_threads().ddot(static_cast<int>(n), x.data(), 1, y.data(), 1) == 6.0 * n);
  }
}

}  // namespace
}  // namespace headroom
