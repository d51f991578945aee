// computation/loop_invariant: work in a loop that is the same in every round.
//
// In: a C string of n samples (bytes of 1 to 255, behind them a 0), a gain in decibels, a divisor.
// Out: for each sample, min(255, int(sample * 10^(gain / 20)) / divisor), a byte. Exact: all
// variants multiply by the same double and drop the same fraction.
//
// The naive loop asks for the string's length, the power and a division in every round. The
// compiler may move neither call out of the loop: the output are bytes, which may lie in the string
// for all that it knows, and pow may set errno. So the length alone makes it quadratic. Nobody
// ships that knowingly: with the length and the power before the loop (hoisted_power, the standard)
// it is what one writes, and what the rest gains is over that. The techniques (code motion,
// strength reduction, table lookup) are those of Allen and Cocke, "A catalogue of optimizing
// transformations" (1971), and of Bentley, "Writing efficient programs" (1982).
#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/kernel.h"
#include "support/slices.h"

namespace headroom {
namespace {

constexpr std::size_t kSamples = std::size_t{1} << 20;  // carried

struct LoopInvariant {
  struct Call {
    const char* text;
    std::size_t n;
    double gain;
    int divisor;
  };
  struct Input {
    Buffer<char> texts;  // each n samples and a 0
    Slices slices;       // of texts
    std::size_t n = 0;
    double gain = 0;
    int divisor = 1;
    Call at(std::size_t turn) const {
      return {texts.data() + slices.first(turn), n, gain, divisor};
    }
  };
  using Output = Buffer<std::uint8_t>;

  static Input make(const Setting& setting, Rng& rng) {
    Input in;
    in.n = setting.n;
    in.gain = 12 + static_cast<double>(bounded(rng, 8));
    in.divisor = 3 + static_cast<int>(bounded(rng, 5));
    in.slices = Slices::covering(in.n < 1000 ? 4 * (in.n + 1) : kSamples, in.n + 1);
    in.texts = Buffer<char>(in.slices.items());
    FastRng fast(rng());
    std::size_t i = 0;
    for (char& sample : in.texts)
      sample = ++i % (in.n + 1) == 0 ? '\0' : static_cast<char>(1 + bounded(fast, 255));
    return in;
  }
  static void size(const Input& in, Output& out) { out = Output(in.n); }
  static absl::Status same(const Call&, const Output& want, const Output& got) {
    return exact(want, got);
  }
};
using Call = LoopInvariant::Call;
using Output = LoopInvariant::Output;

int sample(const char* text, std::size_t i) { return static_cast<unsigned char>(text[i]); }

void naive(const Call& in, Output& out) {
  for (std::size_t i = 0; i < std::strlen(in.text); ++i)
    out[i] = static_cast<std::uint8_t>(std::min(
        255, static_cast<int>(sample(in.text, i) * std::pow(10.0, in.gain / 20)) / in.divisor));
}

// The length doesn't change: no longer quadratic.
void hoisted_length(const Call& in, Output& out) {
  const std::size_t length = std::strlen(in.text);
  for (std::size_t i = 0; i < length; ++i)
    out[i] = static_cast<std::uint8_t>(std::min(
        255, static_cast<int>(sample(in.text, i) * std::pow(10.0, in.gain / 20)) / in.divisor));
}

// Nor does the power.
void hoisted_power(const Call& in, Output& out) {
  const std::size_t length = std::strlen(in.text);
  const double factor = std::pow(10.0, in.gain / 20);
  for (std::size_t i = 0; i < length; ++i)
    out[i] = static_cast<std::uint8_t>(
        std::min(255, static_cast<int>(sample(in.text, i) * factor) / in.divisor));
}

// Nor where the text is read and the output goes; but for all that the compiler knows, a byte that
// is written could change either pointer, so both are local variables. Alone that gains nothing, as
// the division takes longer than the loads.
void hoisted_pointers(const Call& in, Output& out) {
  const std::size_t length = std::strlen(in.text);
  const double factor = std::pow(10.0, in.gain / 20);
  const int divisor = in.divisor;
  const char* const text = in.text;
  std::uint8_t* const to = out.data();
  for (std::size_t i = 0; i < length; ++i)
    to[i] = static_cast<std::uint8_t>(
        std::min(255, static_cast<int>(sample(text, i) * factor) / divisor));
}

// A multiplication instead of the division: 2^32 / divisor, rounded up, is exact for numerators up
// to 2^16 and divisors below that.
void reciprocal(const Call& in, Output& out) {
  const std::size_t length = std::strlen(in.text);
  const double factor = std::pow(10.0, in.gain / 20);
  const std::uint64_t inverse = (std::uint64_t{1} << 32) / static_cast<unsigned>(in.divisor) + 1;
  const char* const text = in.text;
  std::uint8_t* const to = out.data();
  for (std::size_t i = 0; i < length; ++i) {
    const int product = static_cast<int>(sample(text, i) * factor);
    to[i] = static_cast<std::uint8_t>(
        std::min<std::uint64_t>(255, (static_cast<unsigned>(product) * inverse) >> 32));
  }
}

// A sample has 256 values, so all of it is the same in many rounds: a table has every answer.
void table(const Call& in, Output& out) {
  const std::size_t length = std::strlen(in.text);
  const double factor = std::pow(10.0, in.gain / 20);
  const std::uint64_t inverse = (std::uint64_t{1} << 32) / static_cast<unsigned>(in.divisor) + 1;
  std::uint8_t levels[256];
  for (unsigned value = 0; value < 256; ++value)
    levels[value] = static_cast<std::uint8_t>(std::min<std::uint64_t>(
        255, (static_cast<unsigned>(static_cast<int>(value * factor)) * inverse) >> 32));
  const char* const text = in.text;
  std::uint8_t* const to = out.data();
  for (std::size_t i = 0; i < length; ++i) to[i] = levels[sample(text, i)];
}

constexpr Variant<LoopInvariant> kVariants[] = {
    {.name = "naive",
     .run = run<naive>,
     .what = "strlen, pow and a division in every iteration: quadratic, as no compiler may move "
             "them; nobody ships it knowingly",
     .max_n = 65536},
    {.name = "hoisted_length",
     .run = run<hoisted_length>,
     .what = "strlen before the loop: linear"},
    {.name = "hoisted_power",
     .run = run<hoisted_power>,
     .what = "pow before the loop too",
     .role = Role::kStandard},
    {.name = "hoisted_pointers",
     .run = run<hoisted_pointers>,
     .what =
         "and no pointer, nor the divisor, is read again after each byte written: no gain yet, the "
         "division takes longer"},
    {.name = "reciprocal",
     .run = run<reciprocal>,
     .what = "a multiplication instead of the division"},
    {.name = "table",
     .run = run<table>,
     .what = "256 samples, so 256 answers: nothing but a load in the loop"},
};

const Registrar kRegistrar(
    {.name = "computation/loop_invariant",
     .axis = Axis::kScalar,
     .technique = "what is the same in every iteration is done once, before the loop",
     .sizes = {1000, 65536, 1 << 20, 32 << 20},
     .headline = {1000, 65536},
     .demand =
         [](const Setting& s) {
           const double n = static_cast<double>(s.n);
           return Demand{.items = n,
                         .bytes = 2 * n,
                         .working_set = 2 * s.n,
                         .memory = 2 * (kSamples + s.n) + 6 * s.n};
         }},
    kVariants);

}  // namespace
}  // namespace headroom
