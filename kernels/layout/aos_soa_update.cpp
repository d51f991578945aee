// layout/aos_soa_update: where every particle will be after a step: predicted = position + velocity
// * step.
//
// n particles; a record of one holds position, velocity, predicted position (three floats each) and
// twelve bytes that the step does not touch, 48 in all. The step's length changes from call to
// call. Out: the predicted positions, each of them, in whatever layout the variant has them. The
// numbers are multiples of powers of two, so small that product and sum are exact, fused or not:
// agreement is to the last bit.
//
// The array of structs reads and writes whole lines, a quarter of which the step does not need, and
// neighbours in memory are of different kinds, so the compiler finds little to vectorize.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "layout/aos_soa_update.cpp"
#include "hwy/cache_control.h"
#include "support/prefetch-inl.h"
#include "support/simd.h"

#if HWY_ONCE
#include <algorithm>
#include <string>

#include "core/kernel.h"

namespace headroom {
namespace {

struct Particle {
  float x, y, z;     // position
  float vx, vy, vz;  // velocity
  float px, py, pz;  // predicted position: what a step writes
  float inverse_mass;
  std::uint32_t id, phase;
};
static_assert(sizeof(Particle) == 48);

// A layout shows its predicted positions to the check.
class Layout {
 public:
  virtual ~Layout() = default;
  virtual std::size_t size() const = 0;
  virtual float& predicted(std::size_t particle, int axis) = 0;
};

struct Update {
  struct Call {
    float step;
  };
  struct Input {
    Buffer<Particle> particles;
    // 1 to 127 parts of 1024.
    Call at(std::size_t turn) const { return {static_cast<float>(turn % 127 + 1) * 0x1p-10f}; }
  };
  struct Output {
    Layout* layout = nullptr;
    void poison() {
      if (layout == nullptr) return;
      for (std::size_t i = 0; i < layout->size(); ++i)
        for (int axis = 0; axis < 3; ++axis) layout->predicted(i, axis) = -1e9f;
    }
    bool spoil(Spoil how) {
      if (how != Spoil::kFirst || layout == nullptr || layout->size() == 0) return false;
      layout->predicted(0, 0) = -1e9f;
      return true;
    }
  };

  static Input make(const Setting& setting, Rng& rng) {
    Input in{Buffer<Particle>(setting.n)};
    FastRng fast(rng());
    std::uint32_t id = 0;
    const auto bits = [](std::uint64_t word, int at, int count) {
      return static_cast<float>(word >> at & ((1u << count) - 1));
    };
    for (Particle& p : in.particles) {
      const std::uint64_t a = fast(), b = fast();
      p = {bits(a, 0, 18) * 0x1p-18f,
           bits(a, 18, 18) * 0x1p-18f,
           bits(a, 36, 18) * 0x1p-18f,
           (bits(b, 0, 8) - 128) * 0x1p-8f,
           (bits(b, 8, 8) - 128) * 0x1p-8f,
           (bits(b, 16, 8) - 128) * 0x1p-8f,
           0,
           0,
           0,
           1,
           id++,
           static_cast<std::uint32_t>(b >> 32)};
    }
    return in;
  }
  static absl::Status same(const Call&, const Output& want, const Output& got) {
    if (want.layout == nullptr || got.layout == nullptr ||
        want.layout->size() != got.layout->size())
      return absl::FailedPreconditionError("no predicted positions");
    for (std::size_t i = 0; i < want.layout->size(); ++i)
      for (int axis = 0; axis < 3; ++axis)
        if (absl::Status status =
                exact(want.layout->predicted(i, axis), got.layout->predicted(i, axis));
            !status.ok())
          return absl::FailedPreconditionError("particle " + std::to_string(i) + ", axis " +
                                               std::to_string(axis) + ": " +
                                               std::string(status.message()));
    return absl::OkStatus();
  }
};
using Call = Update::Call;
using Output = Update::Output;

struct Aos final : Layout {
  explicit Aos(const Update::Input& in) : particles(in.particles) {}
  std::size_t size() const override { return particles.size(); }
  float& predicted(std::size_t i, int axis) override {
    Particle& p = particles[i];
    return axis == 0 ? p.px : axis == 1 ? p.py : p.pz;
  }
  Buffer<Particle> particles;
};

// Particle by particle, as they lie.
void naive(Aos& state, const Call& call, Output& out) {
  for (Particle& p : state.particles) {
    p.px = p.x + p.vx * call.step;
    p.py = p.y + p.vy * call.step;
    p.pz = p.z + p.vz * call.step;
  }
  out.layout = &state;
}

// What the step touches in one array, the rest in another: three quarters of the bytes.
struct HotCold final : Layout {
  struct Hot {
    float x, y, z, vx, vy, vz, px, py, pz;
  };
  struct Cold {
    float inverse_mass;
    std::uint32_t id, phase;
  };
  explicit HotCold(const Update::Input& in) : hot(in.particles.size()), cold(in.particles.size()) {
    for (std::size_t i = 0; i < hot.size(); ++i) {
      const Particle& p = in.particles[i];
      hot[i] = {p.x, p.y, p.z, p.vx, p.vy, p.vz, 0, 0, 0};
      cold[i] = {p.inverse_mass, p.id, p.phase};
    }
  }
  std::size_t size() const override { return hot.size(); }
  float& predicted(std::size_t i, int axis) override {
    Hot& p = hot[i];
    return axis == 0 ? p.px : axis == 1 ? p.py : p.pz;
  }
  Buffer<Hot> hot;
  Buffer<Cold> cold;
};

void hot_cold(HotCold& state, const Call& call, Output& out) {
  for (HotCold::Hot& p : state.hot) {
    p.px = p.x + p.vx * call.step;
    p.py = p.y + p.vy * call.step;
    p.pz = p.z + p.vz * call.step;
  }
  out.layout = &state;
}

// AoSoA: tiles of sixteen particles, in each tile an array a field. Neighbours are of one kind, so
// the compiler vectorizes, and all fields of a particle still lie within one page.
struct Tiles final : Layout {
  static constexpr std::size_t kTile = 16;
  struct Tile {
    float position[3][kTile], velocity[3][kTile], predicted[3][kTile];
    float inverse_mass[kTile];
    std::uint32_t id[kTile], phase[kTile];
  };
  // The last tile is filled up with zeros.
  explicit Tiles(const Update::Input& in)
      : count(in.particles.size()), tiles((count + kTile - 1) / kTile) {
    for (std::size_t i = 0; i < count; ++i) {
      const Particle& p = in.particles[i];
      Tile& t = tiles[i / kTile];
      const std::size_t k = i % kTile;
      t.position[0][k] = p.x, t.position[1][k] = p.y, t.position[2][k] = p.z;
      t.velocity[0][k] = p.vx, t.velocity[1][k] = p.vy, t.velocity[2][k] = p.vz;
      t.inverse_mass[k] = p.inverse_mass, t.id[k] = p.id, t.phase[k] = p.phase;
    }
  }
  std::size_t size() const override { return count; }
  float& predicted(std::size_t i, int axis) override {
    return tiles[i / kTile].predicted[axis][i % kTile];
  }
  std::size_t count;
  Buffer<Tile> tiles;
};

void aosoa(Tiles& state, const Call& call, Output& out) {
  for (Tiles::Tile& t : state.tiles)
    for (int axis = 0; axis < 3; ++axis)
      for (std::size_t k = 0; k < Tiles::kTile; ++k)
        t.predicted[axis][k] = t.position[axis][k] + t.velocity[axis][k] * call.step;
  out.layout = &state;
}

// SoA: an array a field. The step reads and writes nothing else.
struct Columns final : Layout {
  explicit Columns(const Update::Input& in) {
    const std::size_t n = in.particles.size();
    for (int axis = 0; axis < 3; ++axis)
      position[axis] = velocity[axis] = predicted_[axis] = Buffer<float>(n);
    inverse_mass = Buffer<float>(n);
    id = phase = Buffer<std::uint32_t>(n);
    for (std::size_t i = 0; i < n; ++i) {
      const Particle& p = in.particles[i];
      position[0][i] = p.x, position[1][i] = p.y, position[2][i] = p.z;
      velocity[0][i] = p.vx, velocity[1][i] = p.vy, velocity[2][i] = p.vz;
      inverse_mass[i] = p.inverse_mass, id[i] = p.id, phase[i] = p.phase;
    }
  }
  std::size_t size() const override { return id.size(); }
  float& predicted(std::size_t i, int axis) override { return predicted_[axis][i]; }
  Buffer<float> position[3], velocity[3], predicted_[3];
  Buffer<float> inverse_mass;
  Buffer<std::uint32_t> id, phase;
};

void soa(Columns& state, const Call& call, Output& out) {
  const std::size_t n = state.size();
  for (int axis = 0; axis < 3; ++axis) {
    const float* const x = state.position[axis].data();
    const float* const v = state.velocity[axis].data();
    float* const to = state.predicted_[axis].data();
    for (std::size_t i = 0; i < n; ++i) to[i] = x[i] + v[i] * call.step;
  }
  out.layout = &state;
}

}  // namespace
}  // namespace headroom
#endif  // HWY_ONCE

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {
namespace {

// to = x + v * step; past the caches if kStream.
template <bool kStream>
HWY_INLINE void Predict(const float* HWY_RESTRICT x, const float* HWY_RESTRICT v, float step,
                        size_t n, float* HWY_RESTRICT to) {
  const hn::ScalableTag<float> d;
  const size_t lanes = hn::Lanes(d);
  const auto s = hn::Set(d, step);
  size_t i = 0;
  if constexpr (kStream) {
    const size_t head = items_to_alignment(to, n, lanes * sizeof(float));
    for (; i < head; ++i) to[i] = x[i] + v[i] * step;
  }
  const auto one = [&](size_t at) HWY_ATTR {
    const auto p = hn::MulAdd(hn::LoadU(d, v + at), s, hn::LoadU(d, x + at));
    StoreOrStream<kStream>(d, p, to + at);
  };
  for (; i + 4 * lanes <= n; i += 4 * lanes) {
    one(i);
    one(i + lanes);
    one(i + 2 * lanes);
    one(i + 3 * lanes);
  }
  for (; i + lanes <= n; i += lanes) one(i);
  for (; i < n; ++i) to[i] = x[i] + v[i] * step;
}

}  // namespace

void PredictCached(const float* x, const float* v, float step, size_t n, float* to) {
  Predict<false>(x, v, step, n, to);
}

void PredictStreamed(const float* x, const float* v, float step, size_t n, float* to) {
  Predict<true>(x, v, step, n, to);
  hwy::FlushStream();
}

}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace headroom {
namespace {

HWY_EXPORT(PredictCached);
HWY_EXPORT(PredictStreamed);

// The same with the widest vectors of the host.
void soa_simd(Columns& state, const Call& call, Output& out) {
  for (int axis = 0; axis < 3; ++axis) HWY_DYNAMIC_DISPATCH(PredictCached)
  (state.position[axis].data(), state.velocity[axis].data(), call.step, state.size(),
   state.predicted_[axis].data());
  out.layout = &state;
}

// And written past the caches: a line that is written whole need not be read first.
void soa_streamed(Columns& state, const Call& call, Output& out) {
  for (int axis = 0; axis < 3; ++axis) HWY_DYNAMIC_DISPATCH(PredictStreamed)
  (state.position[axis].data(), state.velocity[axis].data(), call.step, state.size(),
   state.predicted_[axis].data());
  out.layout = &state;
}

constexpr Variant<Update> kVariants[] = {
    {.name = "naive",
     .run = run<naive>,
     .what = "array of structs: whole lines in and out, fields of different kinds side by side"},
    {.name = "hot_cold",
     .run = run<hot_cold>,
     .what = "36 hot bytes per particle apart from 12 cold ones: three quarters of the lines"},
    {.name = "aosoa",
     .run = run<aosoa>,
     .what = "tiles of 16 particles, an array per field: the compiler vectorizes"},
    {.name = "soa",
     .run = run<soa>,
     .what = "an array per field: the compiler vectorizes, and no other byte is touched"},
    {.name = "soa_simd",
     .run = run<soa_simd>,
     .what = "an array per field, widest SIMD of the host"},
    {.name = "soa_streamed",
     .run = run<soa_streamed>,
     .what =
         "written past the caches: lines are not read first; a gain from memory, a loss in caches"},
};

const Registrar kRegistrar(
    {.name = "layout/aos_soa_update",
     .axis = Axis::kMemoryBandwidth,
     .technique = "an array per field: whole vectors of one kind, and no byte for nothing",
     .sizes = {1 << 10, 1 << 14, 1 << 16, 1 << 20, 4 << 20},
     .headline = {1 << 10, 1 << 20},
     .ceiling = {"machine/triad"},
     .demand =
         [](const Setting& s) {
           const double n = static_cast<double>(s.n);
           return Demand{.items = n,
                         .bytes = 36 * n,
                         .flops = 6 * n,
                         .working_set = 36 * s.n,  // of the best layout, for its ceiling
                         .memory = (1 + std::size(kVariants)) * sizeof(Particle) * s.n};
         }},
    kVariants);

}  // namespace
}  // namespace headroom
#endif  // HWY_ONCE
