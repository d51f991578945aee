// simd/popcount: every length around the vectors and the blocks of them, from every start, on every
// target that this machine has.
#include <cstdint>
#include <string>

#define HWY_WANT_AVX3_DL 1
#include "catch.h"
#include "core/agreement.h"
#include "hwy/targets.h"

namespace headroom {
namespace {

TEST_CASE("popcount: every length up to several blocks of vectors") {
  const Kernel* const kernel = find_kernel("simd/popcount");
  REQUIRE(kernel != nullptr);
  for (std::int64_t left = hwy::SupportedTargets() & HWY_TARGETS; left != 0; left &= left - 1) {
    hwy::DisableTargets((left & -left) - 1);
    for (std::size_t offset : {0, 1, 3}) {
      const ScopedMisalignment misaligned(offset);
      for (std::size_t n = 0; n < 700; n += n < 160 ? 1 : 13) {
        const absl::Status status = check_agreement(*kernel, Setting{.n = n}, 1);
        INFO(n << " words: " << std::string(status.message()));
        REQUIRE(status.ok());
      }
    }
  }
  hwy::DisableTargets(0);
}

}  // namespace
}  // namespace headroom
