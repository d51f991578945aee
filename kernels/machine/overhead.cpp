// machine/overhead: what the harness itself adds to every call.
#include "core/kernel.h"

namespace headroom {
namespace {

struct Overhead {
  struct Input {};
  using Output = int;
  static Input make(const Setting&, Rng&) { return {}; }
  static void size(const Input&, Output& out) { out = 0; }
  // There is nothing to compare: an empty call leaves the poison in place in every variant.
  static absl::Status same(const Input&, const Output& want, const Output& got) {
    return exact(want, got);
  }
};

void probe(const Overhead::Input&, Overhead::Output&) {}

constexpr Variant<Overhead> kVariants[] = {
    {.name = "probe", .run = run<probe>, .what = "an empty call through the opaque pointer"},
};

const Registrar kRegistrar(
    {.name = "machine/overhead",
     .axis = Axis::kScalar,
     .technique = "the cost of measuring: a call under 20 times this is flagged",
     .sizes = {1},
     .headline = {1},
     .unit = "ns",
     .demand = [](const Setting&) { return Demand{.items = 1}; },
     .test_sizes = {1}},
    kVariants);

}  // namespace
}  // namespace headroom
