// simd/crc32 and simd/crc32c: the cyclic redundancy check of a message, 32 bits, with the
// polynomial of IEEE 802.3 (CRC-32) and with Castagnoli's (CRC-32C).
//
// In: n random bytes. Out: the check. It depends on every bit of the message and on the place where
// the bit stands, so a variant that leaves out, repeats or swaps bytes is caught. Nothing branches
// on the data.
//
// The bits of the message are the coefficients of a polynomial over {0, 1}, where adding is an
// exclusive or; the check is the remainder of its division by a fixed polynomial of degree 32. The
// definition makes it bit by bit, a chain in which each step waits for the last one. But remainders
// are linear: that of a sum is the sum of the remainders, and what stands k bits further from the
// end counts x^k times. Each rung uses this to make the chain shorter:
//
//   table             a byte a step, its remainder looked up (Sarwate, 1988)
//   slice_8, _16      so many bytes a step, a table for each place (Kounavis and Berry, 2005)
//   instruction       eight bytes a step, by the processor's instruction; crc32c only
//   three_streams     three such chains side by side, joined by tables (Gopal and others, "Fast CRC
//                     Computation for iSCSI Polynomial Using CRC32 Instruction", 2011)
//   fold              no chain of remainders: blocks of 16 bytes are multiplied by x^k and added to
//                     later ones (Gopal and others, "Fast CRC Computation for Generic Polynomials
//                     Using PCLMULQDQ Instruction", 2009)
//   fold_and_streams  both at once, as they need different units of the core
//
// What is polynomials is in crc.h, what is SIMD in crc32-inl.h. The code is our own; all constants
// are computed from the polynomial.
//
// Links: isal zlib
#include <algorithm>
#include <cstdint>
#include <cstring>

#include "core/kernel.h"
#include "simd/crc.h"
#include "support/bytes.h"
#if defined(__x86_64__)
#include <nmmintrin.h>
#elif defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#endif
#if HEADROOM_HAVE_ZLIB
#include <zlib.h>
#endif
#if HEADROOM_HAVE_ISAL
#include <isa-l.h>
#endif

namespace headroom {
namespace {

// One problem for two polynomials.
template <std::uint32_t kPoly>
struct Crc {
  using Input = Buffer<std::uint8_t>;
  using Output = std::uint32_t;

  static Input make(const Setting& setting, Rng& rng) { return random_bytes(setting.n, rng); }
  static Input from(std::span<const std::uint8_t> bytes) { return copy_of(bytes); }
  static absl::Status same(const Input&, const Output& want, const Output& got) {
    return exact(want, got);
  }
};
using Input = Buffer<std::uint8_t>;

// All variants start with a register of ones and invert it at the end.
constexpr std::uint32_t kStart = ~std::uint32_t{0};

// The definition (crc.h): for each bit, a shift, and the polynomial subtracted where a one fell
// out.
template <std::uint32_t kPoly>
void naive(const Input& in, std::uint32_t& out) {
  out = ~crc::bitwise<kPoly>(kStart, in.data(), in.size());
}

// What eight of these steps do to the register depends on its lowest byte alone: one lookup in 256
// words in place of them.
template <std::uint32_t kPoly>
void table(const Input& in, std::uint32_t& out) {
  out = ~crc::by_table<kPoly>(kStart, in.data(), in.size());
}

// Eight bytes a step, each looked up in the table of its distance from the step's end: the lookups
// don't wait for each other. 8 KiB of tables.
template <std::uint32_t kPoly>
void slice_8(const Input& in, std::uint32_t& out) {
  out = ~crc::by_slices<kPoly, 8>(kStart, in.data(), in.size());
}

// Sixteen bytes a step: of the lookups only four need the register that the last step made. 16 KiB
// of tables.
template <std::uint32_t kPoly>
void slice_16(const Input& in, std::uint32_t& out) {
  out = ~crc::by_slices<kPoly, 16>(kStart, in.data(), in.size());
}

// eight_bytes(): the register after eight bytes more, by the instruction for Castagnoli's
// polynomial, SSE4.2's or Arm's. (It works on general registers, so Highway does not have it.)
#if defined(__x86_64__)
#define HEADROOM_CRC_INSTRUCTION __attribute__((target("sse4.2")))
HEADROOM_CRC_INSTRUCTION inline std::uint32_t eight_bytes(std::uint32_t r, const std::uint8_t* p) {
  std::uint64_t word;
  std::memcpy(&word, p, 8);
  return static_cast<std::uint32_t>(_mm_crc32_u64(r, word));
}
bool has_instruction() { return __builtin_cpu_supports("sse4.2") != 0; }
#elif defined(__aarch64__) && defined(__linux__)
#if defined(__clang__)
#define HEADROOM_CRC_INSTRUCTION __attribute__((target("crc")))
#define HEADROOM_CRC_WORD __builtin_arm_crc32cd
#else
#define HEADROOM_CRC_INSTRUCTION __attribute__((target("+crc")))
#define HEADROOM_CRC_WORD __builtin_aarch64_crc32cx
#endif
HEADROOM_CRC_INSTRUCTION inline std::uint32_t eight_bytes(std::uint32_t r, const std::uint8_t* p) {
  std::uint64_t word;
  std::memcpy(&word, p, 8);
  return HEADROOM_CRC_WORD(r, word);
}
bool has_instruction() {
  constexpr unsigned long kHwcapCrc32 = 1 << 7;
  return (getauxval(AT_HWCAP) & kHwcapCrc32) != 0;
}
#else
#define HEADROOM_CRC_INSTRUCTION
inline std::uint32_t eight_bytes(std::uint32_t r, const std::uint8_t* p) {
  return crc::by_slices<crc::kCastagnoli, 8>(r, p, 8);
}
bool has_instruction() { return false; }
#endif

// The register after n bytes more, eight at a time.
HEADROOM_CRC_INSTRUCTION std::uint32_t one_stream(std::uint32_t r, const std::uint8_t* p,
                                                  std::size_t n) {
  for (; n >= 8; p += 8, n -= 8) r = eight_bytes(r, p);
  return crc::by_table<crc::kCastagnoli>(r, p, n);
}

// Takes whole triples of pieces of kBytes from the message at p, three chains side by side. The
// second and third chain start from zero; being linear, the register of a triple is the first
// chain's moved over two pieces, plus the second's moved over one, plus the third's.
template <std::size_t kBytes>
HEADROOM_CRC_INSTRUCTION inline std::uint32_t three_pieces(std::uint32_t r, const std::uint8_t*& p,
                                                           std::size_t& n) {
  for (; n >= 3 * kBytes; p += 3 * kBytes, n -= 3 * kBytes) {
    std::uint32_t second = 0, third = 0;
    for (std::size_t i = 0; i < kBytes; i += 8) {
      r = eight_bytes(r, p + i);
      second = eight_bytes(second, p + i + kBytes);
      third = eight_bytes(third, p + i + 2 * kBytes);
    }
    r = crc::shifted<crc::kCastagnoli, kBytes>(r) ^ second;
    r = crc::shifted<crc::kCastagnoli, kBytes>(r) ^ third;
  }
  return r;
}

// Eight bytes an instruction; each waits three cycles for the last one.
void instruction(const Input& in, std::uint32_t& out) {
  out = ~one_stream(kStart, in.data(), in.size());
}

// Three chains keep the instruction's unit busy, which starts one a cycle. Long pieces first, for
// joining them costs as much as some hundred bytes; then short ones.
HEADROOM_CRC_INSTRUCTION void three_streams(const Input& in, std::uint32_t& out) {
  const std::uint8_t* p = in.data();
  std::size_t n = in.size();
  std::uint32_t r = three_pieces<2048>(kStart, p, n);
  r = three_pieces<128>(r, p, n);
  out = ~one_stream(r, p, n);
}

#if HEADROOM_HAVE_ZLIB
void zlib(const Input& in, std::uint32_t& out) {
  out = static_cast<std::uint32_t>(::crc32_z(0, in.data(), in.size()));
}
constexpr auto kZlibCrc = run<zlib>;
#else
constexpr auto kZlibCrc = kNotBuilt;
#endif

#if HEADROOM_HAVE_ISAL
void isal_ieee(const Input& in, std::uint32_t& out) {
  out = ::crc32_gzip_refl(0, in.data(), in.size());
}
void isal_castagnoli(const Input& in, std::uint32_t& out) {
  // It does not write to the buffer, though it takes a pointer to bytes that it might.
  out = ~::crc32_iscsi(const_cast<unsigned char*>(in.data()), static_cast<int>(in.size()), kStart);
}
constexpr auto kIsalIeee = run<isal_ieee>;
constexpr auto kIsalCastagnoli = run<isal_castagnoli>;
#else
constexpr auto kIsalIeee = kNotBuilt, kIsalCastagnoli = kNotBuilt;
#endif

}  // namespace
}  // namespace headroom

// The SIMD part, compiled once for each target.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/crc32-inl.h"
#include "simd/crc32-inl.h"

namespace headroom {
namespace {

HWY_EXPORT(CrcCanFold);
HWY_EXPORT(CrcCanDoBoth);
HWY_EXPORT(CrcBoth);
HWY_EXPORT(CrcFoldIeee);
HWY_EXPORT(CrcFoldCastagnoli);

bool can_fold() { return HWY_DYNAMIC_DISPATCH(CrcCanFold)(); }
bool can_do_both() { return HWY_DYNAMIC_DISPATCH(CrcCanDoBoth)(); }

// The message as it lies, multiplied and added block by block; what is left is 16 bytes, and one
// division.
void fold_ieee(const Input& in, std::uint32_t& out) {
  out = ~HWY_DYNAMIC_DISPATCH(CrcFoldIeee)(kStart, in.data(), in.size());
}
void fold_castagnoli(const Input& in, std::uint32_t& out) {
  out = ~HWY_DYNAMIC_DISPATCH(CrcFoldCastagnoli)(kStart, in.data(), in.size());
}

// Folding keeps the multiplier busy and leaves the instruction's unit idle: here both work, on two
// parts of the message.
void fold_and_streams(const Input& in, std::uint32_t& out) {
  out = ~HWY_DYNAMIC_DISPATCH(CrcBoth)(kStart, in.data(), in.size());
}

constexpr Need kNeedsZlib[] = {kZlib};
constexpr Need kNeedsIsal[] = {kIsal};
constexpr Need kNeedsFold[] = {
    {"carry-less multiplication", can_fold, "a CPU with PCLMULQDQ or Arm's PMULL"}};
constexpr Need kNeedsBoth[] = {
    {"PCLMULQDQ and the CRC-32C instruction", can_do_both, "an x86 CPU with PCLMULQDQ and SSE4.2"}};
constexpr Need kNeedsInstruction[] = {
    {"CRC-32C instruction", has_instruction, "a CPU with SSE4.2, or Arm's CRC32 under Linux"}};

// 25 ms a call; in larger messages the table is the baseline.
constexpr std::size_t kNaiveMost = 4 << 20;

constexpr std::string_view kNaiveWhat =
    "bit by bit: eight dependent steps per byte, about three cycles each";
constexpr std::string_view kTableWhat = "a look-up in 256 words for each byte";
constexpr std::string_view kSlice8What =
    "eight bytes per step: look-ups that don't wait for each other";
constexpr std::string_view kSlice16What =
    "sixteen bytes per step: only four of the look-ups depend on the step before";
constexpr std::string_view kFoldWhat =
    "carry-less products move blocks of 16 bytes (VPCLMULQDQ: 64) to later ones, eight in flight";

constexpr Variant<Crc<crc::kIeee>> kIeeeVariants[] = {
    {.name = "naive", .run = run<naive<crc::kIeee>>, .what = kNaiveWhat, .max_n = kNaiveMost},
    {.name = "table", .run = run<table<crc::kIeee>>, .what = kTableWhat, .role = Role::kStandard},
    {.name = "slice_8", .run = run<slice_8<crc::kIeee>>, .what = kSlice8What},
    {.name = "slice_16", .run = run<slice_16<crc::kIeee>>, .what = kSlice16What},
    {.name = "fold", .run = run<fold_ieee>, .what = kFoldWhat, .needs = kNeedsFold},
    {.name = "zlib",
     .run = kZlibCrc,
     .what = "crc32_z of zlib",
     .role = Role::kPeer,
     .needs = kNeedsZlib},
    {.name = "isal",
     .run = kIsalIeee,
     .what = "crc32_gzip_refl of ISA-L: folding too",
     .role = Role::kPeer,
     .needs = kNeedsIsal},
};

constexpr Variant<Crc<crc::kCastagnoli>> kCastagnoliVariants[] = {
    {.name = "naive", .run = run<naive<crc::kCastagnoli>>, .what = kNaiveWhat, .max_n = kNaiveMost},
    {.name = "table",
     .run = run<table<crc::kCastagnoli>>,
     .what = kTableWhat,
     .role = Role::kStandard},
    {.name = "slice_8", .run = run<slice_8<crc::kCastagnoli>>, .what = kSlice8What},
    {.name = "slice_16", .run = run<slice_16<crc::kCastagnoli>>, .what = kSlice16What},
    {.name = "instruction",
     .run = run<instruction>,
     .what = "the CPU's own instruction: eight bytes, three cycles, one after the other",
     .needs = kNeedsInstruction},
    {.name = "three_streams",
     .run = run<three_streams>,
     .what =
         "the instruction in three chains on three pieces: one per cycle, not one in three; then "
         "joined",
     .needs = kNeedsInstruction},
    {.name = "fold", .run = run<fold_castagnoli>, .what = kFoldWhat, .needs = kNeedsFold},
    {.name = "fold_and_streams",
     .run = run<fold_and_streams>,
     .what = "fold and three_streams side by side: the multiplier and the CRC unit work at once",
     .needs = kNeedsBoth},
    {.name = "isal",
     .run = kIsalCastagnoli,
     .what = "crc32_iscsi of ISA-L",
     .role = Role::kPeer,
     .needs = kNeedsIsal},
};

Metadata metadata(std::string name) {
  return {.name = std::move(name),
          .axis = Axis::kSimd,
          .technique = "break a dependent chain: tables, streams, folding by polynomial products",
          .sizes = {1 << 10, 16 << 10, 256 << 10, 4 << 20, 64 << 20},
          .headline = {16 << 10, 4 << 20},
          .ceiling = {"machine/read"},
          .demand =
              [](const Setting& s) {
                const double n = static_cast<double>(s.n);
                return Demand{.items = n, .bytes = n, .working_set = s.n, .memory = s.n};
              },
          .test_sizes = {0,   1,   2,    3,    4,    5,    7,    8,    9,    15,   16,   17,  31,
                         32,  33,  47,   63,   64,   65,   79,   80,   95,   127,  128,  129, 143,
                         144, 145, 191,  255,  256,  257,  383,  384,  385,  511,  512,  513, 575,
                         576, 600, 1000, 1023, 1024, 1025, 1111, 4097, 6143, 6144, 6145, 7001}};
}

const Registrar kRegistrarIeee(metadata("simd/crc32"), kIeeeVariants);
const Registrar kRegistrarCastagnoli(metadata("simd/crc32c"), kCastagnoliVariants);

}  // namespace
}  // namespace headroom
