// Keys that the kernels' own inputs don't have: clustered, all alike, at both ends of their type.
#include <cstdint>
#include <string>
#include <vector>

#include "catch.h"
#include "core/agreement.h"
#include "subset.h"

namespace headroom {
namespace {

template <class KeyOf>
void check(const char* name, std::size_t numbers, KeyOf&& key_of) {
  const Kernel* kernel = built_kernel(name);
  if (kernel == nullptr) return;
  std::vector<std::uint8_t> bytes;
  for (std::size_t i = 0; i < numbers; ++i) {
    const std::uint32_t key = key_of(static_cast<std::uint32_t>(i));
    for (int byte = 0; byte < 4; ++byte)
      bytes.push_back(static_cast<std::uint8_t>(key >> (8 * byte)));
  }
  const absl::Status status = check_agreement(*kernel, bytes);
  INFO(std::string(status.message()));
  CHECK(status.ok());
}

TEST_CASE("lower_bound: clustered keys, equal keys, the ends of their type") {
  for (const char* name : {"algorithm/lower_bound", "algorithm/lower_bound_dependent"}) {
    INFO(name);
    for (const std::size_t numbers : {0, 1, 5, 64, 66, 90, 1000, 6000}) {
      INFO(numbers);
      const auto random = [](std::uint32_t i) {
        return static_cast<std::uint32_t>((i + 1) * 0x9e3779b97f4a7c15 >> 29);
      };
      check(name, numbers, random);
      check(name, numbers, [](std::uint32_t i) { return i; });
      check(name, numbers, [](std::uint32_t) { return 7u; });
      check(name, numbers, [](std::uint32_t i) { return i % 3 == 0 ? 0x7fffffffu : 0x80000000u; });
      check(name, numbers, [&](std::uint32_t i) { return random(i) >> random(i + 1) % 32; });
      check(name, numbers,
            [&](std::uint32_t i) { return i % 64 == 0 ? random(i) : random(i) % 99; });
    }
  }
}

}  // namespace
}  // namespace headroom
