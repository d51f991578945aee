// Without a mistake: the first tries of a newcomer, a string and a vector as input.
#include <string>
#include <vector>

#include "core/kernel.h"

namespace headroom {
namespace {

struct Longest {
  using Input = std::vector<std::string>;
  using Output = std::string;
  static constexpr auto kInputs = inputs("short", "long").for_tests("empty");
  static Input make(const Setting& setting, Rng&) {
    return Input(setting.n, setting.input == kInputs["empty"] ? "" : "word");
  }
  static absl::Status same(const Input&, const Output& want, const Output& got) {
    return exact(want, got);
  }
};
void naive(const std::vector<std::string>& in, std::string& out) {
  out.clear();
  for (const std::string& text : in)
    if (text.size() > out.size()) out = text;
}
constexpr Variant<Longest> kVariants[] = {{.name = "naive", .run = run<naive>, .what = "w"}};
const Registrar kRegistrar({.name = "contract/sound"}, kVariants);

}  // namespace
}  // namespace headroom
