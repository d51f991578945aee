// computation/branch: choose between two values by a flag that can't be predicted.
//
// In: n customers, each a member or not, with a member's and a regular price for each, and a coupon
// that members take off theirs. Out: what each pays, in the order in which a variant keeps its
// rows, with the number of the customer. Exact, modulo 2^32.
//
// Inputs: random has every other customer a member, at random; rare one in 16; runs has members and
// others in runs of 64. The flags are fresh in every call, over 2^20 of them before they repeat.
//
// A branch that goes either way at random is mispredicted every second time, and each misprediction
// throws away what the processor has begun: 15 to 20 cycles. GCC 12 and clang 14 leave the branch
// of `naive` where it is (looked up in the machine code), as they may not read a price that the
// program doesn't. Where both values are at hand, or the arms differ in nothing but an address,
// they make a select of it themselves, and there is nothing to gain. The sorted array is known from
// a question on Stack Overflow (11227809, 2012).
#include "computation/decisions.h"
#include "computation/placed.h"
#include "core/kernel.h"
#include "support/bytes.h"

namespace headroom {
namespace {

constexpr std::size_t kSmallest = 2048;

struct Branch {
  static constexpr auto kInputs = inputs("random", "rare", "runs");
  struct Call {
    std::span<const std::uint8_t> member;   // 0 or 1
    std::span<const std::uint32_t> prices;  // for members
    std::span<const std::uint32_t> regular;
    std::uint32_t coupon;
    std::span<const std::uint32_t> ids;  // 0, 1, 2 ...
    std::size_t slice;
  };
  struct Input {
    std::size_t n = 0;
    Slices slices;  // of member
    Buffer<std::uint8_t> member;
    Buffer<std::uint32_t> prices;
    Buffer<std::uint32_t> regular;
    std::uint32_t coupon = 0;
    Buffer<std::uint32_t> ids;
    Call at(std::size_t turn) const {
      return {slices.of(member, turn), {prices.data(), n}, {regular.data(), n}, coupon,
              {ids.data(), n},         slices.slice(turn)};
    }
  };
  using Output = Placed<std::uint32_t>;

  static Input make(const Setting& setting, Rng& rng) {
    Input in;
    const std::size_t n = in.n = setting.n;
    in.slices = slices_for(n, kSmallest);
    FastRng fast(rng());
    in.coupon = static_cast<std::uint32_t>(fast());
    in.member = Buffer<std::uint8_t>(in.slices.items());
    const std::uint64_t one_in = setting.input == kInputs["rare"] ? 16 : 2;
    for (std::size_t i = 0; i < in.member.size(); ++i)
      in.member[i] = setting.input == kInputs["runs"] ? i / 64 % 2
                     : fast() >> 32 & (one_in - 1)    ? 0
                                                      : 1;
    in.prices = Buffer<std::uint32_t>(n);
    in.regular = Buffer<std::uint32_t>(n);
    in.ids = Buffer<std::uint32_t>(n);
    for (std::size_t i = 0; i < n; ++i) {
      in.prices[i] = static_cast<std::uint32_t>(fast() >> 32);
      in.regular[i] = static_cast<std::uint32_t>(fast() >> 32);
      in.ids[i] = static_cast<std::uint32_t>(i);
    }
    return in;
  }
  // A number is a customer: its lowest bit whether a member, and both prices.
  static Input from(std::span<const std::uint8_t> bytes) {
    Input in{.prices = elements_of<std::uint32_t>(bytes)};
    const std::size_t n = in.n = in.prices.size();
    in.slices = Slices::within(n, n);
    in.member = Buffer<std::uint8_t>(n);
    in.regular = in.ids = Buffer<std::uint32_t>(n);
    if (n != 0) in.coupon = in.prices[n - 1];
    for (std::size_t i = 0; i < n; ++i) {
      in.member[i] = in.prices[i] & 1;
      in.regular[i] = ~in.prices[i];
      in.ids[i] = static_cast<std::uint32_t>(i);
    }
    return in;
  }
  static void size(const Input& in, Output& out) { out.values = Buffer<std::uint32_t>(in.n); }
  static absl::Status same(const Call&, const Output& want, const Output& got) {
    return same_placed(want, got);
  }
};
using Call = Branch::Call;
using Input = Branch::Input;
using Output = Branch::Output;

void choose(const std::uint8_t* member, const std::uint32_t* prices, const std::uint32_t* regular,
            std::uint32_t coupon, std::size_t n, std::uint32_t* out) {
  for (std::size_t i = 0; i < n; ++i) {
    if (member[i] != 0)
      out[i] = prices[i] - coupon;
    else
      out[i] = regular[i];
  }
}

void naive(const Call& in, Output& out) {
  choose(in.member.data(), in.prices.data(), in.regular.data(), in.coupon, in.member.size(),
         out.values.data());
  out.ids = in.ids;
}

// Both prices are read, and the flag, made a mask, chooses: a few more bytes to read, nothing to
// predict. It is also what lets the compiler do four customers at once.
void branchless(const Call& in, Output& out) {
  for (std::size_t i = 0; i < in.member.size(); ++i) {
    const std::uint32_t mask = 0 - static_cast<std::uint32_t>(in.member[i]);
    out.values[i] = in.regular[i] ^ (((in.prices[i] - in.coupon) ^ in.regular[i]) & mask);
  }
  out.ids = in.ids;
}

// The flag is an index: where to read is computed, not predicted, and one price is read.
void lookup_table(const Call& in, Output& out) {
  const std::uint32_t* const lists[2] = {in.regular.data(), in.prices.data()};
  const std::uint32_t coupons[2] = {0, in.coupon};
  for (std::size_t i = 0; i < in.member.size(); ++i)
    out.values[i] = lists[in.member[i]][i] - coupons[in.member[i]];
  out.ids = in.ids;
}

// For each slice of the flags all rows, members first.
struct Sorted {
  explicit Sorted(const Input& in)
      : member(in.member.size()),
        prices(in.member.size()),
        regular(in.member.size()),
        ids(in.member.size()) {
    std::size_t k = 0;
    for (std::size_t first = 0; first < in.member.size(); first += in.n) {
      for (const std::uint8_t flag : {1, 0}) {
        for (std::size_t i = 0; i < in.n; ++i) {
          if (in.member[first + i] != flag) continue;
          member[k] = flag;
          prices[k] = in.prices[i];
          regular[k] = in.regular[i];
          ids[k++] = static_cast<std::uint32_t>(i);
        }
      }
    }
  }
  Buffer<std::uint8_t> member;
  Buffer<std::uint32_t> prices;
  Buffer<std::uint32_t> regular;
  Buffer<std::uint32_t> ids;
};

// The same branch: it changes its way once per call, and is predicted right. As flags are fresh in
// every call, so are its rows: they come from L3 where those of the others stay in L1 (small n).
void sorted_input(const Sorted& state, const Call& in, Output& out) {
  const std::size_t n = in.member.size();
  const std::size_t first = in.slice * n;
  choose(state.member.data() + first, state.prices.data() + first, state.regular.data() + first,
         in.coupon, n, out.values.data());
  out.ids = {state.ids.data() + first, n};
}

constexpr Variant<Branch> kVariants[] = {
    {.name = "naive",
     .run = run<naive>,
     .what =
         "if, else: mispredicted (GCC and clang keep the branch: each arm reads another array)"},
    {.name = "branchless",
     .run = run<branchless>,
     .what =
         "reads both and selects by a mask: nothing to predict, and the compiler vectorizes it"},
    {.name = "lookup_table",
     .run = run<lookup_table>,
     .what = "the flag as an index of what to read: an address is computed, not predicted"},
    {.name = "sorted_input",
     .run = run<sorted_input>,
     .what = "the same branch over rows kept sorted by the flag (untimed): predicted correctly",
     .promise = Promise::kExact,
     .promise_note = "in the order of flags, not of customers"},
};

const Registrar kRegistrar({.name = "computation/branch",
                            .axis = Axis::kScalar,
                            .technique = "compute what can't be predicted",
                            .sizes = {2048, 32768, 262144, 4 << 20},
                            .headline = {2048, 262144},
                            .ceiling = {"machine/copy"},
                            .promise = Promise::kExact | Promise::kOrdered,
                            .demand =
                                [](const Setting& s) {
                                  // A flag, one of the prices, a result.
                                  return Demand{
                                      .items = static_cast<double>(s.n),
                                      .bytes = 9.0 * static_cast<double>(s.n),
                                      .working_set = 13 * s.n,
                                      .memory = 14 * std::max(2 * kDecisions, s.n) + 28 * s.n};
                                }},
                           kVariants);

}  // namespace
}  // namespace headroom
