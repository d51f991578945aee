// error: the problem declares Call, so its Input needs `Call at(std::size_t turn) const`
#include <string>
#include <vector>

#include "core/kernel.h"

namespace headroom {
namespace {

struct P {
  using Input = std::string;
  using Output = std::string;
  using Call = std::size_t;
  static Input make(const Setting&, Rng&) { return {}; }
  static absl::Status same(const Call&, const Output& want, const Output& got) {
    return exact(want, got);
  }
};
void naive(const std::size_t&, std::string& out) { out.clear(); }
constexpr Variant<P> kVariants[] = {{.name = "naive", .run = run<naive>, .what = "w"}};
const Registrar kRegistrar({.name = "contract/wrong"}, kVariants);

}  // namespace
}  // namespace headroom
