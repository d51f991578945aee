// error: the Input of a served problem lacks a member `requests`
#include "support/served.h"

namespace headroom {
namespace {

struct P {
  using Request = int;
  using Reply = int;
  struct Input {
    std::vector<int> asked;
  };
  using Output = std::vector<Reply>;
  static Input make(const Setting&, Rng&) { return {}; }
  static absl::Status same(const Input&, const Output& want, const Output& got) {
    return exact(want, got);
  }
  static LoadPlan plan(const Input& in, const Setting&) { return {.requests = in.asked.size()}; }
};
struct Service {
  explicit Service(const P::Input&) {}
};
void naive(Service&, const int& request, int& reply) { reply = request; }
constexpr Variant<P> kVariants[] = {{.name = "naive", .run = serve<naive>, .what = "w"}};
const Registrar kRegistrar({.name = "contract/wrong"}, kVariants);

}  // namespace
}  // namespace headroom
