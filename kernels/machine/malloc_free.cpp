// machine/malloc_free: one malloc and the free of what it gave, n times a call.
//
// The kindest case: the block freed last is the one asked for next, nothing is touched. 64 bytes
// stay in glibc's cache of the thread; 4 KiB are too large for it and go through the arena; 1 MiB
// was mapped from the system the first time and comes from the heap after that, since glibc raises
// its threshold when such a block is freed. Out: how many times there was memory.
#include <cstdlib>
#include <thread>

#include "core/kernel.h"

namespace headroom {
namespace {

struct MallocFree {
  static constexpr auto kInputs = inputs("b64", "b4096", "b1m");
  struct Input {
    std::size_t bytes = 0;
    std::size_t pairs = 0;
  };
  using Output = std::size_t;

  static Input make(const Setting& setting, Rng&) {
    // In a process that never had a second thread glibc takes no locks: not what programs pay that
    // have some.
    std::thread([] {}).join();
    const std::size_t bytes = setting.input == kInputs["b4096"] ? 4096
                              : setting.input == kInputs["b1m"] ? 1 << 20
                                                                : 64;
    return {bytes, setting.n};
  }
  static absl::Status same(const Input& in, const Output& want, const Output& got) {
    if (want != in.pairs) return exact(in.pairs, want);
    return exact(want, got);
  }
};

void probe(const MallocFree::Input& in, std::size_t& out) {
  std::size_t got = 0;
  for (std::size_t i = 0; i < in.pairs; ++i) {
    // Opaque: compilers know malloc and drop a pair that nobody looks at.
    void* const memory = opaque(std::malloc(in.bytes));
    got += memory != nullptr;
    std::free(memory);
  }
  out = got;
}

constexpr Variant<MallocFree> kVariants[] = {
    {.name = "probe", .run = run<probe>, .what = "malloc, then free of the same block, untouched"},
};

const Registrar kRegistrar(
    {.name = "machine/malloc_free",
     .axis = Axis::kScalar,
     .technique = "the least that an allocation costs",
     .sizes = {1024},
     .headline = {1024},
     .unit = "ns",
     .demand = [](const Setting& s) { return Demand{.items = static_cast<double>(s.n)}; },
     .test_sizes = {1, 2, 33}},
    kVariants);

}  // namespace
}  // namespace headroom
