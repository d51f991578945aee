// The SIMD code of the mandelbrot kernels: a lane for each point, masked when it is out. Included
// once for each target.
//
// No plain include guard: it must be read again for every target.
#include <cstddef>
#include <cstdint>

#include "support/mandelbrot.h"
#include "support/simd.h"

#if defined(HEADROOM_SUPPORT_MANDELBROT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HEADROOM_SUPPORT_MANDELBROT_INL_H_
#undef HEADROOM_SUPPORT_MANDELBROT_INL_H_
#else
#define HEADROOM_SUPPORT_MANDELBROT_INL_H_
#endif

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {
namespace {

#if HWY_TARGET == HWY_SCALAR
using Points = hn::CappedTag<float, 1>;
#else
using Points = hn::ScalableTag<float>;
#endif
using Counts = hn::RebindToSigned<Points>;
using Vector = hn::Vec<Points>;
using Mask = hn::Mask<Points>;

HWY_INLINE Vector Product(Vector a, Vector b) {
  auto product = hn::Mul(a, b);
#if HWY_HAVE_SCALABLE
  keep_rounded(product);
#else
  keep_rounded(product.raw);
#endif
  return product;
}

// One step of a vector of points. Points that are out stay out; the others are counted.
HWY_INLINE void Step(Points d, Vector cx, Vector cy, Vector& x, Vector& y, Mask& inside,
                     hn::Vec<Counts>& count) {
  const Counts di;
  const auto xx = Product(x, x), yy = Product(y, y), xy = Product(x, y);
  inside = hn::And(inside, hn::Le(hn::Add(xx, yy), hn::Set(d, 4.0f)));
  count = hn::IfThenElse(hn::RebindMask(di, inside), hn::Add(count, hn::Set(di, 1)), count);
  x = hn::Add(hn::Sub(xx, yy), cx);
  y = hn::Add(hn::Add(xy, xy), cy);
}

constexpr uint32_t kStepsAtOnce = 8;  // then a look at whether all points are out
static_assert(kMostSteps % kStepsAtOnce == 0);

// The points of one row that fill a vector.
HWY_INLINE void OneRow(const float* xs, float cy_all, uint32_t* counts) {
  const Points d;
  const Counts di;
  const auto cx = hn::LoadU(d, xs), cy = hn::Set(d, cy_all);
  auto x = hn::Zero(d), y = x;
  auto inside = hn::Eq(x, x);
  auto count = hn::Zero(di);
  for (uint32_t steps = 0; steps < kMostSteps; steps += kStepsAtOnce) {
    for (uint32_t i = 0; i < kStepsAtOnce; ++i) Step(d, cx, cy, x, y, inside, count);
    if (hn::AllFalse(d, inside)) break;
  }
  hn::StoreU(count, di, reinterpret_cast<int32_t*>(counts));
}

// The same of four rows: four independent chains of operations. Rows one below the other, not one
// long piece of a row, for points that are near leave at about the same time.
HWY_INLINE void FourRows(const float* xs, const float* ys, uint32_t* counts, size_t stride) {
  const Points d;
  const Counts di;
  const auto cx = hn::LoadU(d, xs);
  const auto cy0 = hn::Set(d, ys[0]), cy1 = hn::Set(d, ys[1]);
  const auto cy2 = hn::Set(d, ys[2]), cy3 = hn::Set(d, ys[3]);
  auto x0 = hn::Zero(d), x1 = x0, x2 = x0, x3 = x0, y0 = x0, y1 = x0, y2 = x0, y3 = x0;
  auto in0 = hn::Eq(x0, x0), in1 = in0, in2 = in0, in3 = in0;
  auto count0 = hn::Zero(di), count1 = count0, count2 = count0, count3 = count0;
  for (uint32_t steps = 0; steps < kMostSteps; steps += kStepsAtOnce) {
    for (uint32_t i = 0; i < kStepsAtOnce; ++i) {
      Step(d, cx, cy0, x0, y0, in0, count0);
      Step(d, cx, cy1, x1, y1, in1, count1);
      Step(d, cx, cy2, x2, y2, in2, count2);
      Step(d, cx, cy3, x3, y3, in3, count3);
    }
    if (hn::AllFalse(d, hn::Or(hn::Or(in0, in1), hn::Or(in2, in3)))) break;
  }
  int32_t* const to = reinterpret_cast<int32_t*>(counts);
  hn::StoreU(count0, di, to);
  hn::StoreU(count1, di, to + stride);
  hn::StoreU(count2, di, to + 2 * stride);
  hn::StoreU(count3, di, to + 3 * stride);
}

// `rows` rows of a picture n points wide. A vector that reaches beyond the picture's edge starts a
// little before.
template <bool kFour>
void Picture(const float* HWY_RESTRICT xs, size_t n, const float* HWY_RESTRICT ys, size_t rows,
             uint32_t* HWY_RESTRICT counts) {
  const size_t lanes = hn::Lanes(Points());
  if (n < lanes) {  // a picture narrower than a vector
    HWY_ALIGN float wide[hn::MaxLanes(Points())];
    HWY_ALIGN uint32_t row[hn::MaxLanes(Points())];
    for (size_t i = 0; i < lanes; ++i) wide[i] = i < n ? xs[i] : 4.0f;
    for (size_t r = 0; r < rows; ++r) {
      OneRow(wide, ys[r], row);
      for (size_t i = 0; i < n; ++i) counts[r * n + i] = row[i];
    }
    return;
  }
  size_t r = 0;
  if constexpr (kFour)
    for (; rows - r >= 4; r += 4)
      for (size_t i = 0; i < n; i += lanes) {
        const size_t first = HWY_MIN(i, n - lanes);
        FourRows(xs + first, ys + r, counts + r * n + first, n);
      }
  for (; r < rows; ++r)
    for (size_t i = 0; i < n; i += lanes) {
      const size_t first = HWY_MIN(i, n - lanes);
      OneRow(xs + first, ys[r], counts + r * n + first);
    }
}

}  // namespace
}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
