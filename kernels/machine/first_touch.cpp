// machine/first_touch: what the first touch of a page costs: the fault, and the zeroing.
//
// One byte is written in each 4 KiB of fresh memory. Between calls, untimed, the pages are given
// back to the system. The unit is nanoseconds for 4 KiB, with 2 MiB pages too: there one fault
// brings 512 of them. Out: the number of 4 KiB that hold what was written.
#include <algorithm>

#include "core/kernel.h"
#include "support/pages.h"

namespace headroom {
namespace {

// Whole pages.
std::size_t set_bytes(const Setting& s) {
  const std::size_t page = page_size(s.input) == PageSize::kHuge ? kHugePage : kSmallPage;
  return std::max(page, (s.n + page - 1) / page * page);
}

struct FirstTouch {
  static constexpr auto kInputs = inputs("small_pages", "huge_pages");
  struct Input {
    std::size_t bytes = 0;
    PageSize pages = PageSize::kHuge;
  };
  struct Output {
    std::size_t touched = 0;
    double huge_share = -1;  // in the call before
    void poison() { touched = ~touched; }
    Quantities quantities() const {
      if (huge_share < 0) return {};
      return {{"huge_page_share", {huge_share, "ratio"}}};
    }
  };

  static Input make(const Setting& setting, Rng&) {
    return {set_bytes(setting), page_size(setting.input)};
  }
  static absl::Status same(const Input& in, const Output& want, const Output& got) {
    if (absl::Status status = exact(in.bytes / kSmallPage, want.touched); !status.ok())
      return status;
    return exact(want.touched, got.touched);
  }
};

struct Fresh {
  explicit Fresh(const FirstTouch::Input& in) : memory(in.bytes, in.pages), bytes(in.bytes) {}
  void refill(const FirstTouch::Input&) {
    if (used && huge_share < 0) huge_share = memory.huge_share();
    memory.discard();
  }
  void answer(FirstTouch::Output& out) const {
    out.touched = 0;
    for (std::size_t i = 0; i < bytes; i += kSmallPage) out.touched += memory.data()[i] == 1;
  }
  Mapping memory;
  std::size_t bytes = 0;
  bool used = false;
  double huge_share = -1;
};

void probe(Fresh& fresh, FirstTouch::Output& out) {
  unsigned char* const memory = fresh.memory.data();
  for (std::size_t i = 0; i < fresh.bytes; i += kSmallPage) memory[i] = 1;
  fresh.used = true;
  out.huge_share = fresh.huge_share;
}

constexpr Variant<FirstTouch> kVariants[] = {
    {.name = "probe", .run = run<probe>, .what = "one byte written in each 4 KiB of fresh memory"},
};

const Registrar kRegistrar({.name = "machine/first_touch",
                            .axis = Axis::kMemoryLatency,
                            .technique = "memory that was only promised: page faults and zeroing",
                            .sizes = {4 << 20, 64 << 20},
                            .headline = {4 << 20, 64 << 20},
                            .warm = Warm::kNone,
                            .unit = "ns",
                            .demand =
                                [](const Setting& s) {
                                  const std::size_t bytes = set_bytes(s);
                                  return Demand{.items = static_cast<double>(bytes / kSmallPage),
                                                .working_set = bytes,
                                                .memory = std::max(bytes, std::size_t{64} << 20)};
                                },
                            .test_sizes = {1, 4096, 4097, 100'000}},
                           kVariants);

}  // namespace
}  // namespace headroom
