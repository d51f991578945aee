// machine/triad: STREAM's triad, a = b + s * c in doubles, by working set.
//
// The three arrays are n bytes together, shared out evenly to the threads; small ones are gone over
// many times a call. 24 bytes count for each element, as McCalpin's STREAM counts them: not the
// lines of `a` that a plain store reads before it writes them. Out: a, exact: the values are small
// multiples of a half.
#include <cstddef>
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "machine/triad.cpp"
#include "core/opaque.h"
#include "hwy/cache_control.h"
#include "support/prefetch-inl.h"
#include "support/simd.h"

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {

// a = b + s * c, `passes` times.
void TriadPlain(double* HWY_RESTRICT a, const double* HWY_RESTRICT b, const double* HWY_RESTRICT c,
                double scalar, size_t items, size_t passes) {
  const hn::ScalableTag<double> d;
  const size_t lanes = hn::Lanes(d);
  const auto s = hn::Set(d, scalar);
  for (; passes != 0; --passes) {
    size_t i = 0;
    for (; i + 4 * lanes <= items; i += 4 * lanes) {
      hn::StoreU(hn::MulAdd(s, hn::LoadU(d, c + i), hn::LoadU(d, b + i)), d, a + i);
      hn::StoreU(hn::MulAdd(s, hn::LoadU(d, c + i + lanes), hn::LoadU(d, b + i + lanes)), d,
                 a + i + lanes);
      hn::StoreU(hn::MulAdd(s, hn::LoadU(d, c + i + 2 * lanes), hn::LoadU(d, b + i + 2 * lanes)), d,
                 a + i + 2 * lanes);
      hn::StoreU(hn::MulAdd(s, hn::LoadU(d, c + i + 3 * lanes), hn::LoadU(d, b + i + 3 * lanes)), d,
                 a + i + 3 * lanes);
    }
    for (; i + lanes <= items; i += lanes)
      hn::StoreU(hn::MulAdd(s, hn::LoadU(d, c + i), hn::LoadU(d, b + i)), d, a + i);
    for (; i < items; ++i) a[i] = b[i] + scalar * c[i];
    sink(*a);  // or the compiler might drop all passes but the last
  }
}

// The same past the caches: whole lines go to memory, and none is read first.
void TriadNonTemporal(double* HWY_RESTRICT a, const double* HWY_RESTRICT b,
                      const double* HWY_RESTRICT c, double scalar, size_t items, size_t passes) {
  const hn::ScalableTag<double> d;
  const size_t lanes = hn::Lanes(d);
  const auto s = hn::Set(d, scalar);
  const size_t unaligned = items_to_alignment(a, items, lanes * sizeof(double));
  for (; passes != 0; --passes) {
    size_t i = 0;
    for (; i < unaligned; ++i) a[i] = b[i] + scalar * c[i];
    for (; i + 4 * lanes <= items; i += 4 * lanes) {
      hn::Stream(hn::MulAdd(s, hn::LoadU(d, c + i), hn::LoadU(d, b + i)), d, a + i);
      hn::Stream(hn::MulAdd(s, hn::LoadU(d, c + i + lanes), hn::LoadU(d, b + i + lanes)), d,
                 a + i + lanes);
      hn::Stream(hn::MulAdd(s, hn::LoadU(d, c + i + 2 * lanes), hn::LoadU(d, b + i + 2 * lanes)), d,
                 a + i + 2 * lanes);
      hn::Stream(hn::MulAdd(s, hn::LoadU(d, c + i + 3 * lanes), hn::LoadU(d, b + i + 3 * lanes)), d,
                 a + i + 3 * lanes);
    }
    for (; i + lanes <= items; i += lanes)
      hn::Stream(hn::MulAdd(s, hn::LoadU(d, c + i), hn::LoadU(d, b + i)), d, a + i);
    for (; i < items; ++i) a[i] = b[i] + scalar * c[i];
    sink(*a);
  }
  hwy::FlushStream();
}

}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "machine/bandwidth.h"

namespace headroom {
namespace {

constexpr std::size_t kSettling = 1;  // pass: more change nothing (see bandwidth.h)

HWY_EXPORT(TriadPlain);
HWY_EXPORT(TriadNonTemporal);

struct Triad {
  struct Input {
    machine::Sweep sweep;
    std::uint64_t seed = 0;
    double scalar = 3;
    double b(std::size_t i) const { return static_cast<double>((seed + i) % 1021); }
    double c(std::size_t i) const { return static_cast<double>((seed + i) % 509) + 0.5; }
  };
  struct Output {
    std::unique_ptr<Team> team;
    machine::Pieces<double> a;
    std::shared_ptr<const machine::Pieces<double>> b, c;
    void poison() { a.poison(); }
    bool spoil(Spoil how) { return a.spoil(how); }
  };

  static Input make(const Setting& setting, Rng& rng) {
    return {machine::sweep(setting.n, 3, kSettling), rng() % 1'000'000};
  }
  static void size(const Input& in, Output& out, const Setting& setting) {
    out.team = std::make_unique<Team>(setting.threads);
    out.a = machine::Pieces<double>(*out.team, in.sweep.items);
    out.b = machine::read_only<double>(*out.team, in.sweep.items, in.seed,
                                       [&](std::size_t i) { return in.b(i); });
    out.c = machine::read_only<double>(*out.team, in.sweep.items, in.seed,
                                       [&](std::size_t i) { return in.c(i); });
  }
  static absl::Status same(const Input& in, const Output& want, const Output& got) {
    const auto value = [&](std::size_t i) { return in.b(i) + in.scalar * in.c(i); };
    if (absl::Status status = want.a.check(value); !status.ok()) return status;
    return got.a.check(value);
  }
};

template <class Function>
void triad_all(const Triad::Input& in, Triad::Output& out, Function triad) {
  out.team->run([&](int thread) {
    triad(out.a[thread].data(), (*out.b)[thread].data(), (*out.c)[thread].data(), in.scalar,
          out.a[thread].size(), in.sweep.passes);
  });
}

void plain(const Triad::Input& in, Triad::Output& out) {
  triad_all(in, out, HWY_DYNAMIC_DISPATCH(TriadPlain));
}

void non_temporal(const Triad::Input& in, Triad::Output& out) {
  triad_all(in, out, HWY_DYNAMIC_DISPATCH(TriadNonTemporal));
}

constexpr Variant<Triad> kVariants[] = {
    {.name = "plain", .run = run<plain>, .what = "ordinary vector stores, through the caches"},
    {.name = "non_temporal",
     .run = run<non_temporal>,
     .what = "streaming stores past the caches: no line of a is read before it is written"},
};

const Registrar kRegistrar(
    {.name = "machine/triad",
     .axis = Axis::kMemoryBandwidth,
     .technique = "STREAM's triad: sustainable bandwidth of two reads and a write",
     .sizes = {16 << 10, 512 << 10, 3 << 20, 64 << 20, 256 << 20},
     .headline = {16 << 10, 512 << 10, 3 << 20, 64 << 20},
     .sweeps_threads = true,
     .warm = Warm::kCall,
     .unit = "B/s",
     .demand =
         [](const Setting& s) {
           const machine::Sweep sweep = machine::sweep(s.n, 3, kSettling);
           Demand demand = machine::sweep_demand(sweep, 1, std::size(kVariants));
           demand.flops = sweep.bytes() / 24 * 2;
           return demand;
         },
     .test_sizes = {1, 7, 4096, 4097, 20'001}},
    kVariants);

}  // namespace
}  // namespace headroom
#endif  // HWY_ONCE
