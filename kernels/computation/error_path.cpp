// computation/error_path: report, item by item, that something went wrong.
//
// In: n orders, some of them wrong (no quantity, or more than there is in stock). Out: what each
// costs, or its error as a negative number. Exact. The check lies two calls below the loop, in
// functions that aren't inlined, as across a library's border; all variants have the same two.
//
// Inputs: sixteenth has one wrong order in 16, at random; thousandth one in 1024; never none.
//
// Throwing is made to cost nothing until it happens: no code on the good path, and then a search of
// tables for each frame, twice (first for a handler, then to unwind), and two allocations. That is
// a thousand times a return (Sutter, "Zero-overhead deterministic exceptions", P0709, 2019).
#include <stdexcept>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "computation/decisions.h"
#include "core/kernel.h"

namespace headroom {
namespace {

constexpr std::size_t kSmallest = 1024;

struct Order {
  std::uint32_t price;
  std::uint16_t quantity;
  std::uint16_t stock;
};

enum class Error : int { kNone = 0, kNoQuantity = 1, kOutOfStock = 2 };

struct ErrorPath {
  static constexpr auto kInputs = inputs("sixteenth", "thousandth", "never");
  using Call = std::span<const Order>;
  struct Input {
    std::size_t n = 0;
    Slices slices;
    Buffer<Order> orders;
    Call at(std::size_t turn) const { return slices.of(orders, turn); }
  };
  using Output = Buffer<std::int64_t>;

  static Input make(const Setting& setting, Rng& rng) {
    const std::uint64_t one_in = setting.input == kInputs["sixteenth"]    ? 16
                                 : setting.input == kInputs["thousandth"] ? 1024
                                                                          : 0;
    Input in;
    in.n = setting.n;
    in.slices = slices_for(in.n, kSmallest);
    in.orders = Buffer<Order>(in.slices.items());
    FastRng fast(rng());
    for (Order& order : in.orders) {
      const std::uint64_t random = fast();
      order.price = static_cast<std::uint32_t>(random >> 32);
      order.quantity = static_cast<std::uint16_t>(1 + (random & 255));
      order.stock = static_cast<std::uint16_t>(order.quantity + (random >> 8 & 255));
      if (one_in != 0 && fast() % one_in == 0) {
        if (random >> 16 & 1)
          order.quantity = 0;
        else
          order.stock = static_cast<std::uint16_t>(order.quantity - 1);
      }
    }
    return in;
  }
  static void size(const Input& in, Output& out) { out = Output(in.n); }
  static absl::Status same(const Call&, const Output& want, const Output& got) {
    return exact(want, got);
  }
};
using Call = ErrorPath::Call;
using Output = ErrorPath::Output;

std::int64_t product(const Order& order) {
  return std::int64_t{order.price} * std::int64_t{order.quantity};
}
std::int64_t negative(Error error) { return -static_cast<std::int64_t>(error); }

constexpr char kNoQuantityText[] = "an order needs a quantity";
constexpr char kOutOfStockText[] = "more is ordered than there is in stock";

class OrderError : public std::runtime_error {
 public:
  OrderError(Error error, const char* text) : std::runtime_error(text), error_(error) {}
  Error error() const { return error_; }

 private:
  Error error_;
};

[[gnu::noinline]] void check_or_throw(const Order& order) {
  if (order.quantity == 0) throw OrderError(Error::kNoQuantity, kNoQuantityText);
  if (order.quantity > order.stock) throw OrderError(Error::kOutOfStock, kOutOfStockText);
}
[[gnu::noinline]] std::int64_t cost_or_throw(const Order& order) {
  check_or_throw(order);
  return product(order);
}

void naive(const Call& orders, Output& out) {
  for (std::size_t i = 0; i < orders.size(); ++i) {
    try {
      out[i] = cost_or_throw(orders[i]);
    } catch (const OrderError& e) {
      out[i] = negative(e.error());
    }
  }
}

Error from(const absl::Status& status) {
  return status.code() == absl::StatusCode::kOutOfRange ? Error::kOutOfStock : Error::kNoQuantity;
}

template <bool kText>
[[gnu::noinline]] absl::Status check_status(const Order& order) {
  if (order.quantity == 0)
    return absl::Status(absl::StatusCode::kInvalidArgument, kText ? kNoQuantityText : "");
  if (order.quantity > order.stock)
    return absl::Status(absl::StatusCode::kOutOfRange, kText ? kOutOfStockText : "");
  return absl::OkStatus();
}
template <bool kText>
[[gnu::noinline]] absl::StatusOr<std::int64_t> cost_status(const Order& order) {
  if (absl::Status status = check_status<kText>(order); !status.ok()) return status;
  return product(order);
}
template <bool kText>
void each_status(const Call& orders, Output& out) {
  for (std::size_t i = 0; i < orders.size(); ++i) {
    const absl::StatusOr<std::int64_t> cost = cost_status<kText>(orders[i]);
    out[i] = cost.ok() ? *cost : negative(from(cost.status()));
  }
}

// An error is a value that is returned, at the price of any other: the message's memory is left.
void absl_statusor(const Call& orders, Output& out) { each_status<true>(orders, out); }

// Without a message a status is one word, and nothing is allocated.
void absl_statusor_bare(const Call& orders, Output& out) { each_status<false>(orders, out); }

[[gnu::noinline]] Error check_code(const Order& order) {
  if (order.quantity == 0) return Error::kNoQuantity;
  if (order.quantity > order.stock) return Error::kOutOfStock;
  return Error::kNone;
}
[[gnu::noinline]] Error cost_code(const Order& order, std::int64_t& cost) {
  if (const Error error = check_code(order); error != Error::kNone) return error;
  cost = product(order);
  return Error::kNone;
}

// A number in a register, and a branch on it.
void error_code(const Call& orders, Output& out) {
  for (std::size_t i = 0; i < orders.size(); ++i) {
    std::int64_t cost;
    const Error error = cost_code(orders[i], cost);
    out[i] = error == Error::kNone ? cost : negative(error);
  }
}

struct Result {
  std::int64_t cost;
  Error error;
};
[[gnu::noinline]] Result cost_result(const Order& order) {
  if (const Error error = check_code(order); error != Error::kNone) return {0, error};
  return {product(order), Error::kNone};
}

// Value and error in the two registers that a function returns: what std::expected should be.
void result_pair(const Call& orders, Output& out) {
  for (std::size_t i = 0; i < orders.size(); ++i) {
    const Result result = cost_result(orders[i]);
    out[i] = result.error == Error::kNone ? result.cost : negative(result.error);
  }
}

// The error is computed as the cost is, for a whole batch: no call, no branch, nothing to guess.
void batch_select(const Call& orders, Output& out) {
  for (std::size_t i = 0; i < orders.size(); ++i) {
    const Order order = orders[i];
    const std::int64_t no_quantity = order.quantity == 0;
    const std::int64_t out_of_stock = order.quantity > order.stock;
    const std::int64_t error = no_quantity | (out_of_stock << 1);  // never both
    out[i] = (product(order) & (error - 1) >> 63) - error;
  }
}

constexpr Variant<ErrorPath> kVariants[] = {
    {.name = "naive",
     .run = run<naive>,
     .what = "throws: nothing to pay where nothing fails, tables searched for each frame where it "
             "does"},
    {.name = "absl_statusor",
     .run = run<absl_statusor>,
     .what = "absl::StatusOr: the error is a returned value with a message, which is allocated",
     .role = Role::kPeer},
    {.name = "absl_statusor_bare",
     .run = run<absl_statusor_bare>,
     .what = "absl::StatusOr without a message: one word, no memory",
     .role = Role::kPeer,
     .promise_note = "without a message"},
    {.name = "error_code",
     .run = run<error_code>,
     .what = "an enum returned, the value through a reference: a register and a branch",
     .promise_note = "without a message"},
    {.name = "result_pair",
     .run = run<result_pair>,
     .what = "value and error returned in two registers",
     .promise_note = "without a message"},
    {.name = "batch_select",
     .run = run<batch_select>,
     .what = "errors computed beside values for the whole batch: no call and no branch",
     .promise_note = "without a message"},
};

const Registrar kRegistrar({.name = "computation/error_path",
                            .axis = Axis::kScalar,
                            .technique = "an expected failure is a value, not an exception",
                            .sizes = {1024, 16384, 131072, 4 << 20},
                            .headline = {1024, 131072},
                            .ceiling = {"machine/copy"},
                            .demand =
                                [](const Setting& s) {
                                  return Demand{
                                      .items = static_cast<double>(s.n),
                                      .bytes = 16.0 * static_cast<double>(s.n),
                                      .working_set = 16 * s.n,
                                      .memory = 8 * std::max(2 * kDecisions, s.n) + 8 * 6 * s.n};
                                }},
                           kVariants);

}  // namespace
}  // namespace headroom
