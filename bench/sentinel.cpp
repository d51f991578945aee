#include "bench/sentinel.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "nlohmann/json.hpp"

#if defined(__x86_64__)
#include <emmintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace headroom {
namespace {

constexpr std::uint64_t kAdd = 0x9e3779b97f4a7c15, kMix = 0xd1b54a32d192ed03;
constexpr std::uint64_t kWarm = Sentinel::kIterations / 16;  // brings the loop's code back

// What the loop works on: six chains of add, xor and rotate, two of multiply, four of vector add
// and xor. An iteration has 30 operations, and 3 cycles are the longest chain through it: ready are
// ten a cycle, which is more than any core takes, of integers as of vectors.
struct Chains {
  std::uint64_t rotated[6];
  std::uint64_t multiplied[2];
  std::uint64_t paired[4][2];
};

Chains seeded(std::uint64_t seed) {
  Chains c{};
  std::uint64_t next = seed;
  const auto draw = [&next] {  // splitmix64
    std::uint64_t z = next += kAdd;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  };
  for (std::uint64_t& x : c.rotated) x = draw();
  for (std::uint64_t& x : c.multiplied) x = draw();
  for (auto& pair : c.paired)
    for (std::uint64_t& x : pair) x = draw();
  return c;
}

// Depends on the order, so that no two chains can stand for each other.
std::uint64_t folded(const Chains& c) {
  std::uint64_t all = 0;
  const auto add = [&all](std::uint64_t x) { all = (all ^ x) * 0xff51afd7ed558ccd + 1; };
  for (const std::uint64_t x : c.rotated) add(x);
  for (const std::uint64_t x : c.multiplied) add(x);
  for (const auto& pair : c.paired)
    for (const std::uint64_t x : pair) add(x);
  return all;
}

// As assembly where there is an assembler for it: a compiler would choose other instructions in
// another version or for another target, and two builds' readings could not be compared. Constants
// are in registers, or the loop would wait for its instructions to be decoded.
#if defined(__x86_64__)

// Legacy SSE is no slower after AVX here: every target is a source too.
void run(Chains& c, std::uint64_t iterations) {
  const auto at = [&c](int i) { return reinterpret_cast<__m128i*>(c.paired[i]); };
  __m128i v0 = _mm_loadu_si128(at(0)), v1 = _mm_loadu_si128(at(1));
  __m128i v2 = _mm_loadu_si128(at(2)), v3 = _mm_loadu_si128(at(3));
  asm volatile(
      ".p2align 6\n"
      "1:\n\t"
      "addq %[add], %[r0]\n\t"
      "addq %[add], %[r1]\n\t"
      "addq %[add], %[r2]\n\t"
      "imulq %[mix], %[m0]\n\t"
      "addq %[add], %[r3]\n\t"
      "addq %[add], %[r4]\n\t"
      "addq %[add], %[r5]\n\t"
      "imulq %[mix], %[m1]\n\t"
      "paddq %[vadd], %[v0]\n\t"
      "paddq %[vadd], %[v1]\n\t"
      "paddq %[vadd], %[v2]\n\t"
      "paddq %[vadd], %[v3]\n\t"
      "xorq %[mix], %[r0]\n\t"
      "xorq %[mix], %[r1]\n\t"
      "xorq %[mix], %[r2]\n\t"
      "xorq %[mix], %[r3]\n\t"
      "xorq %[mix], %[r4]\n\t"
      "xorq %[mix], %[r5]\n\t"
      "pxor %[vmix], %[v0]\n\t"
      "pxor %[vmix], %[v1]\n\t"
      "pxor %[vmix], %[v2]\n\t"
      "pxor %[vmix], %[v3]\n\t"
      "rolq $5, %[r0]\n\t"
      "rolq $11, %[r1]\n\t"
      "rolq $17, %[r2]\n\t"
      "rolq $23, %[r3]\n\t"
      "rolq $31, %[r4]\n\t"
      "rolq $43, %[r5]\n\t"
      "subq $1, %[n]\n\t"
      "jnz 1b\n\t"
      : [r0] "+r"(c.rotated[0]), [r1] "+r"(c.rotated[1]), [r2] "+r"(c.rotated[2]),
        [r3] "+r"(c.rotated[3]), [r4] "+r"(c.rotated[4]), [r5] "+r"(c.rotated[5]),
        [m0] "+r"(c.multiplied[0]), [m1] "+r"(c.multiplied[1]), [v0] "+x"(v0), [v1] "+x"(v1),
        [v2] "+x"(v2), [v3] "+x"(v3), [n] "+r"(iterations)
      : [add] "r"(kAdd), [mix] "r"(kMix), [vadd] "x"(_mm_set1_epi64x(static_cast<long long>(kAdd))),
        [vmix] "x"(_mm_set1_epi64x(static_cast<long long>(kMix)))
      : "cc");
  _mm_storeu_si128(at(0), v0);
  _mm_storeu_si128(at(1), v1);
  _mm_storeu_si128(at(2), v2);
  _mm_storeu_si128(at(3), v3);
}

#elif defined(__aarch64__)

void run(Chains& c, std::uint64_t iterations) {
  uint64x2_t v0 = vld1q_u64(c.paired[0]), v1 = vld1q_u64(c.paired[1]);
  uint64x2_t v2 = vld1q_u64(c.paired[2]), v3 = vld1q_u64(c.paired[3]);
  asm volatile(
      ".p2align 6\n"
      "1:\n\t"
      "add %[r0], %[r0], %[add]\n\t"
      "add %[r1], %[r1], %[add]\n\t"
      "add %[r2], %[r2], %[add]\n\t"
      "mul %[m0], %[m0], %[mix]\n\t"
      "add %[r3], %[r3], %[add]\n\t"
      "add %[r4], %[r4], %[add]\n\t"
      "add %[r5], %[r5], %[add]\n\t"
      "mul %[m1], %[m1], %[mix]\n\t"
      "add %[v0].2d, %[v0].2d, %[vadd].2d\n\t"
      "add %[v1].2d, %[v1].2d, %[vadd].2d\n\t"
      "add %[v2].2d, %[v2].2d, %[vadd].2d\n\t"
      "add %[v3].2d, %[v3].2d, %[vadd].2d\n\t"
      "eor %[r0], %[r0], %[mix]\n\t"
      "eor %[r1], %[r1], %[mix]\n\t"
      "eor %[r2], %[r2], %[mix]\n\t"
      "eor %[r3], %[r3], %[mix]\n\t"
      "eor %[r4], %[r4], %[mix]\n\t"
      "eor %[r5], %[r5], %[mix]\n\t"
      "eor %[v0].16b, %[v0].16b, %[vmix].16b\n\t"
      "eor %[v1].16b, %[v1].16b, %[vmix].16b\n\t"
      "eor %[v2].16b, %[v2].16b, %[vmix].16b\n\t"
      "eor %[v3].16b, %[v3].16b, %[vmix].16b\n\t"
      "ror %[r0], %[r0], #59\n\t"
      "ror %[r1], %[r1], #53\n\t"
      "ror %[r2], %[r2], #47\n\t"
      "ror %[r3], %[r3], #41\n\t"
      "ror %[r4], %[r4], #33\n\t"
      "ror %[r5], %[r5], #21\n\t"
      "subs %[n], %[n], #1\n\t"
      "b.ne 1b\n\t"
      : [r0] "+r"(c.rotated[0]), [r1] "+r"(c.rotated[1]), [r2] "+r"(c.rotated[2]),
        [r3] "+r"(c.rotated[3]), [r4] "+r"(c.rotated[4]), [r5] "+r"(c.rotated[5]),
        [m0] "+r"(c.multiplied[0]), [m1] "+r"(c.multiplied[1]), [v0] "+w"(v0), [v1] "+w"(v1),
        [v2] "+w"(v2), [v3] "+w"(v3), [n] "+r"(iterations)
      :
      [add] "r"(kAdd), [mix] "r"(kMix), [vadd] "w"(vdupq_n_u64(kAdd)), [vmix] "w"(vdupq_n_u64(kMix))
      : "cc");
  vst1q_u64(c.paired[0], v0);
  vst1q_u64(c.paired[1], v1);
  vst1q_u64(c.paired[2], v2);
  vst1q_u64(c.paired[3], v3);
}

#else

// Keeps the compiler from joining what is done to `x` before with what is done after.
inline void apart(std::uint64_t& x) { asm volatile("" : "+r"(x)); }

void run(Chains& c, std::uint64_t iterations) {
  constexpr int kRotations[] = {5, 11, 17, 23, 31, 43};
  for (; iterations != 0; --iterations) {
    for (int i = 0; i < 6; ++i) apart(c.rotated[i] += kAdd);
    for (std::uint64_t& x : c.multiplied) apart(x *= kMix);
    for (auto& pair : c.paired)
      for (std::uint64_t& x : pair) apart(x += kAdd);
    for (int i = 0; i < 6; ++i) apart(c.rotated[i] ^= kMix);
    for (auto& pair : c.paired)
      for (std::uint64_t& x : pair) apart(x ^= kMix);
    for (int i = 0; i < 6; ++i) apart(c.rotated[i] = std::rotl(c.rotated[i], kRotations[i]));
  }
}

#endif

}  // namespace

std::uint64_t sentinel_loop(std::uint64_t seed, std::uint64_t iterations) {
  Chains c = seeded(seed);
  if (iterations != 0) run(c, iterations);
  return folded(c);
}

Sentinel::Sentinel(Clock clock) : clock_(clock), began_(clock()) {
  readings_.reserve(4096);  // what the kernels find on the heap is not to depend on it
}

void Sentinel::between_rounds(const Place& place) {
  const std::int64_t start = clock_();
  double wanted = kFirst;
  if (!readings_.empty()) {
    const double allowed =
        kShare * static_cast<double>(start - began_) - static_cast<double>(spent_);
    const double each = static_cast<double>(spent_) / static_cast<double>(readings_.size());
    wanted = std::min(allowed / std::max(each, 1.0), static_cast<double>(kMost));
  }
  if (wanted < 1) return;
  state_ = sentinel_loop(state_, kWarm);
  std::int64_t before = clock_();
  for (auto left = static_cast<std::size_t>(wanted); left != 0; --left) {
    state_ = sentinel_loop(state_, kIterations);
    const std::int64_t now = clock_();
    readings_.push_back(
        {static_cast<double>(now - before) / static_cast<double>(kIterations), place});
    before = now;
  }
  spent_ += before - start;
}

double Sentinel::read(const Place& place) {
  const std::int64_t start = clock_();
  state_ = sentinel_loop(state_, kWarm);
  const std::int64_t before = clock_();
  state_ = sentinel_loop(state_, kIterations);
  const std::int64_t now = clock_();
  const double ns = static_cast<double>(now - before) / static_cast<double>(kIterations);
  readings_.push_back({ns, place});
  spent_ += now - start;
  return ns;
}

double Sentinel::middle() const {
  if (readings_.empty()) return 0;
  std::vector<double> ns;
  for (const Reading& r : readings_) ns.push_back(r.ns);
  const auto middle = ns.begin() + static_cast<std::ptrdiff_t>(ns.size() / 2);
  std::nth_element(ns.begin(), middle, ns.end());
  return *middle;
}

nlohmann::ordered_json Sentinel::to_json() const {
  nlohmann::ordered_json ns = nlohmann::ordered_json::array(), ladder = ns, round = ns, arm = ns;
  for (const Reading& r : readings_) {
    ns.push_back(r.ns);
    ladder.push_back(r.place.ladder);
    round.push_back(r.place.round);
    arm.push_back(r.place.arm ? nlohmann::ordered_json(*r.place.arm) : nlohmann::ordered_json());
  }
  return {{"iterations", kIterations},
          {"ns", std::move(ns)},
          {"ladder", std::move(ladder)},
          {"round", std::move(round)},
          {"arm", std::move(arm)}};
}

}  // namespace headroom
