// error: or, without shed(), `void f(Service&, const Request&, Reply&, Answered)`
#include "support/served.h"

namespace headroom {
namespace {

struct P {
  using Request = int;
  using Reply = int;
  struct Input {
    std::vector<int> requests;
  };
  using Output = std::vector<Reply>;
  static Input make(const Setting&, Rng&) { return {}; }
  static absl::Status same(const Input&, const Output& want, const Output& got) {
    return exact(want, got);
  }
  static bool shed(const Reply& reply) { return reply == 0; }
  static LoadPlan plan(const Input& in, const Setting&) { return {.requests = in.requests.size()}; }
};
struct Service {
  explicit Service(const P::Input&) {}
};
void naive(Service&, const int& request, int& reply, Answered answered) {
  reply = request;
  answered();
}
constexpr Variant<P> kVariants[] = {{.name = "naive", .run = serve<naive>, .what = "w"}};
const Registrar kRegistrar({.name = "contract/wrong"}, kVariants);

}  // namespace
}  // namespace headroom
