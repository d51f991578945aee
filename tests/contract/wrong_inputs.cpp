// error: the problem's kInputs must be
#include <string>
#include <vector>

#include "core/kernel.h"

namespace headroom {
namespace {

struct P {
  using Input = std::string;
  using Output = std::string;
  static Input make(const Setting&, Rng&) { return {}; }
  static absl::Status same(const Input&, const Output& want, const Output& got) {
    return exact(want, got);
  }
  static constexpr const char* kInputs[] = {"a"};
};
void naive(const std::string& in, std::string& out) { out = in; }
constexpr Variant<P> kVariants[] = {{.name = "naive", .run = run<naive>, .what = "w"}};
const Registrar kRegistrar({.name = "contract/wrong"}, kVariants);

}  // namespace
}  // namespace headroom
