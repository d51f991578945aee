// algorithm/hash_insert: keys that some hash function or other sends all to one place. A map that
// grows until they no longer meet would take all the memory there is.
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "catch.h"
#include "core/agreement.h"

namespace headroom {
namespace {

TEST_CASE("hash_insert: keys that differ only in bits, or by factors, that a hash leaves out") {
  for (const std::uint64_t factor :
       {std::uint64_t{1}, std::uint64_t{1} << 16, std::uint64_t{1} << 32, std::uint64_t{1} << 48,
        std::uint64_t{97}, std::uint64_t{10273}, std::uint64_t{1} << 63}) {
    std::vector<std::uint64_t> keys(9000);
    for (std::size_t i = 0; i < keys.size(); ++i) keys[i] = i * factor;
    std::vector<std::uint8_t> bytes(8 * keys.size());
    std::memcpy(bytes.data(), keys.data(), bytes.size());
    for (const char* name : {"algorithm/hash_insert", "algorithm/hash_insert_reserved"}) {
      const Kernel* kernel = find_kernel(name);
      REQUIRE(kernel != nullptr);
      if (!kernel->bind_bytes) continue;
      const absl::Status status = check_agreement(*kernel, bytes);
      INFO(name << ", factor " << factor << ": " << std::string(status.message()));
      CHECK(status.ok());
    }
  }
}

}  // namespace
}  // namespace headroom
