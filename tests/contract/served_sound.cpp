// Without a mistake: a kernel that serves requests.
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
  static LoadPlan plan(const Input& in, const Setting&) { return {.requests = in.requests.size()}; }
};
struct Service {
  explicit Service(const P::Input&) {}
};
void naive(Service&, const int& request, int& reply) { reply = request; }
void batched(Service&, std::span<const int> requests, std::span<int> replies) {
  for (std::size_t i = 0; i < requests.size(); ++i) replies[i] = requests[i];
}
void posted(Service&, const int& request, int& reply, Answered answered) {
  reply = request;
  answered();
}
constexpr Variant<P> kVariants[] = {{.name = "naive", .run = serve<naive>, .what = "w"},
                                    {.name = "batched", .run = serve<batched>, .what = "w"},
                                    {.name = "posted", .run = serve<posted>, .what = "w"}};
const Registrar kRegistrar({.name = "contract/served"}, kVariants);

}  // namespace
}  // namespace headroom
