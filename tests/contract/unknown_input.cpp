// error: this_problem_declares_no_input_of_that_name
#include <string>
#include <vector>

#include "core/kernel.h"

namespace headroom {
namespace {

struct P {
  using Input = std::string;
  using Output = std::string;
  static constexpr auto kInputs = inputs("short", "long");
  static Input make(const Setting& setting, Rng&) {
    return setting.input == kInputs["lnog"] ? "word" : "";
  }
  static absl::Status same(const Input&, const Output& want, const Output& got) {
    return exact(want, got);
  }
};
void naive(const std::string& in, std::string& out) { out = in; }
constexpr Variant<P> kVariants[] = {{.name = "naive", .run = run<naive>, .what = "w"}};
const Registrar kRegistrar({.name = "contract/wrong"}, kVariants);

}  // namespace
}  // namespace headroom
