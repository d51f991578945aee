// The fuzzer's seeds, tests/fuzz/seeds/<group>/<kernel>/*: hand-written hard cases, and inputs that
// once failed. All variants agree on each, on every SIMD target of this host.
#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#define HWY_WANT_AVX3_DL 1
#include "catch.h"
#include "core/agreement.h"
#include "hwy/targets.h"

namespace headroom {
namespace {

std::string contents(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST_CASE("the fuzzer's seeds agree on every SIMD target") {
  const std::filesystem::path seeds(HEADROOM_SOURCE "/tests/fuzz/seeds");
  REQUIRE(std::filesystem::is_directory(seeds));
  for (const auto& entry : std::filesystem::recursive_directory_iterator(seeds)) {
    if (!entry.is_regular_file()) continue;
    const std::string name = std::filesystem::relative(entry.path().parent_path(), seeds).string();
    const Kernel* kernel = find_kernel(name);
    INFO(entry.path().string());
    if (kernel == nullptr && HEADROOM_SUBSET) continue;  // not built
    REQUIRE(kernel != nullptr);
    REQUIRE(kernel->bind_bytes);
    const std::string text = contents(entry.path());
    const std::vector<std::uint8_t> bytes(text.begin(), text.end());
    DYNAMIC_SECTION(name << " " << entry.path().filename().string()) {
      std::int64_t left = hwy::SupportedTargets() & HWY_TARGETS;
      for (; left != 0; left &= left - 1) {
        hwy::DisableTargets((left & -left) - 1);
        const absl::Status status = check_agreement(*kernel, bytes);
        INFO(hwy::TargetName(left & -left));
        INFO(std::string(status.message()));
        CHECK(status.ok());
      }
      hwy::DisableTargets(0);
    }
  }
}

TEST_CASE("the fuzzer is built of every kernel that takes bytes") {
  for (const Kernel& kernel : kernels()) {
    if (!kernel.bind_bytes) continue;
    INFO(kernel.source << ": spell it as cmake/kernels.cmake looks for it");
    CHECK(contents(HEADROOM_SOURCE "/kernels/" + kernel.source)
              .find("from(std::span<const std::uint8_t>") != std::string::npos);
  }
}

}  // namespace
}  // namespace headroom
