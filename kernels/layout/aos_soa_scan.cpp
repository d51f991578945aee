// layout/aos_soa_scan: add up one field of many records, page by page.
//
// A record is an order of 64 bytes, one cache line; the scan wants its quantity, 4 bytes. n
// records. Out: the total of each page of 1024 records, as 32-bit sums (a page's total fits).
// Integers, so that every compiler may vectorize wherever the layout lets it: the loops are alike,
// the layouts differ.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "layout/aos_soa_scan.cpp"
#include "layout/block_totals-inl.h"

#if HWY_ONCE
#include <algorithm>

#include "core/kernel.h"

namespace headroom {
namespace {

struct Order {
  std::uint64_t id;
  std::uint64_t customer;
  std::int64_t time;
  double price;
  std::uint32_t quantity;  // what the scan wants
  std::uint32_t product;
  std::uint32_t warehouse;
  std::uint32_t flags;
  char note[16];
};
static_assert(sizeof(Order) == 64);

constexpr std::size_t kPage = 1024;
constexpr std::size_t pages(std::size_t n) { return (n + kPage - 1) / kPage; }

struct Scan {
  using Input = Buffer<Order>;
  using Output = Buffer<std::uint32_t>;

  static Input make(const Setting& setting, Rng& rng) {
    Input orders(setting.n);
    FastRng fast(rng());
    std::uint64_t id = 0;
    for (Order& o : orders) {
      const std::uint64_t bits = fast();
      o.id = ++id;
      o.customer = bits >> 40;
      o.time = static_cast<std::int64_t>(id * 1000 + (bits & 1023));
      o.price = static_cast<double>(bits >> 50) * 0.01;
      o.quantity = static_cast<std::uint32_t>((bits >> 10) & 0xffff) + 1;
      o.product = static_cast<std::uint32_t>(bits >> 26);
      o.warehouse = static_cast<std::uint32_t>(bits >> 60);
      o.flags = static_cast<std::uint32_t>(bits & 15);
      std::memcpy(o.note, &bits, sizeof bits);
      std::memcpy(o.note + 8, &id, sizeof id);
    }
    return orders;
  }
  static void size(const Input& orders, Output& out) { out = Output(pages(orders.size())); }
  static absl::Status same(const Input&, const Output& want, const Output& got) {
    return exact(want, got);
  }
};

// One record after the other: 4 bytes used of each 64 that are fetched.
void naive(const Scan::Input& orders, Scan::Output& totals) {
  for (std::size_t page = 0; page < totals.size(); ++page) {
    const std::size_t end = std::min(orders.size(), (page + 1) * kPage);
    std::uint32_t total = 0;
    for (std::size_t i = page * kPage; i < end; ++i) total += orders[i].quantity;
    totals[page] = total;
  }
}

// Hot and cold fields apart: what scans and price updates touch in 16 bytes, the rest elsewhere.
// Four hot records share a line. The least change to a program: a record is still a record.
struct HotCold {
  struct Hot {
    std::uint32_t quantity;
    std::uint32_t flags;
    double price;
  };
  struct Cold {
    std::uint64_t id;
    std::uint64_t customer;
    std::int64_t time;
    std::uint32_t product;
    std::uint32_t warehouse;
    char note[16];
  };
  static_assert(sizeof(Hot) == 16 && sizeof(Cold) == 48);

  explicit HotCold(const Buffer<Order>& orders) : hot(orders.size()), cold(orders.size()) {
    for (std::size_t i = 0; i < orders.size(); ++i) {
      const Order& o = orders[i];
      hot[i] = {o.quantity, o.flags, o.price};
      cold[i] = {o.id, o.customer, o.time, o.product, o.warehouse, {}};
      std::memcpy(cold[i].note, o.note, sizeof o.note);
    }
  }
  Buffer<Hot> hot;
  Buffer<Cold> cold;
};

void hot_cold(const HotCold& state, const Scan::Input&, Scan::Output& totals) {
  for (std::size_t page = 0; page < totals.size(); ++page) {
    const std::size_t end = std::min(state.hot.size(), (page + 1) * kPage);
    std::uint32_t total = 0;
    for (std::size_t i = page * kPage; i < end; ++i) total += state.hot[i].quantity;
    totals[page] = total;
  }
}

// AoSoA: tiles of sixteen records, in each tile an array a field. Sixteen quantities fill a line,
// and all fields of a record still lie within one page. A line of padding makes a tile 17 lines
// long: at 16, all the lines that a scan wants would fall into the same sixteenth of each cache's
// sets.
struct Tiles {
  static constexpr std::size_t kTile = 16;
  struct Tile {
    std::uint64_t id[kTile];
    std::uint64_t customer[kTile];
    std::int64_t time[kTile];
    double price[kTile];
    std::uint32_t quantity[kTile];
    std::uint32_t product[kTile];
    std::uint32_t warehouse[kTile];
    std::uint32_t flags[kTile];
    char note[kTile][16];
    char padding[64];
  };
  static_assert(sizeof(Tile) == 17 * 64 && kPage % kTile == 0);

  // The last tile is filled up with zeros, which add nothing.
  explicit Tiles(const Buffer<Order>& orders) : tiles((orders.size() + kTile - 1) / kTile) {
    for (std::size_t i = 0; i < orders.size(); ++i) {
      const Order& o = orders[i];
      Tile& t = tiles[i / kTile];
      const std::size_t k = i % kTile;
      t.id[k] = o.id;
      t.customer[k] = o.customer;
      t.time[k] = o.time;
      t.price[k] = o.price;
      t.quantity[k] = o.quantity;
      t.product[k] = o.product;
      t.warehouse[k] = o.warehouse;
      t.flags[k] = o.flags;
      std::memcpy(t.note[k], o.note, sizeof o.note);
    }
  }
  Buffer<Tile> tiles;
};

void aosoa(const Tiles& state, const Scan::Input&, Scan::Output& totals) {
  constexpr std::size_t kTiles = kPage / Tiles::kTile;
  for (std::size_t page = 0; page < totals.size(); ++page) {
    const std::size_t end = std::min(state.tiles.size(), (page + 1) * kTiles);
    // Sixteen sums side by side: vectors across tiles, added up once a page.
    std::uint32_t sums[Tiles::kTile] = {};
    for (std::size_t t = page * kTiles; t < end; ++t)
      for (std::size_t k = 0; k < Tiles::kTile; ++k) sums[k] += state.tiles[t].quantity[k];
    std::uint32_t total = 0;
    for (std::uint32_t sum : sums) total += sum;
    totals[page] = total;
  }
}

// SoA: an array a field. The scan reads nothing but quantities, sixteen a line, in a stream that
// the prefetcher follows, and neighbours are what SIMD wants.
struct Columns {
  explicit Columns(const Buffer<Order>& orders)
      : id(orders.size()),
        customer(orders.size()),
        time(orders.size()),
        price(orders.size()),
        quantity(orders.size()),
        product(orders.size()),
        warehouse(orders.size()),
        flags(orders.size()),
        note(orders.size()) {
    for (std::size_t i = 0; i < orders.size(); ++i) {
      const Order& o = orders[i];
      id[i] = o.id;
      customer[i] = o.customer;
      time[i] = o.time;
      price[i] = o.price;
      quantity[i] = o.quantity;
      product[i] = o.product;
      warehouse[i] = o.warehouse;
      flags[i] = o.flags;
      std::memcpy(note[i].text, o.note, sizeof o.note);
    }
  }
  struct Note {
    char text[16];
  };
  Buffer<std::uint64_t> id, customer;
  Buffer<std::int64_t> time;
  Buffer<double> price;
  Buffer<std::uint32_t> quantity, product, warehouse, flags;
  Buffer<Note> note;
};

void soa(const Columns& state, const Scan::Input&, Scan::Output& totals) {
  const std::uint32_t* const quantity = state.quantity.data();
  for (std::size_t page = 0; page < totals.size(); ++page) {
    const std::size_t end = std::min(state.quantity.size(), (page + 1) * kPage);
    std::uint32_t total = 0;
    for (std::size_t i = page * kPage; i < end; ++i) total += quantity[i];
    totals[page] = total;
  }
}

}  // namespace
}  // namespace headroom
#endif  // HWY_ONCE

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {

// The sum of the 32-bit fields at words[16 * i], i below n, fetched by gather instructions.
uint32_t GatherSumU32(const uint32_t* HWY_RESTRICT words, size_t n) {
  const hn::ScalableTag<uint32_t> d;
  const hn::RebindToSigned<decltype(d)> di;
  const size_t lanes = hn::Lanes(d);
  const auto index = hn::ShiftLeft<4>(hn::Iota(di, 0));
  auto s0 = hn::Zero(d), s1 = s0;
  size_t i = 0;
  for (; i + 2 * lanes <= n; i += 2 * lanes) {
    s0 = hn::Add(s0, hn::GatherIndex(d, words + 16 * i, index));
    s1 = hn::Add(s1, hn::GatherIndex(d, words + 16 * (i + lanes), index));
  }
  uint32_t sum = hn::GetLane(hn::SumOfLanes(d, hn::Add(s0, s1)));
  for (; i < n; ++i) sum += words[16 * i];
  return sum;
}

void GatherPageTotals(const uint32_t* words, size_t n, size_t page, uint32_t* totals) {
  for (size_t i = 0; i < n; i += page)
    *totals++ = GatherSumU32(words + 16 * i, HWY_MIN(page, n - i));
}

}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace headroom {
namespace {

HWY_EXPORT(BlockTotals);
HWY_EXPORT(GatherPageTotals);

// SIMD on the array of structs: gathers load the lanes one by one, and the lines still come one a
// record.
void aos_gather(const Scan::Input& orders, Scan::Output& totals) {
  if (orders.empty()) return;
  HWY_DYNAMIC_DISPATCH(GatherPageTotals)
  (&orders[0].quantity, orders.size(), kPage, totals.data());
}

// The column once more, with the widest vectors of the host and several in flight.
void soa_simd(const Columns& state, const Scan::Input&, Scan::Output& totals) {
  HWY_DYNAMIC_DISPATCH(BlockTotals)
  (state.quantity.data(), state.quantity.size(), kPage, totals.data());
}

constexpr Variant<Scan> kVariants[] = {
    {.name = "naive",
     .run = run<naive>,
     .what = "array of structs: a cache line of 64 bytes for each 4 that are used"},
    {.name = "aos_gather",
     .run = run<aos_gather>,
     .what = "SIMD gathers on the array of structs: as many lines as before; a loss beyond L2"},
    {.name = "hot_cold",
     .run = run<hot_cold>,
     .what = "16 hot bytes per record apart from 48 cold ones: a quarter of the lines"},
    {.name = "aosoa",
     .run = run<aosoa>,
     .what = "tiles of 16 records, an array per field: lines are used whole, but lie a KiB apart"},
    {.name = "soa",
     .run = run<soa>,
     .what = "an array per field: a sixteenth of the bytes, and the compiler vectorizes"},
    {.name = "soa_simd",
     .run = run<soa_simd>,
     .what = "an array per field, four vectors in flight, widest SIMD of the host"},
};

const Registrar kRegistrar({.name = "layout/aos_soa_scan",
                            .axis = Axis::kMemoryBandwidth,
                            .technique = "store together what is read together",
                            .sizes = {1 << 10, 1 << 16, 1 << 20, 4 << 20},
                            .headline = {1 << 16, 1 << 20},
                            .ceiling = {"machine/read"},
                            .demand =
                                [](const Setting& s) {
                                  const double n = static_cast<double>(s.n);
                                  return Demand{.items = n,
                                                .bytes = 4 * n,
                                                .working_set =
                                                    4 * s.n,  // of the best layout, for its ceiling
                                                .memory = 6 * sizeof(Order) * s.n};
                                },
                            .test_sizes = {0, 1, 2, 3, 15, 16, 17, 31, 32, 33, 127, 1000, 1023,
                                           1024, 1025, 1040, 2048, 4097}},
                           kVariants);

}  // namespace
}  // namespace headroom
#endif  // HWY_ONCE
