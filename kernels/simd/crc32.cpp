// simd/crc32 and simd/crc32c: the checksum of a message, by the polynomial of IEEE 802.3 and by
// Castagnoli's.
//
// In: n random bytes. Out: the check, 32 bits on which every bit of the message and its place have
// a bearing. Nothing branches on the data.
//
// A bit at a time, each step waits for the last one, some thirty cycles a byte. Tables take a byte
// (Sarwate, 1988), eight or sixteen (slicing: Kounavis and Berry, 2005) a step. For Castagnoli's
// polynomial x86 has an instruction, which takes eight bytes and three cycles: three streams keep
// it busy (Gopal and others, "Fast CRC Computation for iSCSI Polynomial Using CRC32 Instruction",
// 2011). For any polynomial, carry-less multiplication moves a block of the message to where a
// later one stands (Gopal and others, "Fast CRC Computation for Generic Polynomials Using PCLMULQDQ
// Instruction", 2009). The code is our own; all constants are computed from the polynomial.
//
// Links: isal zlib
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/crc32.cpp"
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "simd/crc.h"
#include "support/simd.h"

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {

// Where the target multiplies without carries; elsewhere Highway has a slow stand-in. (Vectors of
// SVE can't be members of a struct, as they are here.)
#undef HEADROOM_CRC_FOLDS
#if (HWY_ARCH_X86 && HWY_TARGET <= HWY_SSE4) || (HWY_ARCH_ARM_A64 && HWY_TARGET == HWY_NEON)
#define HEADROOM_CRC_FOLDS 1
#else
#define HEADROOM_CRC_FOLDS 0
#endif

bool CrcCanFold() { return HEADROOM_CRC_FOLDS != 0; }
bool CrcCanDoBoth() { return HEADROOM_CRC_FOLDS != 0 && HWY_ARCH_X86 != 0; }

namespace {

#if HEADROOM_CRC_FOLDS
using Block = hn::CappedTag<uint64_t, 2>;  // 128 bits of the message, the first ones lowest
// Vectors of several blocks only where one instruction multiplies them all.
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3_DL
using Words = hn::CappedTag<uint64_t, 8>;
constexpr size_t kVector = 64;
#else
using Words = Block;
constexpr size_t kVector = 16;
#endif

// The factors that move a block kBytes further: one for its first eight bytes, which stand for the
// higher powers of x, one for the others. The product of two reflected words comes out one power
// too high, hence the - 1.
template <uint32_t kPoly, size_t kBytes>
HWY_ALIGN constexpr uint64_t kFactors[2] = {uint64_t{crc::power<kPoly>(8 * kBytes + 63)} << 32,
                                            uint64_t{crc::power<kPoly>(8 * kBytes - 1)} << 32};

template <class D>
HWY_INLINE hn::Vec<D> LoadBytes(D d, const uint8_t* p) {
  return hn::BitCast(d, hn::LoadU(hn::Repartition<uint8_t, D>(), p));
}

// The blocks moved by kBytes, to where `next` stands, and added to it.
template <uint32_t kPoly, size_t kBytes, class D, class V>
HWY_INLINE V Fold(D d, V blocks, V next) {
  const auto factors = hn::LoadDup128(d, kFactors<kPoly, kBytes>);
  return hn::Xor3(hn::CLMulLower(blocks, factors), hn::CLMulUpper(blocks, factors), next);
}

// All blocks of four vectors, each moved to where the last block of the last vector stands: those
// of a vector have their own factors, so that no product waits for another.
template <uint32_t kPoly>
HWY_INLINE hn::Vec<Block> Gather(hn::Vec<Block> v0, hn::Vec<Block> v1, hn::Vec<Block> v2,
                                 hn::Vec<Block> v3) {
  const Block d;
  return Fold<kPoly, 48>(d, v0, Fold<kPoly, 32>(d, v1, Fold<kPoly, 16>(d, v2, v3)));
}
template <uint32_t kPoly>
HWY_INLINE hn::Vec<Block> Gather(hn::Vec<Block> v) {
  return v;
}
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3_DL
// Of the blocks that end kBehind bytes before the end, and earlier.
template <uint32_t kPoly, size_t kBehind>
HWY_ALIGN constexpr uint64_t kGather[8] = {
    kFactors<kPoly, 48 + kBehind>[0],
    kFactors<kPoly, 48 + kBehind>[1],
    kFactors<kPoly, 32 + kBehind>[0],
    kFactors<kPoly, 32 + kBehind>[1],
    kFactors<kPoly, 16 + kBehind>[0],
    kFactors<kPoly, 16 + kBehind>[1],
    kBehind == 0 ? 0 : kFactors<kPoly, HWY_MAX(kBehind, 1)>[0],
    kBehind == 0 ? 0 : kFactors<kPoly, HWY_MAX(kBehind, 1)>[1]};

template <uint32_t kPoly, size_t kBehind>
HWY_INLINE hn::Vec<Words> MovedToEnd(hn::Vec<Words> v, hn::Vec<Words> added) {
  const auto factors = hn::Load(Words(), kGather<kPoly, kBehind>);
  return hn::Xor3(hn::CLMulLower(v, factors), hn::CLMulUpper(v, factors), added);
}

HWY_INLINE hn::Vec<Block> SumOfBlocks(hn::Vec<Words> four) {
  const hn::CappedTag<uint64_t, 4> d256;
  const Block d128;
  const auto two = hn::Xor(hn::LowerHalf(d256, four), hn::UpperHalf(d256, four));
  return hn::Xor(hn::LowerHalf(d128, two), hn::UpperHalf(d128, two));
}

template <uint32_t kPoly>
HWY_INLINE hn::Vec<Block> Gather(hn::Vec<Words> v) {
  return SumOfBlocks(MovedToEnd<kPoly, 0>(v, hn::IfThenZeroElse(hn::FirstN(Words(), 6), v)));
}
template <uint32_t kPoly>
HWY_INLINE hn::Vec<Block> Gather(hn::Vec<Words> v0, hn::Vec<Words> v1, hn::Vec<Words> v2,
                                 hn::Vec<Words> v3) {
  const auto last = hn::IfThenZeroElse(hn::FirstN(Words(), 6), v3);
  const auto early = MovedToEnd<kPoly, 128>(v1, MovedToEnd<kPoly, 192>(v0, last));
  return SumOfBlocks(MovedToEnd<kPoly, 0>(v3, MovedToEnd<kPoly, 64>(v2, early)));
}
#endif

// The register after 128 bits of message: these times x^32, modulo the polynomial.
template <uint32_t kPoly>
HWY_INLINE uint32_t Reduce(hn::Vec<Block> block) {
  const Block d;
  const auto word = [d](uint64_t low) HWY_ATTR {
    HWY_ALIGN const uint64_t words[2] = {low, 0};
    return hn::Load(d, words);
  };
  // The upper 64 bits move down: 96 bits are left, 64 above the 32 of a remainder.
  const auto moved = hn::CLMulLower(block, word(kFactors<kPoly, 4>[0]));
  const auto above = hn::Xor(hn::ShiftRightBytes<4>(d, moved), hn::ShiftRightBytes<8>(d, block));
  // Barrett's reduction: the quotient of those by the polynomial, times the polynomial, has to go.
  const auto quotient = hn::CLMulLower(above, word(crc::quotient<kPoly>()));
  const auto product = hn::CLMulLower(quotient, word(uint64_t{kPoly} << 1 | 1));
  const uint64_t rest = hn::GetLane(hn::ShiftRightBytes<12>(d, moved));
  return static_cast<uint32_t>(rest ^ hn::GetLane(hn::ShiftRightBytes<8>(d, product)));
}

// Vectors of the message under way. They start as its first bytes, and always stand for the latest
// ones read. Eight hide the latency of the multiplications.
struct Eight {
  hn::Vec<Words> v0, v1, v2, v3, v4, v5, v6, v7;
};

HWY_INLINE hn::Vec<Words> At(const uint8_t* p, size_t vector) {
  return LoadBytes(Words(), p + vector * kVector);
}

// The first vector of the message, with the register added to its first four bytes. (Not by way of
// memory: a vector that was written in pieces comes late.)
HWY_INLINE hn::Vec<Words> First(uint32_t r, const uint8_t* p) {
  const Words d;
  return hn::Xor(At(p, 0), hn::IfThenElseZero(hn::FirstN(d, 1), hn::Set(d, r)));
}

HWY_INLINE Eight StartEight(uint32_t r, const uint8_t* p) {
  return {First(r, p), At(p, 1), At(p, 2), At(p, 3), At(p, 4), At(p, 5), At(p, 6), At(p, 7)};
}

template <uint32_t kPoly>
HWY_INLINE void FoldEight(Eight& v, const uint8_t* p) {
  const Words d;
  v.v0 = Fold<kPoly, 8 * kVector>(d, v.v0, At(p, 0));
  v.v1 = Fold<kPoly, 8 * kVector>(d, v.v1, At(p, 1));
  v.v2 = Fold<kPoly, 8 * kVector>(d, v.v2, At(p, 2));
  v.v3 = Fold<kPoly, 8 * kVector>(d, v.v3, At(p, 3));
  v.v4 = Fold<kPoly, 8 * kVector>(d, v.v4, At(p, 4));
  v.v5 = Fold<kPoly, 8 * kVector>(d, v.v5, At(p, 5));
  v.v6 = Fold<kPoly, 8 * kVector>(d, v.v6, At(p, 6));
  v.v7 = Fold<kPoly, 8 * kVector>(d, v.v7, At(p, 7));
}

// Eight to four, in v4 to v7.
template <uint32_t kPoly>
HWY_INLINE void FoldToFour(Eight& v) {
  const Words d;
  v.v4 = Fold<kPoly, 4 * kVector>(d, v.v0, v.v4), v.v5 = Fold<kPoly, 4 * kVector>(d, v.v1, v.v5);
  v.v6 = Fold<kPoly, 4 * kVector>(d, v.v2, v.v6), v.v7 = Fold<kPoly, 4 * kVector>(d, v.v3, v.v7);
}

// What is left of a message after a block that stands for all before.
template <uint32_t kPoly>
HWY_INLINE uint32_t Finish(hn::Vec<Block> block, const uint8_t* p, size_t n) {
  const Block d;
  for (; n >= 16; p += 16, n -= 16) block = Fold<kPoly, 16>(d, block, LoadBytes(d, p));
  const uint32_t r = Reduce<kPoly>(block);
  return HWY_LIKELY(n == 0) ? r : crc::by_slices<kPoly, 8>(r, p, n);
}

template <uint32_t kPoly>
uint32_t Folded(uint32_t r, const uint8_t* HWY_RESTRICT p, size_t n) {
  if (n < kVector) return crc::by_slices<kPoly, 8>(r, p, n);
  const Words d;
  hn::Vec<Words> v;
  if (n >= 4 * kVector) {
    hn::Vec<Words> v0, v1, v2, v3;
    if (n >= 32 * kVector) {
      Eight eight = StartEight(r, p);
      p += 8 * kVector, n -= 8 * kVector;
      for (; n >= 8 * kVector; p += 8 * kVector, n -= 8 * kVector) FoldEight<kPoly>(eight, p);
      FoldToFour<kPoly>(eight);
      v0 = eight.v4, v1 = eight.v5, v2 = eight.v6, v3 = eight.v7;
    } else {  // four do, and there is less to join
      v0 = First(r, p), v1 = At(p, 1), v2 = At(p, 2), v3 = At(p, 3);
      p += 4 * kVector, n -= 4 * kVector;
    }
    for (; n >= 4 * kVector; p += 4 * kVector, n -= 4 * kVector) {
      v0 = Fold<kPoly, 4 * kVector>(d, v0, At(p, 0));
      v1 = Fold<kPoly, 4 * kVector>(d, v1, At(p, 1));
      v2 = Fold<kPoly, 4 * kVector>(d, v2, At(p, 2));
      v3 = Fold<kPoly, 4 * kVector>(d, v3, At(p, 3));
    }
    if (n < kVector) return Finish<kPoly>(Gather<kPoly>(v0, v1, v2, v3), p, n);
    v = Fold<kPoly, 3 * kVector>(d, v0,
                                 Fold<kPoly, 2 * kVector>(d, v1, Fold<kPoly, kVector>(d, v2, v3)));
  } else {
    v = First(r, p);
    p += kVector, n -= kVector;
  }
  for (; n >= kVector; p += kVector, n -= kVector) v = Fold<kPoly, kVector>(d, v, At(p, 0));
  return Finish<kPoly>(Gather<kPoly>(v), p, n);
}

#if HWY_ARCH_X86
// The multiplier and the CRC32 instruction are different parts of the core: here both work, on two
// parts of the message. A round folds eight vectors of the first part, and takes 80 bytes each of
// three streams of the second, which is about what either does in the same time; then the
// registers move over what follows them.
constexpr size_t kStreamStep = 80;
constexpr size_t kRound = 8 * kVector + 3 * kStreamStep;
constexpr size_t kMostRounds = 64;

// x^(8 * bytes - 33), for bytes = kStreamStep * i: the instruction multiplies by x^32, the product
// of two reflected words by x.
constexpr std::array<uint32_t, 3 * kMostRounds + 1> kOver = [] {
  std::array<uint32_t, 3 * kMostRounds + 1> factors{};
  uint32_t factor = crc::power<crc::kCastagnoli>(8 * kStreamStep - 33);
  const uint32_t step = crc::power<crc::kCastagnoli>(8 * kStreamStep);
  for (size_t i = 1; i < factors.size(); ++i) {
    factors[i] = factor;
    factor = crc::multiply<crc::kCastagnoli>(factor, step);
  }
  return factors;
}();

HWY_INLINE uint32_t MovedOver(uint32_t r, size_t steps) {
  const hn::CappedTag<uint64_t, 1> d;
  const auto product = hn::CLMulLower(hn::Set(d, r), hn::Set(d, kOver[steps]));
  return static_cast<uint32_t>(_mm_crc32_u64(0, hn::GetLane(product)));
}

uint32_t Both(uint32_t r, const uint8_t* HWY_RESTRICT p, size_t n) {
  while (n >= 4 * kRound) {
    const size_t rounds = HWY_MIN(n / kRound, kMostRounds);
    const uint8_t* s0 = p + rounds * 8 * kVector;
    const uint8_t* const end = s0;
    const uint8_t* s1 = s0 + rounds * kStreamStep;
    const uint8_t* s2 = s1 + rounds * kStreamStep;
    const auto word = [](const uint8_t* at) HWY_ATTR {
      uint64_t w;
      memcpy(&w, at, 8);
      return w;
    };
    uint64_t r0 = 0, r1 = 0, r2 = 0;
    const auto streams = [&]() HWY_ATTR {
      for (size_t i = 0; i < kStreamStep; i += 8) {
        r0 = _mm_crc32_u64(r0, word(s0 + i));
        r1 = _mm_crc32_u64(r1, word(s1 + i));
        r2 = _mm_crc32_u64(r2, word(s2 + i));
      }
      s0 += kStreamStep, s1 += kStreamStep, s2 += kStreamStep;
    };
    Eight eight = StartEight(r, p);
    streams();
    for (p += 8 * kVector; p != end; p += 8 * kVector) {
      FoldEight<crc::kCastagnoli>(eight, p);
      streams();
    }
    FoldToFour<crc::kCastagnoli>(eight);
    r = Reduce<crc::kCastagnoli>(Gather<crc::kCastagnoli>(eight.v4, eight.v5, eight.v6, eight.v7));
    r = MovedOver(r, 3 * rounds) ^ MovedOver(static_cast<uint32_t>(r0), 2 * rounds) ^
        MovedOver(static_cast<uint32_t>(r1), rounds) ^ static_cast<uint32_t>(r2);
    p += rounds * 3 * kStreamStep;
    n -= rounds * kRound;
  }
  return Folded<crc::kCastagnoli>(r, p, n);
}
#else
uint32_t Both(uint32_t r, const uint8_t* p, size_t n) { return Folded<crc::kCastagnoli>(r, p, n); }
#endif
#else
template <uint32_t kPoly>
uint32_t Folded(uint32_t r, const uint8_t* p, size_t n) {
  return crc::by_slices<kPoly, 16>(r, p, n);
}
uint32_t Both(uint32_t r, const uint8_t* p, size_t n) { return Folded<crc::kCastagnoli>(r, p, n); }
#endif

}  // namespace

uint32_t CrcFoldIeee(uint32_t r, const uint8_t* p, size_t n) { return Folded<crc::kIeee>(r, p, n); }
uint32_t CrcFoldCastagnoli(uint32_t r, const uint8_t* p, size_t n) {
  return Folded<crc::kCastagnoli>(r, p, n);
}

uint32_t CrcBoth(uint32_t r, const uint8_t* p, size_t n) { return Both(r, p, n); }

}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <algorithm>
#include <cstring>

#include "core/kernel.h"
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

HWY_EXPORT(CrcCanFold);
HWY_EXPORT(CrcCanDoBoth);
HWY_EXPORT(CrcBoth);
HWY_EXPORT(CrcFoldIeee);
HWY_EXPORT(CrcFoldCastagnoli);

bool can_fold() { return HWY_DYNAMIC_DISPATCH(CrcCanFold)(); }
bool can_do_both() { return HWY_DYNAMIC_DISPATCH(CrcCanDoBoth)(); }

// One problem for two polynomials.
template <std::uint32_t kPoly>
struct Crc {
  using Input = Buffer<std::uint8_t>;
  using Output = std::uint32_t;

  static Input make(const Setting& setting, Rng& rng) {
    Input in(setting.n);
    FastRng fast(rng());
    for (std::size_t i = 0; i < in.size(); i += 8) {
      const std::uint64_t bits = fast();
      std::memcpy(in.data() + i, &bits, std::min<std::size_t>(8, in.size() - i));
    }
    return in;
  }
  static Input from(std::span<const std::uint8_t> bytes) {
    Input in(bytes.size());
    std::copy(bytes.begin(), bytes.end(), in.begin());
    return in;
  }
  static absl::Status same(const Input&, const Output& want, const Output& got) {
    return exact(want, got);
  }
};
using Input = Buffer<std::uint8_t>;

constexpr std::uint32_t kStart = ~std::uint32_t{0};  // and the end is inverted

template <std::uint32_t kPoly>
void naive(const Input& in, std::uint32_t& out) {
  out = ~crc::bitwise<kPoly>(kStart, in.data(), in.size());
}

// What a byte does to the register is looked up, 256 words in all.
template <std::uint32_t kPoly>
void table(const Input& in, std::uint32_t& out) {
  out = ~crc::by_table<kPoly>(kStart, in.data(), in.size());
}

// The lookups of eight bytes don't wait for each other: 8 KiB of tables.
template <std::uint32_t kPoly>
void slice_8(const Input& in, std::uint32_t& out) {
  out = ~crc::by_slices<kPoly, 8>(kStart, in.data(), in.size());
}

// Of sixteen lookups only four wait for the last step's: 16 KiB of tables.
template <std::uint32_t kPoly>
void slice_16(const Input& in, std::uint32_t& out) {
  out = ~crc::by_slices<kPoly, 16>(kStart, in.data(), in.size());
}

void fold_ieee(const Input& in, std::uint32_t& out) {
  out = ~HWY_DYNAMIC_DISPATCH(CrcFoldIeee)(kStart, in.data(), in.size());
}
void fold_castagnoli(const Input& in, std::uint32_t& out) {
  out = ~HWY_DYNAMIC_DISPATCH(CrcFoldCastagnoli)(kStart, in.data(), in.size());
}

// The instruction for Castagnoli's polynomial: SSE4.2's, or Arm's. It is scalar, so that Highway
// has none.
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

HEADROOM_CRC_INSTRUCTION std::uint32_t one_stream(std::uint32_t r, const std::uint8_t* p,
                                                  std::size_t n) {
  for (; n >= 8; p += 8, n -= 8) r = eight_bytes(r, p);
  return crc::by_table<crc::kCastagnoli>(r, p, n);
}

// Three pieces of kBytes side by side; then the first register moves over two of them, the second
// over one.
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

// Eight bytes an instruction, each of which waits three cycles for the last one.
void instruction(const Input& in, std::uint32_t& out) {
  out = ~one_stream(kStart, in.data(), in.size());
}

// Three instructions in flight, one a cycle, on three pieces of the message: large ones first, for
// joining them costs as much as some hundred bytes.
HEADROOM_CRC_INSTRUCTION void three_streams(const Input& in, std::uint32_t& out) {
  const std::uint8_t* p = in.data();
  std::size_t n = in.size();
  std::uint32_t r = three_pieces<2048>(kStart, p, n);
  r = three_pieces<128>(r, p, n);
  out = ~one_stream(r, p, n);
}

// Folding keeps the multiplier busy, and leaves the instruction's unit idle.
void fold_and_streams(const Input& in, std::uint32_t& out) {
  out = ~HWY_DYNAMIC_DISPATCH(CrcBoth)(kStart, in.data(), in.size());
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

constexpr Need kNeedsZlib[] = {kZlib};
constexpr Need kNeedsIsal[] = {kIsal};
constexpr Need kNeedsFold[] = {
    {"carry-less multiplication", can_fold, "a CPU with PCLMULQDQ or Arm's PMULL"}};
constexpr Need kNeedsBoth[] = {
    {"PCLMULQDQ and the CRC-32C instruction", can_do_both, "an x86 CPU with PCLMULQDQ and SSE4.2"}};
constexpr Need kNeedsInstruction[] = {
    {"CRC-32C instruction", has_instruction, "a CPU with SSE4.2, or Arm's CRC32 under Linux"}};

// 25 ms a call; beyond that the table is the baseline.
constexpr std::size_t kNaiveMost = 4 << 20;

constexpr std::string_view kNaiveWhat =
    "a bit at a time: eight dependent steps a byte, some thirty cycles";
constexpr std::string_view kTableWhat = "a lookup in 256 words for each byte";
constexpr std::string_view kSlice8What =
    "eight bytes a step: lookups that don't wait for each other";
constexpr std::string_view kSlice16What =
    "sixteen bytes a step: of the lookups only four depend on the last step";
constexpr std::string_view kFoldWhat =
    "carry-less multiplication moves blocks of 16 bytes (VPCLMULQDQ: 64) forward, eight in flight";

constexpr Variant<Crc<crc::kIeee>> kIeeeVariants[] = {
    {.name = "naive", .run = run<naive<crc::kIeee>>, .what = kNaiveWhat, .max_n = kNaiveMost},
    {.name = "table", .run = run<table<crc::kIeee>>, .what = kTableWhat},
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
    {.name = "table", .run = run<table<crc::kCastagnoli>>, .what = kTableWhat},
    {.name = "slice_8", .run = run<slice_8<crc::kCastagnoli>>, .what = kSlice8What},
    {.name = "slice_16", .run = run<slice_16<crc::kCastagnoli>>, .what = kSlice16What},
    {.name = "instruction",
     .run = run<instruction>,
     .what = "the CPU's own instruction: eight bytes, three cycles, one after the other",
     .needs = kNeedsInstruction},
    {.name = "three_streams",
     .run = run<three_streams>,
     .what = "the instruction on three pieces at once: one in each cycle; joined by table",
     .needs = kNeedsInstruction},
    {.name = "fold", .run = run<fold_castagnoli>, .what = kFoldWhat, .needs = kNeedsFold},
    {.name = "fold_and_streams",
     .run = run<fold_and_streams>,
     .what = "folding and three streams side by side: the multiplier and the CRC unit both work",
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
#endif  // HWY_ONCE
