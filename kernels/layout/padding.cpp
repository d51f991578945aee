// layout/padding: go over all records of a table, in records of 48, 24, 16 and 8 bytes.
//
// n readings of sensors: time, count, station, kind, unit, valid, alarm. Out: for each page of 1024
// records four numbers (modulo 2^32): the counts of the valid ones, the alarms, a mix of time and
// station, and one of kind and unit; so every field of every record is read, and the page it stands
// in matters. Exact.
//
// The compiler may not reorder members, so a small one before a large one leaves a hole. Fewer
// bytes a record are fewer lines: where memory is the limit, time follows the size.
#include <algorithm>

#include "core/kernel.h"

namespace headroom {
namespace {

constexpr std::size_t kPage = 1024;

// As it grew: 24 bytes of members, 24 of holes.
struct Grown {
  bool valid;
  std::uint64_t time;
  std::uint8_t kind;
  std::uint32_t station;
  bool alarm;
  std::uint64_t count;
  std::uint8_t unit;
};
static_assert(sizeof(Grown) == 48);

struct Padding {
  using Input = Buffer<Grown>;
  using Output = Buffer<std::uint32_t>;

  static Input make(const Setting& setting, Rng& rng) {
    Input records(setting.n);
    FastRng fast(rng());
    for (Grown& r : records) {
      const std::uint64_t bits = fast();
      r.time = bits & 0xffffff;
      r.count = bits >> 24 & 0xfffff;
      r.station = bits >> 44 & 0xfff;
      r.kind = bits >> 56 & 15;
      r.unit = bits >> 60 & 3;
      r.valid = bits >> 62 & 1;
      r.alarm = bits >> 63;
    }
    return records;
  }
  static void size(const Input& in, Output& out) {
    out = Output((in.size() + kPage - 1) / kPage * 4);
  }
  static absl::Status same(const Input&, const Output& want, const Output& got) {
    return exact(want, got);
  }
};

// The same loop for every kind of record with members of these names.
template <class Record>
void scan(const Buffer<Record>& records, Padding::Output& out) {
  for (std::size_t first = 0; first < records.size(); first += kPage) {
    const std::size_t end = std::min(records.size(), first + kPage);
    std::uint32_t counts = 0, alarms = 0, places = 0, kinds = 0;
    for (std::size_t i = first; i < end; ++i) {
      const Record& r = records[i];
      counts += static_cast<std::uint32_t>(r.count) * r.valid;  // no branch on data
      alarms += r.alarm;
      places += static_cast<std::uint32_t>(r.time) ^ static_cast<std::uint32_t>(r.station) << 8;
      kinds += static_cast<std::uint32_t>(r.kind) << 2 ^ static_cast<std::uint32_t>(r.unit);
    }
    const std::uint32_t numbers[] = {counts, alarms, places, kinds};
    std::copy_n(numbers, 4, out.data() + first / kPage * 4);
  }
}

// The records once more, as the variant keeps them.
template <class Record>
struct Table {
  explicit Table(const Padding::Input& in) : records(in.size()) {
    for (std::size_t i = 0; i < in.size(); ++i) {
      const Grown& from = in[i];
      Record& to = records[i];
      to.time = static_cast<decltype(to.time)>(from.time);
      to.count = static_cast<decltype(to.count)>(from.count);
      to.station = static_cast<decltype(to.station)>(from.station);
      to.kind = from.kind;
      to.unit = from.unit;
      to.valid = from.valid;
      to.alarm = from.alarm;
    }
  }
  Buffer<Record> records;
};

// The records as they grew.
void naive(const Padding::Input& in, Padding::Output& out) { scan(in, out); }

// The same members, largest first: no hole.
struct Ordered {
  std::uint64_t time;
  std::uint64_t count;
  std::uint32_t station;
  std::uint8_t kind;
  std::uint8_t unit;
  bool valid;
  bool alarm;
};
static_assert(sizeof(Ordered) == 24);

void sorted(const Table<Ordered>& table, const Padding::Input&, Padding::Output& out) {
  scan(table.records, out);
}

// Types no wider than the values.
struct Narrow {
  std::uint32_t time;
  std::uint32_t count;
  std::uint16_t station;
  std::uint8_t kind;
  std::uint8_t unit;
  bool valid;
  bool alarm;
};
static_assert(sizeof(Narrow) == 16);

void narrow(const Table<Narrow>& table, const Padding::Input&, Padding::Output& out) {
  scan(table.records, out);
}

constexpr int kTimeBits = 24, kCountBits = 20, kStationBits = 12, kKindBits = 4, kUnitBits = 2;

// As many bits as the values have, 64 in all. Each field now costs a shift and a mask.
struct Bits {
  std::uint64_t time : kTimeBits;
  std::uint64_t count : kCountBits;
  std::uint64_t station : kStationBits;
  std::uint64_t kind : kKindBits;
  std::uint64_t unit : kUnitBits;
  std::uint64_t valid : 1;
  std::uint64_t alarm : 1;
};
static_assert(sizeof(Bits) == 8);

void bit_packed(const Table<Bits>& table, const Padding::Input&, Padding::Output& out) {
  scan(table.records, out);
}

// Packed by hand, for where bit-fields lie is up to the compiler.
constexpr int kCountAt = kTimeBits, kStationAt = kCountAt + kCountBits,
              kKindAt = kStationAt + kStationBits, kUnitAt = kKindAt + kKindBits,
              kValidAt = kUnitAt + kUnitBits, kAlarmAt = kValidAt + 1;
static_assert(kAlarmAt == 63);

struct Packed {
  explicit Packed(const Padding::Input& in) : words(in.size()) {
    for (std::size_t i = 0; i < in.size(); ++i) {
      const Grown& r = in[i];
      words[i] = r.time | r.count << kCountAt | std::uint64_t{r.station} << kStationAt |
                 std::uint64_t{r.kind} << kKindAt | std::uint64_t{r.unit} << kUnitAt |
                 std::uint64_t{r.valid} << kValidAt | std::uint64_t{r.alarm} << kAlarmAt;
    }
  }
  Buffer<std::uint64_t> words;
};

}  // namespace
}  // namespace headroom

// The SIMD part, compiled once for each target.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "layout/padding-inl.h"
#include "layout/padding-inl.h"

namespace headroom {
namespace {

HWY_EXPORT(PagePacked);

// Shifts and masks for a whole vector of records at once.
void bit_packed_simd(const Packed& packed, const Padding::Input&, Padding::Output& out) {
  for (std::size_t first = 0; first < packed.words.size(); first += kPage)
    HWY_DYNAMIC_DISPATCH(PagePacked)
  (packed.words.data() + first, std::min(kPage, packed.words.size() - first),
   out.data() + first / kPage * 4);
}

constexpr Variant<Padding> kVariants[] = {
    {.name = "naive",
     .run = run<naive>,
     .what =
         "members in the order in which they were added: 48 bytes per record, half of them holes"},
    {.name = "sorted",
     .run = run<sorted>,
     .what = "the same members, largest first: 24 bytes, no hole"},
    {.name = "narrow", .run = run<narrow>, .what = "types no wider than the values: 16 bytes"},
    {.name = "bit_packed",
     .run = run<bit_packed>,
     .what = "bit-fields in 8 bytes: a sixth of the lines, but a shift and a mask for each field"},
    {.name = "bit_packed_simd",
     .run = run<bit_packed_simd>,
     .what = "8 bytes, unpacked a vector of records at a time, widest SIMD of the host"},
};

const Registrar kRegistrar(
    {.name = "layout/padding",
     .axis = Axis::kMemoryBandwidth,
     .technique = "smaller records: order members by size, and don't store bits that no value has",
     .sizes = {1 << 10, 1 << 14, 1 << 16, 1 << 20, 4 << 20},
     .headline = {1 << 10, 1 << 20},
     .ceiling = {"machine/read"},
     .demand =
         [](const Setting& s) {
           const double n = static_cast<double>(s.n);
           return Demand{.items = n,
                         .bytes = 8 * n,
                         .working_set = 8 * s.n,  // of the smallest records, for their ceiling
                         .memory = (48 + 24 + 16 + 8 + 8) * s.n};
         },
     .test_sizes = {0, 1, 2, 3, 7, 8, 9, 31, 33, 127, 1000, 1023, 1024, 1025, 2048, 4097}},
    kVariants);

}  // namespace
}  // namespace headroom
