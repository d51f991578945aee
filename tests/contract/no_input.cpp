// error: the problem lacks `using Input
#include <string>
#include <vector>

#include "core/kernel.h"

namespace headroom {
namespace {

struct P {
  using Output = std::string;
};
void naive(const std::string& in, std::string& out) { out = in; }
constexpr Variant<P> kVariants[] = {{.name = "naive", .run = run<naive>, .what = "w"}};
const Registrar kRegistrar({.name = "contract/wrong"}, kVariants);

}  // namespace
}  // namespace headroom
