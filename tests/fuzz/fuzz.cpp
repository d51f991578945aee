// The fuzzer: bytes that libFuzzer makes up, as an input of one kernel; every variant against the
// baseline, under the sanitizers. The registry is walked: a kernel whose problem has from(bytes)
// can be fuzzed, and nothing here names it.
//
//   headroom-fuzz --list                                     the kernels that can be fuzzed
//   headroom-fuzz --kernel=GROUP/NAME [libFuzzer's flags] [CORPUS...]
//   headroom-fuzz --kernel=GROUP/NAME FILE...                one input again, for a debugger
//
// Each input runs on one SIMD target of the host, chosen by its bytes, so that a file always takes
// the same one. (Files that matter become seeds, and those are tested on every target:
// tests/seeds_test.cpp.)
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#define HWY_WANT_AVX3_DL 1
#include "core/agreement.h"
#include "core/kernel.h"
#include "hwy/targets.h"

namespace headroom {
namespace {

const Kernel* fuzzed = nullptr;

std::vector<std::int64_t> host_targets() {
  std::vector<std::int64_t> targets;
  std::int64_t left = hwy::SupportedTargets() & HWY_TARGETS;
  for (; left != 0; left &= left - 1) targets.push_back(left & -left);
  return targets;
}

// FNV-1a, of Fowler, Noll and Vo: which target an input takes must look random, no more.
std::uint64_t hash(std::span<const std::uint8_t> bytes) {
  std::uint64_t h = 0xcbf29ce484222325;
  for (const std::uint8_t byte : bytes) h = (h ^ byte) * 0x100000001b3;
  return h ^ (h >> 32);
}

void check(std::span<const std::uint8_t> bytes) {
  static const std::vector<std::int64_t> targets = host_targets();
  const std::int64_t target = targets[hash(bytes) % targets.size()];
  hwy::DisableTargets(target - 1);
  const absl::Status status = check_agreement(*fuzzed, bytes);
  if (status.ok()) return;
  std::fprintf(stderr, "%s (SIMD target %s)\n", std::string(status.message()).c_str(),
               hwy::TargetName(target));
  std::abort();
}

[[noreturn]] void list() {
  for (const Kernel& kernel : kernels())
    if (kernel.bind_bytes) std::puts(kernel.meta.name.c_str());
  std::exit(0);
}

[[noreturn]] void misused(std::string_view why) {
  std::fprintf(stderr, "headroom-fuzz: %.*s (--list names those that can be fuzzed)\n",
               static_cast<int>(why.size()), why.data());
  std::exit(2);
}

}  // namespace
}  // namespace headroom

extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv) {
  int kept = 1;
  for (int i = 1; i < *argc; ++i) {
    const std::string_view argument = (*argv)[i];
    if (argument == "--list") headroom::list();
    if (argument.starts_with("--kernel=")) {
      headroom::fuzzed = headroom::find_kernel(argument.substr(9));
      if (headroom::fuzzed == nullptr || !headroom::fuzzed->bind_bytes)
        headroom::misused(std::string(argument) + " takes no bytes as an input");
    } else {
      (*argv)[kept++] = (*argv)[i];
    }
  }
  (*argv)[kept] = nullptr;
  *argc = kept;
  if (headroom::fuzzed == nullptr) headroom::misused("say what: --kernel=GROUP/NAME");
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  headroom::check({data, size});
  return 0;
}
