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
// The naive loop has a square root and a division a pair, which take longer than all other
// operations together, and the compiler may not reorder its sums. An estimate of 1/sqrt, for which
// vectors have an instruction, and a term or two of a series that makes it better are exact enough.
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "core/kernel.h"

namespace headroom {
namespace {

constexpr float kSoftening = 0x1p-8f;

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
      // In double precision the rounded sum is the same whether a compiler fuses products and sums
      // or not.
      double sums[8] = {};
      for (std::size_t j = 0; j < n; ++j) {
        const double dx = in.x[j] - in.x[i], dy = in.y[j] - in.y[i], dz = in.z[j] - in.z[i];
        const double r2 = dx * dx + dy * dy + dz * dz + kSoftening;
        sums[j % 8] += in.mass[j] / r2;  // a little more than the pull, which is softened
      }
      double all = 0;
      for (const double sum : sums) all += sum;
      in.magnitude[i] = static_cast<float>(all);
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

// Each body, and what each of the others does to it.
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

// A pull is mutual, so each pair needs its root and its division only once. (Vectors could do so
// too, but for the sums of the pulling bodies, which several lanes would add to at once.)
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

// The bodies once more, an array a component.
struct BodiesView {
  const float *x, *y, *z, *mass;
  std::size_t n;
};

}  // namespace
}  // namespace headroom

// The SIMD part, compiled once for each target.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/nbody-inl.h"
#include "simd/nbody-inl.h"

namespace headroom {
namespace {

HWY_EXPORT(AccelerateExactly);
HWY_EXPORT(AccelerateByEstimate);

BodiesView view_of(const Input& in) {
  return {in.x.data(), in.y.data(), in.z.data(), in.mass.data(), in.x.size()};
}

// A lane a pulled body: sums need no reordering and no reduction, for a lane adds up its own.
void vector_root(const Input& in, Output& out) {
  if (in.x.size() == 0) return;
  HWY_DYNAMIC_DISPATCH(AccelerateExactly)
  (view_of(in), out.x.data(), out.y.data(), out.z.data());
}

// The same with an estimate of the inverse root, made better, in place of root and division.
void highway(const Input& in, Output& out) {
  if (in.x.size() == 0) return;
  HWY_DYNAMIC_DISPATCH(AccelerateByEstimate)
  (view_of(in), out.x.data(), out.y.data(), out.z.data());
}

constexpr Variant<NBody> kVariants[] = {
    {.name = "naive",
     .run = run<naive>,
     .what = "pair by pair: a square root and a division each, and sums in one order"},
    {.name = "pairs_once",
     .run = run<pairs_once>,
     .what = "each pair once, for both its bodies: half of the roots and divisions"},
    {.name = "vector_root",
     .run = run<vector_root>,
     .what = "a lane per attracted body, two vectors of them at a time; a vector's roots are one "
             "instruction"},
    {.name = "highway",
     .run = run<highway>,
     .what = "vector_root, with a refined estimate of 1/sqrt instead of root and division"},
};

const Registrar kRegistrar(
    {.name = "simd/nbody",
     .axis = Axis::kSimd,
     .technique = "a lane per item, data in arrays, and a refined estimate instead of a root",
     .sizes = {128, 512, 2048, 8192},
     .headline = {512, 2048},
     .ceiling = {"machine/fma", "f32"},
     .promise = Promise::kNone,  // sums in any order, within the tolerance above
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
