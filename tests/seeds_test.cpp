// Bytes as inputs. The fuzzer's seeds, tests/fuzz/seeds/<group>/<kernel>/*, are hand-written hard
// cases, and inputs that once failed: all variants agree on each, on every SIMD target of this
// host. So do they on seeds with random edits, and on random bytes: no match for the fuzzer, which
// learns from the branches taken, but at no cost wherever the tests run.
#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#define HWY_WANT_AVX3_DL 1
#include "catch.h"
#include "core/agreement.h"
#include "core/random.h"
#include "hwy/targets.h"
#include "subset.h"

namespace headroom {
namespace {

std::string contents(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

using Bytes = std::vector<std::uint8_t>;

const std::filesystem::path kSeeds(HEADROOM_SOURCE "/tests/fuzz/seeds");

std::vector<std::int64_t> host_targets() {
  std::vector<std::int64_t> targets;
  for (std::int64_t left = hwy::SupportedTargets() & HWY_TARGETS; left != 0; left &= left - 1)
    targets.push_back(left & -left);
  return targets;
}

Bytes bytes_of(std::string_view text) { return {text.begin(), text.end()}; }

// By kernel.
std::map<std::string, std::vector<Bytes>> all_seeds() {
  std::map<std::string, std::vector<Bytes>> all;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(kSeeds))
    if (entry.is_regular_file())
      all[std::filesystem::relative(entry.path().parent_path(), kSeeds).string()].push_back(
          bytes_of(contents(entry.path())));
  return all;
}

// Up to 700 bytes of one of: anything; the digits and marks of numbers and JSON; two letters, so
// that much matches; one byte repeated.
Bytes random_bytes(Rng& rng) {
  static const Bytes kAlphabets[] = {
      {}, bytes_of("0123456789.-+eE,:{}[]\" \n"), bytes_of("ab"), bytes_of("a")};
  const Bytes& alphabet = kAlphabets[bounded(rng, std::size(kAlphabets))];
  Bytes bytes(bounded(rng, 8) == 0 ? bounded(rng, 701) : bounded(rng, 80));
  for (std::uint8_t& byte : bytes)
    byte = static_cast<std::uint8_t>(alphabet.empty() ? bounded(rng, 256)
                                                      : alphabet[bounded(rng, alphabet.size())]);
  return bytes;
}

// One to four edits: a byte changed, taken out or put in, the end cut off, the whole twice.
Bytes edited(Bytes bytes, Rng& rng) {
  for (std::uint64_t edits = 1 + bounded(rng, 4); edits != 0; --edits) {
    const auto at = bytes.begin() + static_cast<std::ptrdiff_t>(bounded(rng, bytes.size() + 1));
    const auto byte = static_cast<std::uint8_t>(bounded(rng, 256));
    switch (bounded(rng, 5)) {
      case 0:
        if (at != bytes.end()) *at = byte;
        break;
      case 1:
        if (at != bytes.end()) bytes.erase(at);
        break;
      case 2:
        bytes.insert(at, byte);
        break;
      case 3:
        bytes.erase(at, bytes.end());
        break;
      default:
        if (const Bytes once = bytes; bytes.size() < 2000)
          bytes.insert(bytes.end(), once.begin(), once.end());
    }
  }
  return bytes;
}

TEST_CASE("edited seeds and random bytes agree, each on one SIMD target") {
  constexpr int kInputs = 1000;
  const std::vector<std::int64_t> targets = host_targets();
  const std::map<std::string, std::vector<Bytes>> seeds = all_seeds();
  for (const Kernel& kernel : kernels()) {
    if (!kernel.bind_bytes) continue;
    DYNAMIC_SECTION(kernel.meta.name) {
      const auto own = seeds.find(kernel.meta.name);
      Rng rng(1);
      for (int i = 0; i < kInputs; ++i) {
        const bool edit = own != seeds.end() && i % 2 == 0;
        const Bytes bytes =
            edit ? edited(own->second[bounded(rng, own->second.size())], rng) : random_bytes(rng);
        const std::int64_t target = targets[bounded(rng, targets.size())];
        hwy::DisableTargets(target - 1);
        const absl::Status status = check_agreement(kernel, bytes);
        INFO("input " << i << ", " << hwy::TargetName(target));
        INFO(std::string(status.message()));
        REQUIRE(status.ok());
      }
      hwy::DisableTargets(0);
    }
  }
}

TEST_CASE("the fuzzer's seeds agree on every SIMD target") {
  const std::filesystem::path& seeds = kSeeds;
  REQUIRE(std::filesystem::is_directory(seeds));
  for (const auto& entry : std::filesystem::recursive_directory_iterator(seeds)) {
    if (!entry.is_regular_file()) continue;
    const std::string name = std::filesystem::relative(entry.path().parent_path(), seeds).string();
    const Kernel* kernel = built_kernel(name);
    INFO(entry.path().string());
    if (kernel == nullptr) continue;
    REQUIRE(kernel->bind_bytes);
    const Bytes bytes = bytes_of(contents(entry.path()));
    DYNAMIC_SECTION(name << " " << entry.path().filename().string()) {
      for (const std::int64_t target : host_targets()) {
        hwy::DisableTargets(target - 1);
        const absl::Status status = check_agreement(*kernel, bytes);
        INFO(hwy::TargetName(target));
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
