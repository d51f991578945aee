// simd/nbody: the acceleration of each of n bodies by the gravity of all others, every pair
// counted.
//
// In: positions in a cube and masses. Out: three components a body, in single precision. Distances
// are softened, r^2 + 1/256, so that a body's pull on itself is zero and no pair is special.
// Nothing branches on data.
//
// Tolerance: a sum of n terms in any order differs by a small multiple of sqrt(n) rounding errors
// of the sum of their magnitudes, with a probability next to one (Higham and Mary, "A New Approach
// to Probabilistic Rounding Error Analysis", 2019); a term itself has some ten. Both sides of a
// comparison have theirs.
//
// The honest loop has a square root and a division a pair, which take longer than all other
// operations together, and the compiler may not reorder its sums. An estimate of 1/sqrt, for which
// vectors have an instruction, and a term or two of a series that makes it better are exact enough.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/nbody.cpp"
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "support/simd.h"

#ifndef HEADROOM_SIMD_NBODY_SHARED_
#define HEADROOM_SIMD_NBODY_SHARED_
namespace headroom {
namespace {

constexpr float kSoftening = 0x1p-8f;

struct BodiesView {
  const float *x, *y, *z, *mass;
  std::size_t n;
};

}  // namespace
}  // namespace headroom
#endif

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {
namespace {

#if HWY_TARGET == HWY_SCALAR
using Floats = hn::CappedTag<float, 1>;
#else
using Floats = hn::ScalableTag<float>;
#endif
using Vector = hn::Vec<Floats>;

// mass / v^(3/2). With e an estimate of 1/sqrt(v), the error shows in v e^2 = 1 + d, and what is
// missing in e^3 is the factor (1 + d)^(-3/2) = 1 - 3/2 d + 15/8 d^2 - ... The estimate has 14 bits
// with AVX-512, where the first correction is enough, 11 on other x86, where the second is needed,
// and 8 on Arm, where a step of Newton's comes before.
HWY_INLINE Vector PullOf(Floats d, Vector mass, Vector v) {
#if HWY_TARGET == HWY_SCALAR
  const auto inverse = hn::Div(hn::Set(d, 1.0f), hn::Sqrt(v));
  return hn::Mul(hn::Mul(mass, inverse), hn::Mul(inverse, inverse));
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
HWY_INLINE void Pull(Floats d, Vector x, Vector y, Vector z, Vector xj, Vector yj, Vector zj,
                     Vector mass, Vector& ax, Vector& ay, Vector& az) {
  const auto dx = hn::Sub(xj, x), dy = hn::Sub(yj, y), dz = hn::Sub(zj, z);
  const auto r2 =
      hn::MulAdd(dx, dx, hn::MulAdd(dy, dy, hn::MulAdd(dz, dz, hn::Set(d, kSoftening))));
  const auto pull = PullOf(d, mass, r2);
  ax = hn::MulAdd(pull, dx, ax);
  ay = hn::MulAdd(pull, dy, ay);
  az = hn::MulAdd(pull, dz, az);
}

// Two vectors of bodies: each one's sums stay in registers, the pulling body is loaded once for
// both, and the operations of one fill the gaps of the other.
HWY_INLINE void TwoVectors(const BodiesView& in, size_t i, size_t k, float* HWY_RESTRICT ax,
                           float* HWY_RESTRICT ay, float* HWY_RESTRICT az) {
  const Floats d;
  const auto x0 = hn::LoadU(d, in.x + i), y0 = hn::LoadU(d, in.y + i), z0 = hn::LoadU(d, in.z + i);
  const auto x1 = hn::LoadU(d, in.x + k), y1 = hn::LoadU(d, in.y + k), z1 = hn::LoadU(d, in.z + k);
  auto ax0 = hn::Zero(d), ay0 = ax0, az0 = ax0, ax1 = ax0, ay1 = ax0, az1 = ax0;
  for (size_t j = 0; j < in.n; ++j) {
    const auto xj = hn::Set(d, in.x[j]), yj = hn::Set(d, in.y[j]), zj = hn::Set(d, in.z[j]);
    const auto mass = hn::Set(d, in.mass[j]);
    Pull(d, x0, y0, z0, xj, yj, zj, mass, ax0, ay0, az0);
    Pull(d, x1, y1, z1, xj, yj, zj, mass, ax1, ay1, az1);
  }
  hn::StoreU(ax0, d, ax + i), hn::StoreU(ay0, d, ay + i), hn::StoreU(az0, d, az + i);
  hn::StoreU(ax1, d, ax + k), hn::StoreU(ay1, d, ay + k), hn::StoreU(az1, d, az + k);
}

}  // namespace

// Vectors overlap where n is no multiple of their length: what is computed twice is the same.
void AccelerateBodies(const BodiesView& in, float* HWY_RESTRICT ax, float* HWY_RESTRICT ay,
                      float* HWY_RESTRICT az) {
  const size_t lanes = hn::Lanes(Floats());
  if (in.n < lanes) {  // fewer bodies than lanes: with copies of the last one, without mass
    HWY_ALIGN float all[7][hn::MaxLanes(Floats())] = {};
    for (size_t i = 0; i < in.n; ++i) {
      all[0][i] = in.x[i], all[1][i] = in.y[i], all[2][i] = in.z[i], all[3][i] = in.mass[i];
    }
    TwoVectors({all[0], all[1], all[2], all[3], in.n}, 0, 0, all[4], all[5], all[6]);
    for (size_t i = 0; i < in.n; ++i) ax[i] = all[4][i], ay[i] = all[5][i], az[i] = all[6][i];
    return;
  }
  for (size_t i = 0; i < in.n; i += 2 * lanes)
    TwoVectors(in, HWY_MIN(i, in.n - lanes), HWY_MIN(i + lanes, in.n - lanes), ax, ay, az);
}

}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <string>

#include "core/kernel.h"

namespace headroom {
namespace {

HWY_EXPORT(AccelerateBodies);

struct Body {
  float x, y, z, mass;
};

struct NBody {
  struct Input {
    std::vector<Body> bodies;  // as structs, and again as arrays
    Buffer<float> x, y, z, mass;
    Buffer<float> magnitude;  // of each body: the sum of its pulls' magnitudes
  };
  struct Output {
    Buffer<float> x, y, z;
    void poison() {
      headroom::poison(x);
      headroom::poison(y);
      headroom::poison(z);
    }
    bool spoil(Spoil how) { return spoil_parts(how, x, y, z); }
  };

  static Input make(const Setting& setting, Rng& rng) {
    const std::size_t n = setting.n;
    Input in{{},
             Buffer<float>(n),
             Buffer<float>(n),
             Buffer<float>(n),
             Buffer<float>(n),
             Buffer<float>(n)};
    FastRng fast(rng());
    for (std::size_t i = 0; i < n; ++i) {
      const auto next = [&] { return static_cast<float>(uniform(fast)); };
      const Body body = {2 * next() - 1, 2 * next() - 1, 2 * next() - 1, next() + 0.5f};
      in.bodies.push_back(body);
      in.x[i] = body.x, in.y[i] = body.y, in.z[i] = body.z, in.mass[i] = body.mass;
    }
    for (std::size_t i = 0; i < n; ++i) {
      float sums[8] = {};
      for (std::size_t j = 0; j < n; ++j) {
        const float dx = in.x[j] - in.x[i], dy = in.y[j] - in.y[i], dz = in.z[j] - in.z[i];
        const float r2 = dx * dx + dy * dy + dz * dz + kSoftening;
        sums[j % 8] += in.mass[j] / r2;  // a little more than the pull, which is softened
      }
      for (const float sum : sums) in.magnitude[i] += sum;
    }
    return in;
  }
  static void size(const Input& in, Output& out) {
    out.x = out.y = out.z = Buffer<float>(in.bodies.size());
  }
  static absl::Status same(const Input& in, const Output& want, const Output& got) {
    const double error = 2 * (4 * std::sqrt(static_cast<double>(in.bodies.size())) + 10) * 0x1p-24;
    const Buffer<float>* const sides[][2] = {
        {&want.x, &got.x}, {&want.y, &got.y}, {&want.z, &got.z}};
    for (std::size_t i = 0; i < in.bodies.size(); ++i) {
      for (std::size_t axis = 0; axis < 3; ++axis) {
        const float w = (*sides[axis][0])[i], g = (*sides[axis][1])[i];
        if (absl::Status status = within(w, g, error * in.magnitude[i]); !status.ok())
          return absl::FailedPreconditionError("body " + std::to_string(i) + " axis " +
                                               std::to_string(axis) + ": " +
                                               std::string(status.message()));
      }
    }
    return absl::OkStatus();
  }
};
using Input = NBody::Input;
using Output = NBody::Output;

void naive(const Input& in, Output& out) {
  for (std::size_t i = 0; i < in.bodies.size(); ++i) {
    const Body& body = in.bodies[i];
    float ax = 0, ay = 0, az = 0;
    for (const Body& other : in.bodies) {
      const float dx = other.x - body.x, dy = other.y - body.y, dz = other.z - body.z;
      const float r2 = dx * dx + dy * dy + dz * dz + kSoftening;
      const float inverse = 1 / std::sqrt(r2);
      const float pull = other.mass * inverse * inverse * inverse;
      ax += pull * dx;
      ay += pull * dy;
      az += pull * dz;
    }
    out.x[i] = ax, out.y[i] = ay, out.z[i] = az;
  }
}

// What a body does to another one, the other does to it, with its own mass: each pair once, half of
// the roots and divisions. (That is hard to have with vectors too, whose sums would collide.)
void pairs_once(const Input& in, Output& out) {
  const std::size_t n = in.bodies.size();
  for (std::size_t i = 0; i < n; ++i) out.x[i] = out.y[i] = out.z[i] = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const Body& body = in.bodies[i];
    float ax = out.x[i], ay = out.y[i], az = out.z[i];
    for (std::size_t j = i + 1; j < n; ++j) {
      const Body& other = in.bodies[j];
      const float dx = other.x - body.x, dy = other.y - body.y, dz = other.z - body.z;
      const float inverse = 1 / std::sqrt(dx * dx + dy * dy + dz * dz + kSoftening);
      const float cube = inverse * inverse * inverse;
      const float pull = other.mass * cube, back = body.mass * cube;
      ax += pull * dx, ay += pull * dy, az += pull * dz;
      out.x[j] -= back * dx, out.y[j] -= back * dy, out.z[j] -= back * dz;
    }
    out.x[i] = ax, out.y[i] = ay, out.z[i] = az;
  }
}

// A lane a pulled body; an estimate of the inverse root, made better, instead of root and division.
void highway(const Input& in, Output& out) {
  const BodiesView view{in.x.data(), in.y.data(), in.z.data(), in.mass.data(), in.x.size()};
  if (view.n != 0)
    HWY_DYNAMIC_DISPATCH(AccelerateBodies)(view, out.x.data(), out.y.data(), out.z.data());
}

constexpr Variant<NBody> kVariants[] = {
    {.name = "naive",
     .run = run<naive>,
     .what = "pair by pair: a square root and a division each, and sums in one order"},
    {.name = "pairs_once",
     .run = run<pairs_once>,
     .what = "each pair once, for both its bodies: half of the roots and divisions"},
    {.name = "highway",
     .run = run<highway>,
     .what = "a lane a body, two vectors of them; 1/sqrt by an estimate made better, no root or "
             "division"},
};

const Registrar kRegistrar(
    {.name = "simd/nbody",
     .axis = Axis::kSimd,
     .technique = "a lane an item, data in arrays, and an estimate refined instead of a root",
     .sizes = {128, 512, 2048, 8192},
     .headline = {512, 2048},
     .ceiling = {"machine/fma", "f32"},
     .demand =
         [](const Setting& s) {
           const double pairs = static_cast<double>(s.n) * static_cast<double>(s.n);
           // Three differences, r^2 in six operations, an inverse root, its cube times the mass
           // in three, six for the sums.
           return Demand{.items = pairs,
                         .bytes = 28 * static_cast<double>(s.n),
                         .flops = 19 * pairs,
                         .working_set = 28 * s.n,
                         .memory = (16 + 20 + 12 * std::size(kVariants)) * s.n + (1 << 16)};
         },
     .test_sizes = {0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 129, 300}},
    kVariants);

}  // namespace
}  // namespace headroom
#endif  // HWY_ONCE
