// The SIMD code of simd/nbody: a lane for each pulled body. Included by nbody.cpp once for each
// target.
//
// No include guard: it must be read again for every target.
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "support/simd.h"

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {
namespace {

#if HWY_TARGET == HWY_SCALAR
using Floats = hn::CappedTag<float, 1>;
#else
using Floats = hn::ScalableTag<float>;
#endif
using Vector = hn::Vec<Floats>;

// mass / v^(3/2), as the formula says.
HWY_INLINE Vector ExactPull(Floats d, Vector mass, Vector v) {
  const auto inverse = hn::Div(hn::Set(d, 1.0f), hn::Sqrt(v));
  return hn::Mul(hn::Mul(mass, inverse), hn::Mul(inverse, inverse));
}

// The same from e, the instruction's estimate of 1/sqrt(v). Its error shows in v e^2 = 1 + d, and
// what is missing in e^3 is the factor (1 + d)^(-3/2) = 1 - 3/2 d + 15/8 d^2 - ... The estimate has
// 14 bits with AVX-512, where the first correction is enough, 11 on other x86, where the second is
// needed, and 8 on Arm, where a step of Newton's comes before.
HWY_INLINE Vector EstimatedPull(Floats d, Vector mass, Vector v) {
#if HWY_TARGET == HWY_SCALAR
  return ExactPull(d, mass, v);
#else
  auto e = hn::ApproximateReciprocalSqrt(v);
#if !HWY_ARCH_X86
  const auto half = hn::Mul(e, hn::Set(d, 0.5f));
  e = hn::MulAdd(hn::NegMulAdd(hn::Mul(v, e), e, hn::Set(d, 1.0f)), half, e);
#endif
  const auto e2 = hn::Mul(e, e);
  const auto error = hn::MulSub(v, e2, hn::Set(d, 1.0f));
#if HWY_ARCH_X86 && HWY_TARGET > HWY_AVX3
  const auto slope = hn::MulAdd(error, hn::Set(d, 1.875f), hn::Set(d, -1.5f));
#else
  const auto slope = hn::Set(d, -1.5f);
#endif
  return hn::Mul(hn::Mul(hn::Mul(mass, e), e2), hn::MulAdd(error, slope, hn::Set(d, 1.0f)));
#endif
}

// Adds the pull of a body on a vector of bodies to their accelerations.
template <bool kEstimate>
HWY_INLINE void Pull(Floats d, Vector x, Vector y, Vector z, Vector xj, Vector yj, Vector zj,
                     Vector mass, Vector& ax, Vector& ay, Vector& az) {
  const auto dx = hn::Sub(xj, x), dy = hn::Sub(yj, y), dz = hn::Sub(zj, z);
  const auto r2 =
      hn::MulAdd(dx, dx, hn::MulAdd(dy, dy, hn::MulAdd(dz, dz, hn::Set(d, kSoftening))));
  const auto pull = kEstimate ? EstimatedPull(d, mass, r2) : ExactPull(d, mass, r2);
  ax = hn::MulAdd(pull, dx, ax);
  ay = hn::MulAdd(pull, dy, ay);
  az = hn::MulAdd(pull, dz, az);
}

// Two vectors of bodies: each one's sums stay in registers, the pulling body is loaded once for
// both, and the operations of one fill the gaps of the other.
template <bool kEstimate>
HWY_INLINE void TwoVectors(const BodiesView& in, size_t i, size_t k, float* HWY_RESTRICT ax,
                           float* HWY_RESTRICT ay, float* HWY_RESTRICT az) {
  const Floats d;
  const auto x0 = hn::LoadU(d, in.x + i), y0 = hn::LoadU(d, in.y + i), z0 = hn::LoadU(d, in.z + i);
  const auto x1 = hn::LoadU(d, in.x + k), y1 = hn::LoadU(d, in.y + k), z1 = hn::LoadU(d, in.z + k);
  auto ax0 = hn::Zero(d), ay0 = ax0, az0 = ax0, ax1 = ax0, ay1 = ax0, az1 = ax0;
  for (size_t j = 0; j < in.n; ++j) {
    const auto xj = hn::Set(d, in.x[j]), yj = hn::Set(d, in.y[j]), zj = hn::Set(d, in.z[j]);
    const auto mass = hn::Set(d, in.mass[j]);
    Pull<kEstimate>(d, x0, y0, z0, xj, yj, zj, mass, ax0, ay0, az0);
    Pull<kEstimate>(d, x1, y1, z1, xj, yj, zj, mass, ax1, ay1, az1);
  }
  hn::StoreU(ax0, d, ax + i), hn::StoreU(ay0, d, ay + i), hn::StoreU(az0, d, az + i);
  hn::StoreU(ax1, d, ax + k), hn::StoreU(ay1, d, ay + k), hn::StoreU(az1, d, az + k);
}

// Vectors overlap where n is no multiple of their length: what is computed twice is the same.
template <bool kEstimate>
void Accelerate(const BodiesView& in, float* HWY_RESTRICT ax, float* HWY_RESTRICT ay,
                float* HWY_RESTRICT az) {
  const size_t lanes = hn::Lanes(Floats());
  if (in.n < lanes) {  // fewer bodies than lanes: what the other lanes make is dropped
    HWY_ALIGN float all[7][hn::MaxLanes(Floats())] = {};
    for (size_t i = 0; i < in.n; ++i) {
      all[0][i] = in.x[i], all[1][i] = in.y[i], all[2][i] = in.z[i], all[3][i] = in.mass[i];
    }
    TwoVectors<kEstimate>({all[0], all[1], all[2], all[3], in.n}, 0, 0, all[4], all[5], all[6]);
    for (size_t i = 0; i < in.n; ++i) ax[i] = all[4][i], ay[i] = all[5][i], az[i] = all[6][i];
    return;
  }
  for (size_t i = 0; i < in.n; i += 2 * lanes)
    TwoVectors<kEstimate>(in, HWY_MIN(i, in.n - lanes), HWY_MIN(i + lanes, in.n - lanes), ax, ay,
                          az);
}

}  // namespace

void AccelerateExactly(const BodiesView& in, float* ax, float* ay, float* az) {
  Accelerate<false>(in, ax, ay, az);
}
void AccelerateByEstimate(const BodiesView& in, float* ax, float* ay, float* az) {
  Accelerate<true>(in, ax, ay, az);
}

}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
