// network/small_writes: what makes the difference, how many segments a request is.
#include <map>
#include <string_view>

#include "catch.h"
#include "core/kernel.h"
#include "subset.h"

namespace headroom {
namespace {

TEST_CASE("a request is as many segments as its variant says") {
  const Kernel* const kernel = built_kernel("network/small_writes");
  if (kernel == nullptr) return;
  struct Segments {
    double least, most;
  };
  // Where only the first part leaves at once, the others leave together when it is acknowledged,
  // or apart where that comes between the two writes.
  const std::map<std::string_view, Segments> expected = {
      {"naive", {2, 2.9}},  {"quickack", {2, 3}}, {"nodelay", {3, 3}}, {"cork", {1, 1}},
      {"msg_more", {1, 1}}, {"writev", {1, 1}},   {"buffered", {1, 1}}};
  const auto instance = kernel->bind({.n = 2});
  for (std::size_t v = 0; v < kernel->variants.size(); ++v) {
    const VariantInfo& variant = kernel->variants[v];
    if (!variant.available()) continue;
    INFO(variant.name);
    const Segments segments = expected.at(variant.name);
    const auto arm = instance->arm(v, 1);
    const std::size_t calls = variant.name == "naive" ? 4 : 20;
    arm->refill(calls);
    arm->run(calls);
    const auto told = arm->quantities();
    if (told.count("segments_per_request") == 0) {
      WARN("this system doesn't count segments (TCP_INFO)");
      return;
    }
    const double sent = told.at("segments_per_request").value;
    CHECK(sent >= segments.least);
    CHECK(sent <= segments.most);
  }
}

}  // namespace
}  // namespace headroom
