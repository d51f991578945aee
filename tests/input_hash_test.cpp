// Each kernel's inputs at one size, against the hashes in golden/inputs.txt: a generator that was
// changed is noticed, though all variants agree on what it makes now. golden/README.md says how to
// write the table anew.
//
// A hash is of all Buffers of an input and of the state in which the generator is left; what lies
// in other containers shows only where it takes more draws or fewer. Left out are probes, kernels
// whose inputs lie in files or on servers, and what is not the same twice: an input of which a
// Buffer holds addresses.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "bench/ladder.h"
#include "catch.h"
#include "core/kernel.h"

namespace headroom {
namespace {

constexpr std::size_t kMostItems = 4097;
const char* const kTable = HEADROOM_SOURCE "/tests/golden/inputs.txt";
const char* const kRenew =
    "; if that is intended: HEADROOM_RENEW=1 build/release/tests/headroom-tests 'inputs are those "
    "of the golden table', and say so in the commit";

// "group/kernel n:1000 input:random" -> the hash's digits.
std::map<std::string, std::string> read_table() {
  std::map<std::string, std::string> table;
  std::ifstream file(kTable);
  std::string kernel, n, input, hash;
  while (file >> kernel >> n >> input >> hash) table[kernel + ' ' + n + ' ' + input] = hash;
  return table;
}

void write_table(const std::map<std::string, std::string>& table) {
  std::ofstream file(kTable);
  for (const auto& [what, hash] : table) file << what << ' ' << hash << '\n';
}

// Kernels of other repositories are none of this table's either.
bool left_out(const Kernel& kernel) {
  return !std::filesystem::exists(HEADROOM_SOURCE "/kernels/" + kernel.source) ||
         kernel.group() == "machine" || !kernel.meta.fixtures.empty() || !kernel.input_hash ||
         noise_class(kernel.meta.axis) == NoiseClass::kStorage;
}

std::string hex(std::uint64_t hash) {
  char digits[17];
  std::snprintf(digits, sizeof digits, "%016llx", static_cast<unsigned long long>(hash));
  return digits;
}

// The largest size that tests go to, up to kMostItems.
std::size_t size_of(const Kernel& kernel) {
  std::size_t n = 0;
  for (const std::size_t size : kernel.meta.test_sizes)
    if (size <= kMostItems) n = std::max(n, size);
  return n;
}

// Of those inputs that can be hashed; nothing for one that differs from one time to the next.
std::map<std::string, std::string> hashes(const Kernel& kernel) {
  std::map<std::string, std::string> all;
  std::vector<std::string> inputs = kernel.meta.inputs;
  inputs.insert(inputs.end(), kernel.meta.test_inputs.begin(), kernel.meta.test_inputs.end());
  for (const std::string& input : inputs) {
    const Setting setting{size_of(kernel), input, 9, 1, ladders(kernel).front().params};
    // One more input alive, so that the second one's memory lies elsewhere.
    const std::uint64_t first = kernel.input_hash(setting);
    const std::unique_ptr<Instance> between = kernel.bind(setting);
    const std::string what =
        kernel.meta.name + " n:" + std::to_string(setting.n) + " input:" + input;
    all[what] = kernel.input_hash(setting) == first ? hex(first) : "differs";
  }
  return all;
}

TEST_CASE("inputs are those of the golden table") {
  std::map<std::string, std::string> table = read_table();
  const bool renew = std::getenv("HEADROOM_RENEW") != nullptr;
  for (const Kernel& kernel : kernels()) {
    if (left_out(kernel)) continue;
    const std::map<std::string, std::string> now = hashes(kernel);
    if (renew)
      std::erase_if(table, [&](const auto& line) {
        return line.first.rfind(kernel.meta.name + ' ', 0) == 0;
      });
    for (const auto& [what, hash] : now) {
      if (renew) {
        table[what] = hash;
        continue;
      }
      const auto golden = table.find(what);
      INFO(what << ": "
                << (golden == table.end() ? "not in the golden table" : "another input than before")
                << kRenew);
      CHECK((golden != table.end() && golden->second == hash));
    }
  }
  if (renew) write_table(table);
}

TEST_CASE("a hash of an input changes with what is in it, and with the seed") {
  for (const Kernel& kernel : kernels()) {
    if (left_out(kernel)) continue;
    const std::size_t n = size_of(kernel);
    if (n < 64) continue;
    const Setting setting{n, kernel.meta.inputs.front(), 1, 1, ladders(kernel).front().params};
    Setting other = setting;
    other.seed = 2;
    INFO(kernel.meta.name);
    CHECK(kernel.input_hash(setting) != kernel.input_hash(other));
  }
  {
    const internal::BufferWatch watch;
    const Buffer<std::uint32_t> kept = {1, 2, 3};
    const std::uint64_t three = watch.hash();
    Buffer<std::uint32_t> more = {4};
    const std::uint64_t four = watch.hash();
    CHECK(four != three);
    more[0] = 5;
    CHECK(watch.hash() != four);
    more = Buffer<std::uint32_t>();
    CHECK(watch.hash() == three);
  }
}

}  // namespace
}  // namespace headroom
