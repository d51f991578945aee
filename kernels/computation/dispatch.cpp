// computation/dispatch: call a method of many objects of several types.
//
// In: n shapes of four types, drawn at random; a call is given an order to visit them in. Out: the
// area of each shape, in the order in which a variant keeps its shapes, with the number of the
// shape. Exact: all use the same products in the same order.
//
// The order is fresh in every call, over 2^20 visits before it repeats, as in a program whose
// collection changes: the target of a virtual call is predicted from those before it, and a
// benchmark that walks one collection again and again measures a predictor that has learnt it by
// heart. An order is shuffled within blocks of 256 neighbours, so that caches aren't the subject.
//
// What a virtual call costs is the misprediction of its target, three times out of four here, and
// that nothing can be inlined or vectorized across it. The four shapes, and the table, are those of
// Muratori, "'Clean' code, horrible performance" (2023); sorting by type is common practice in
// games.
#include <memory>
#include <variant>

#include "computation/decisions.h"
#include "computation/placed.h"
#include "core/kernel.h"

namespace headroom {
namespace {

constexpr std::size_t kSmallest = 1024;
constexpr std::size_t kNeighbours = 256;
constexpr float kPi = 3.14159265f;

enum Type : std::uint8_t { kSquare, kRectangle, kTriangle, kCircle, kTypes };

struct Dispatch {
  using Call = std::span<const std::uint32_t>;  // the order of visits
  struct Input {
    std::size_t n = 0;
    Slices slices;  // of orders
    Buffer<std::uint8_t> types;
    Buffer<float> widths;
    Buffer<float> heights;         // of a square or circle: its width
    Buffer<std::uint32_t> orders;  // permutations of all shapes
    Call at(std::size_t turn) const { return slices.of(orders, turn); }
  };
  using Output = Placed<float>;

  static Input make(const Setting& setting, Rng& rng) {
    Input in;
    const std::size_t n = in.n = setting.n;
    in.slices = slices_for(n, kSmallest);
    FastRng fast(rng());
    in.types = Buffer<std::uint8_t>(n);
    in.widths = Buffer<float>(n);
    in.heights = Buffer<float>(n);
    for (std::size_t i = 0; i < n; ++i) {
      in.types[i] = static_cast<std::uint8_t>(fast() % kTypes);
      in.widths[i] = static_cast<float>(uniform(fast));
      in.heights[i] = in.types[i] == kSquare || in.types[i] == kCircle
                          ? in.widths[i]
                          : static_cast<float>(uniform(fast));
    }
    in.orders = Buffer<std::uint32_t>(in.slices.items());
    for (std::size_t i = 0; i < in.orders.size(); ++i)
      in.orders[i] = static_cast<std::uint32_t>(i % n);
    for (std::size_t first = 0; first < in.orders.size(); first += n) {
      for (std::size_t i = 0; i < n; i += kNeighbours)
        shuffle(std::span(in.orders.data() + first + i, std::min(kNeighbours, n - i)), fast);
    }
    return in;
  }
  static void size(const Input& in, Output& out) { out.values = Buffer<float>(in.n); }
  static absl::Status same(const Call&, const Output& want, const Output& got) {
    return same_placed(want, got);
  }
};
using Call = Dispatch::Call;
using Input = Dispatch::Input;
using Output = Dispatch::Output;

struct Square {
  float side;
  float area() const { return side * side; }
};
struct Rectangle {
  float width, height;
  float area() const { return width * height; }
};
struct Triangle {
  float base, height;
  float area() const { return 0.5f * (base * height); }
};
struct Circle {
  float radius;
  float area() const { return kPi * (radius * radius); }
};

// Makes shape i of the input, as `Wrap<Square>::type` and so on, and hands it on.
template <class Use>
decltype(auto) with_shape(const Input& in, std::size_t i, Use use) {
  switch (in.types[i]) {
    case kSquare:
      return use(Square{in.widths[i]});
    case kRectangle:
      return use(Rectangle{in.widths[i], in.heights[i]});
    case kTriangle:
      return use(Triangle{in.widths[i], in.heights[i]});
    default:
      return use(Circle{in.widths[i]});
  }
}

class Shape {
 public:
  virtual ~Shape() = default;
  virtual float area() const = 0;
};
template <class S>
class ShapeOf final : public Shape {
 public:
  explicit ShapeOf(S shape) : shape_(shape) {}
  float area() const override { return shape_.area(); }

 private:
  S shape_;
};

std::unique_ptr<Shape> make_shape(const Input& in, std::size_t i) {
  return with_shape(in, i, [](auto shape) -> std::unique_ptr<Shape> {
    return std::make_unique<ShapeOf<decltype(shape)>>(shape);
  });
}

struct Shapes {
  explicit Shapes(const Input& in) {
    for (std::size_t i = 0; i < in.n; ++i) shapes.push_back(make_shape(in, i));
  }
  std::vector<std::unique_ptr<Shape>> shapes;
};

void naive(const Shapes& state, const Call& order, Output& out) {
  for (std::size_t k = 0; k < order.size(); ++k) out.values[k] = state.shapes[order[k]]->area();
  out.ids = order;
}

struct Variants {
  explicit Variants(const Input& in) {
    for (std::size_t i = 0; i < in.n; ++i)
      with_shape(in, i, [&](auto shape) { shapes.emplace_back(shape); });
  }
  std::vector<std::variant<Square, Rectangle, Triangle, Circle>> shapes;
};

// No pointer to follow, and the four methods are inlined behind one jump. It's still a jump to a
// place that depends on data.
void variant_visit(const Variants& state, const Call& order, Output& out) {
  for (std::size_t k = 0; k < order.size(); ++k)
    out.values[k] =
        std::visit([](const auto& shape) { return shape.area(); }, state.shapes[order[k]]);
  out.ids = order;
}

struct Rows {
  struct Row {
    float width, height;
    std::uint32_t type;
  };
  explicit Rows(const Input& in) {
    for (std::size_t i = 0; i < in.n; ++i)
      rows.push_back({in.widths[i], in.heights[i], in.types[i]});
  }
  std::vector<Row> rows;
};

// What the types differ in is data, not code: a factor. Nothing to predict, in any order.
void factor_table(const Rows& state, const Call& order, Output& out) {
  constexpr float kFactors[kTypes] = {1.0f, 1.0f, 0.5f, kPi};
  for (std::size_t k = 0; k < order.size(); ++k) {
    const Rows::Row& row = state.rows[order[k]];
    out.values[k] = kFactors[row.type] * (row.width * row.height);
  }
  out.ids = order;
}

// The numbers of all shapes, type by type.
std::vector<std::uint32_t> ids_by_type(const Input& in) {
  std::vector<std::uint32_t> ids;
  for (std::uint8_t type = 0; type < kTypes; ++type)
    for (std::uint32_t i = 0; i < in.n; ++i)
      if (in.types[i] == type) ids.push_back(i);
  return ids;
}

struct SortedShapes {
  explicit SortedShapes(const Input& in) : ids(ids_by_type(in)) {
    for (const std::uint32_t id : ids) shapes.push_back(make_shape(in, id));
  }
  std::vector<std::uint32_t> ids;
  std::vector<std::unique_ptr<Shape>> shapes;
};

// The same virtual calls; but the target changes three times per call, and is predicted right.
void sorted_by_type(const SortedShapes& state, const Call&, Output& out) {
  for (std::size_t k = 0; k < state.shapes.size(); ++k) out.values[k] = state.shapes[k]->area();
  out.ids = state.ids;
}

struct Arrays {
  explicit Arrays(const Input& in) : ids(ids_by_type(in)) {
    std::size_t counts[kTypes] = {};
    for (const std::uint8_t type : in.types) ++counts[type];
    for (std::size_t type = 0; type < kTypes; ++type) {
      widths[type] = Buffer<float>(counts[type]);
      if (type == kRectangle || type == kTriangle) heights[type] = Buffer<float>(counts[type]);
    }
    std::size_t next[kTypes] = {};
    for (const std::uint32_t id : ids) {
      const std::uint8_t type = in.types[id];
      const std::size_t k = next[type]++;
      widths[type][k] = in.widths[id];
      if (!heights[type].empty()) heights[type][k] = in.heights[id];
    }
  }
  std::vector<std::uint32_t> ids;
  Buffer<float> widths[kTypes];
  Buffer<float> heights[kTypes];
};

// A loop for each type over plain arrays: no call at all, which lets the compiler use SIMD.
void array_per_type(const Arrays& state, const Call&, Output& out) {
  float* to = out.values.data();
  const auto each = [&to](const Buffer<float>& widths, auto area) {
    const float* const w = widths.data();
    const std::size_t count = widths.size();
    for (std::size_t k = 0; k < count; ++k) to[k] = area(k, w[k]);
    to += count;
  };
  const float* const rectangle_height = state.heights[kRectangle].data();
  const float* const triangle_height = state.heights[kTriangle].data();
  each(state.widths[kSquare], [](std::size_t, float side) { return Square{side}.area(); });
  each(state.widths[kRectangle], [&](std::size_t k, float width) {
    return Rectangle{width, rectangle_height[k]}.area();
  });
  each(state.widths[kTriangle], [&](std::size_t k, float base) {
    return Triangle{base, triangle_height[k]}.area();
  });
  each(state.widths[kCircle], [](std::size_t, float radius) { return Circle{radius}.area(); });
  out.ids = state.ids;
}

constexpr Variant<Dispatch> kVariants[] = {
    {.name = "naive",
     .run = run<naive>,
     .what = "virtual calls in random order of types: three targets in four are mispredicted"},
    {.name = "variant_visit",
     .run = run<variant_visit>,
     .what =
         "std::variant: methods inlined, objects in one array; its jump is mispredicted as often"},
    {.name = "factor_table",
     .run = run<factor_table>,
     .what = "types differ in a factor, looked up: no jump, whatever the order"},
    {.name = "sorted_by_type",
     .run = run<sorted_by_type>,
     .what = "the same virtual calls, objects kept sorted by type: targets are predicted right",
     .promise = Promise::kExact,
     .promise_note = "in the order of types, not of the call"},
    {.name = "array_per_type",
     .run = run<array_per_type>,
     .what = "one array per type and field: no calls, the compiler vectorizes each loop",
     .promise = Promise::kExact,
     .promise_note = "in the order of types, not of the call"},
};

const Registrar kRegistrar({.name = "computation/dispatch",
                            .axis = Axis::kScalar,
                            .technique = "bring the objects of one type together",
                            .sizes = {1024, 16384, 131072, 1 << 21},
                            .headline = {1024, 131072},
                            .ceiling = {"machine/copy"},
                            .promise = Promise::kExact | Promise::kOrdered,
                            .demand =
                                [](const Setting& s) {
                                  // Six bytes of fields on average, four of result.
                                  return Demand{
                                      .items = static_cast<double>(s.n),
                                      .bytes = 10.0 * static_cast<double>(s.n),
                                      .working_set = 10 * s.n,
                                      .memory = 180 * s.n + 4 * std::max(kDecisions, s.n)};
                                }},
                           kVariants);

}  // namespace
}  // namespace headroom
