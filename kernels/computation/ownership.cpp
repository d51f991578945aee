// computation/ownership: hand an object to a function.
//
// In: n items, each with a price and a quantity, held in one of several ways. Out: the value of
// each, by number. Exact. The function that is handed an item isn't inlined, in any variant.
//
// A shared_ptr passed by value is copied: its count goes up before the call and down after it, with
// an atomic instruction each, which waits until all stores before it are done. Only in a process
// that has had a second thread: before that libstdc++ counts without (so a benchmark of one thread
// shows nothing), which is why this one starts a thread first. Advice: Sutter, "GotW 91: smart
// pointer parameters" (2013); C++ Core Guidelines, R.30 to R.36.
#include <memory>
#include <thread>

#include "core/kernel.h"

namespace headroom {
namespace {

struct Item {
  std::uint32_t price;
  std::uint32_t quantity;
};

struct Ownership {
  struct Input {
    Buffer<Item> items;
  };
  using Output = Buffer<std::uint64_t>;

  static Input make(const Setting& setting, Rng& rng) {
    std::thread([] {}).join();  // from here on counts are atomic
    Input in{Buffer<Item>(setting.n)};
    FastRng fast(rng());
    for (Item& item : in.items) {
      const std::uint64_t random = fast();
      item = {static_cast<std::uint32_t>(random), static_cast<std::uint32_t>(random >> 32)};
    }
    return in;
  }
  static void size(const Input& in, Output& out) { out = Output(in.items.size()); }
  static absl::Status same(const Input&, const Output& want, const Output& got) {
    return exact(want, got);
  }
};
using Input = Ownership::Input;
using Output = Ownership::Output;

std::uint64_t product(const Item& item) { return std::uint64_t{item.price} * item.quantity; }

// Four signatures for one function.
[[gnu::noinline]] std::uint64_t value(std::shared_ptr<const Item> item) { return product(*item); }
[[gnu::noinline]] std::uint64_t value_ref(const std::shared_ptr<const Item>& item) {
  return product(*item);
}
[[gnu::noinline]] std::uint64_t value_of(const Item& item) { return product(item); }
[[gnu::noinline]] std::uint64_t value_at(std::span<const Item> items, std::uint32_t index) {
  return product(items[index]);
}

struct Shared {
  explicit Shared(const Input& in) {
    for (const Item& item : in.items) items.push_back(std::make_shared<const Item>(item));
  }
  std::vector<std::shared_ptr<const Item>> items;
};

void naive(const Shared& state, const Input&, Output& out) {
  for (std::size_t i = 0; i < state.items.size(); ++i) out[i] = value(state.items[i]);
}

// The caller holds the object for as long as the call lasts: nobody needs to count.
void by_reference(const Shared& state, const Input&, Output& out) {
  for (std::size_t i = 0; i < state.items.size(); ++i) out[i] = value_ref(state.items[i]);
}

// The function doesn't ask how the object is owned: one load less, and any owner may call it.
void object_reference(const Shared& state, const Input&, Output& out) {
  for (std::size_t i = 0; i < state.items.size(); ++i) out[i] = value_of(*state.items[i]);
}

struct Unique {
  explicit Unique(const Input& in) {
    for (const Item& item : in.items) items.push_back(std::make_unique<const Item>(item));
  }
  std::vector<std::unique_ptr<const Item>> items;
};

// One owner, no count: half the pointer, and a third less memory for each object.
void unique_ptr(const Unique& state, const Input&, Output& out) {
  for (std::size_t i = 0; i < state.items.size(); ++i) out[i] = value_of(*state.items[i]);
}

struct Indexed {
  explicit Indexed(const Input& in) : items(in.items.begin(), in.items.end()) {
    for (std::uint32_t i = 0; i < items.size(); ++i) ids.push_back(i);
  }
  std::vector<Item> items;         // owns them all
  std::vector<std::uint32_t> ids;  // what stands for a pointer
};

// One array owns all, and four bytes name one: nothing to count, and no allocation for each.
void index(const Indexed& state, const Input&, Output& out) {
  const std::span<const Item> items = state.items;
  for (std::size_t i = 0; i < state.ids.size(); ++i) out[i] = value_at(items, state.ids[i]);
}

constexpr Variant<Ownership> kVariants[] = {
    {.name = "naive",
     .run = run<naive>,
     .what =
         "shared_ptr by value: two atomic instructions per call (in a process that had threads)"},
    {.name = "by_reference",
     .run = run<by_reference>,
     .what = "const shared_ptr&: the caller's pointer outlives the call, nothing is counted",
     .promise_note = "the callee may not keep the object"},
    {.name = "object_reference",
     .run = run<object_reference>,
     .what = "const Item&, still held by shared_ptr: the callee needs no pointer at all",
     .promise_note = "the callee may not keep the object"},
    {.name = "unique_ptr",
     .run = run<unique_ptr>,
     .what = "one owner: no count to keep, half the pointer"},
    {.name = "index",
     .run = run<index>,
     .what = "one array owns them all, an index of four bytes names one: dense, in order"},
};

const Registrar kRegistrar({.name = "computation/ownership",
                            .axis = Axis::kScalar,
                            .technique = "count owners only where owners change",
                            .sizes = {512, 8192, 65536, 1 << 20},
                            .headline = {512, 65536},
                            .demand =
                                [](const Setting& s) {
                                  // By shared_ptr: two pointers, and a block with counts and the
                                  // object.
                                  return Demand{.items = static_cast<double>(s.n),
                                                .working_set = 56 * s.n,
                                                .memory = (3 * 64 + 48 + 16 + 8 * 6) * s.n * 3 / 2};
                                }},
                           kVariants);

}  // namespace
}  // namespace headroom
