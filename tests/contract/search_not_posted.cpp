// error: largest_rate takes a variant `void f(Service&, const Request&, Reply&, Answered)`
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
  static RateSearch search(const Input&, const Setting&) { return {}; }
  static Arrivals arrivals(const Input&, const Setting&, double) { return {}; }
  static absl::Status right(const Input&, std::span<const Reply>) { return absl::OkStatus(); }
};
struct Service {
  explicit Service(const P::Input&) {}
};
void naive(Service&, const int& request, int& reply) { reply = request; }
constexpr Variant<P> kVariants[] = {{.name = "naive", .run = largest_rate<naive>, .what = "w"}};
const Registrar kRegistrar({.name = "contract/wrong"}, kVariants);

}  // namespace
}  // namespace headroom
