// Kernels that are broken on purpose, each in one way, to show that the checks can fail. The
// problem: the running totals of an array.
#pragma once

#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <stdexcept>

#include "core/kernel.h"

namespace headroom::faulty {

struct Totals {
  struct Input {
    Buffer<std::uint32_t> x;
  };
  using Output = Buffer<std::uint32_t>;
  static Input make(const Setting& setting, Rng& rng) {
    Input in{Buffer<std::uint32_t>(setting.n)};
    for (std::uint32_t& x : in.x) x = static_cast<std::uint32_t>(bounded(rng, 1000));
    return in;
  }
  static Input from(std::span<const std::uint8_t> bytes) {
    Input in{Buffer<std::uint32_t>(bytes.size())};
    std::copy(bytes.begin(), bytes.end(), in.x.begin());
    return in;
  }
  static void size(const Input& in, Output& out) { out = Output(in.x.size()); }
  static absl::Status same(const Input&, const Output& want, const Output& got) {
    return exact(want, got);
  }
};

inline void naive(const Totals::Input& in, Totals::Output& out) {
  std::uint32_t total = 0;
  for (std::size_t i = 0; i < in.x.size(); ++i) out[i] = total += in.x[i];
}

inline constexpr std::size_t kBadSize = 1000;

// Right except at one size.
inline void wrong_at_one_size(const Totals::Input& in, Totals::Output& out) {
  naive(in, out);
  if (in.x.size() == kBadSize) out[kBadSize / 2] += 1;
}

// Stops after three quarters of the input.
inline void skips_part(const Totals::Input& in, Totals::Output& out) {
  std::uint32_t total = 0;
  for (std::size_t i = 0; i < in.x.size() - in.x.size() / 4; ++i) out[i] = total += in.x[i];
}

// The right numbers in another order.
inline void reorders(const Totals::Input& in, Totals::Output& out) {
  naive(in, out);
  for (std::size_t i = 0; i + 1 < out.size(); i += 2) std::swap(out[i], out[i + 1]);
}

// Writes nothing at all, and so leaves what another call left in its output.
inline void writes_nothing(const Totals::Input&, Totals::Output&) {}

// Right, but looks one element past the end.
inline void reads_past_end(const Totals::Input& in, Totals::Output& out) {
  naive(in, out);
  const std::uint32_t past = *opaque(in.x.data() + in.x.size());
  if (past == 0x12345678 && !out.empty()) out[0] = past;
}

// Right for the checks before timing, wrong from the hundredth call on.
inline void wrong_later(const Totals::Input& in, Totals::Output& out) {
  static int calls = 0;
  naive(in, out);
  if (++calls > 100 && !out.empty()) out[0] += 1;
}

inline void throws(const Totals::Input&, Totals::Output&) {
  throw std::runtime_error("no such luck");
}

// Right for the first calls, then it throws.
inline void throws_later(const Totals::Input& in, Totals::Output& out) {
  static int calls = 0;
  naive(in, out);
  if (++calls > 100) throw std::runtime_error("enough");
}

inline void crashes(const Totals::Input&, Totals::Output&) { std::abort(); }

inline void hangs(const Totals::Input&, Totals::Output&) {
  for (;;) sleep(1);
}

inline Metadata metadata(const char* name) {
  return {.name = name,
          .axis = Axis::kScalar,
          .technique = "none: for tests",
          .sizes = {256, kBadSize},
          .headline = {256, kBadSize},
          .demand = [](const Setting& s) {
            return Demand{
                .items = static_cast<double>(s.n), .working_set = 8 * s.n, .memory = 12 * s.n};
          }};
}

// A ceiling: what the naive way makes of as many bytes.
inline constexpr Variant<Totals> kProbe[] = {
    {.name = "probe", .run = run<naive>, .what = "the bytes that it names"},
};
inline Metadata probe_metadata(const char* name) {
  Metadata meta = metadata(name);
  meta.unit = "B/s";
  meta.demand = [](const Setting& s) {
    return Demand{
        .items = static_cast<double>(s.n), .bytes = 8.0 * static_cast<double>(s.n), .memory = 1};
  };
  return meta;
}

// Right, but its table claims `times` the bytes that a call moves.
inline Metadata claiming(const char* name, double times) {
  Metadata meta = metadata(name);
  meta.ceiling = {"faulty/probe"};
  meta.demand = [times](const Setting& s) {
    return Demand{.items = static_cast<double>(s.n),
                  .bytes = 8.0 * static_cast<double>(s.n) * times,
                  .working_set = 8 * s.n,
                  .memory = 12 * s.n};
  };
  return meta;
}

template <auto kFunction>
inline constexpr Variant<Totals> kPair[] = {
    {.name = "naive", .run = run<naive>, .what = "the reference"},
    {.name = "broken", .run = run<kFunction>, .what = "broken on purpose"},
};

}  // namespace headroom::faulty
