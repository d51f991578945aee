// machine/mispredict: what a mispredicted branch costs.
//
// Branches on random bits, which no predictor gets right more than half of the time: n branches are
// n / 2 mispredictions. The bits of 64 branches lie in one register and a branch jumps over one
// add, so that nothing but the branch waits: the time of a misprediction is that of finding it out
// and of fetching anew, plus that of one correctly predicted branch (a cycle or less). Out: the sum
// of the weights of the bits that are set, which differs for each place in a word.
#include <algorithm>
#include <span>

#include "core/kernel.h"

namespace headroom {
namespace {

constexpr std::size_t kWord = 64;
constexpr std::size_t kWords = std::size_t{1} << 16;  // 2^22 decisions before they repeat

constexpr std::uint64_t weight(std::size_t bit) { return 2 * bit + 1; }

struct Mispredict {
  struct Call {
    std::span<const std::uint64_t> words;
  };
  struct Input {
    Buffer<std::uint64_t> words;
    std::size_t per_call = 0;  // words
    Call at(std::size_t turn) const {
      return {{words.data() + turn % (words.size() / per_call) * per_call, per_call}};
    }
  };
  using Output = std::uint64_t;

  static std::size_t words(const Setting& s) { return (s.n + kWord - 1) / kWord; }
  static Input make(const Setting& setting, Rng& rng) {
    const std::size_t per_call = words(setting);
    Input in{Buffer<std::uint64_t>(std::max(kWords, 2 * per_call)), per_call};
    for (std::uint64_t& word : in.words) word = rng();
    return in;
  }
  static absl::Status same(const Call& call, const Output& want, const Output& got) {
    std::uint64_t truth = 0;
    for (std::uint64_t word : call.words)
      for (std::size_t bit = 0; bit < kWord; ++bit) truth += (word >> bit & 1) * weight(bit);
    if (absl::Status status = exact(truth, want); !status.ok()) return status;
    return exact(want, got);
  }
};

void probe(const Mispredict::Call& call, std::uint64_t& out) {
  std::uint64_t sum = 0;
  for (std::uint64_t word : call.words) {
#pragma GCC unroll 64
    for (std::size_t bit = 0; bit < kWord; ++bit) {
      // Opaque, or the compiler would add without a branch.
      if (word >> bit & 1) sum = opaque(sum + weight(bit));
    }
  }
  out = sum;
}

constexpr Variant<Mispredict> kVariants[] = {
    {.name = "probe",
     .run = run<probe>,
     .what = "branches on random bits: every other one is mispredicted"},
};

const Registrar kRegistrar({.name = "machine/mispredict",
                            .axis = Axis::kScalar,
                            .technique = "the price of a branch that can't be predicted",
                            .sizes = {1 << 14},
                            .headline = {1 << 14},
                            .warm = Warm::kCall,
                            .unit = "ns",
                            .demand =
                                [](const Setting& s) {
                                  const double branches =
                                      static_cast<double>(kWord * Mispredict::words(s));
                                  return Demand{
                                      .items = branches / 2,
                                      .working_set = 8 * Mispredict::words(s),
                                      .memory = 8 * std::max(kWords, 2 * Mispredict::words(s))};
                                },
                            .test_sizes = {1, 63, 64, 65, 1000}},
                           kVariants);

}  // namespace
}  // namespace headroom
