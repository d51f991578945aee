// database/pagination: one page of 20 items of a list that begins with the newest, after the n
// items (or a few more) that the pages before it showed.
//
// The list is sorted by time, and by number where the time is the same; an index has it in this
// order. Some eight items share a time, so that a page may begin in the middle of them. A client
// that asks for the next page has the last one in front of it: it names either how many items it
// has seen, or the last of them. The file is made once and never written again, and lies in the
// page cache; the connection is open, the statement compiled once. Out: the items of the page, of
// which the last has fewer.
//
// OFFSET counts what it skips, so that the n-th page costs n times the first. Whoever names the
// last item that was seen is led there by the index.
//
// Links: sqlite
#include <algorithm>
#include <array>
#include <limits>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "core/kernel.h"
#include "support/sqlite.h"

namespace headroom {
namespace {

struct Item {
  std::int64_t id = 0;
  std::int64_t time = 0;
  std::array<char, 40> title{};
  friend bool operator==(const Item&, const Item&) = default;
};
constexpr std::size_t kPage = 20;
constexpr std::size_t kPages = 64;  // that calls ask for, in turn

// Item `id`, from 1 on. Its time grows with its number, but not strictly: some come late.
Item item_of(std::int64_t id) {
  Item item{id, id / 8 + id * 7919 % 64, {}};
  for (std::size_t i = 0; i < item.title.size(); ++i)
    item.title[i] = static_cast<char>('a' + (id * 31 + static_cast<std::int64_t>(i) * id) % 26);
  return item;
}

class Items;  // the table
std::shared_ptr<const Items> items(std::size_t rows);

struct Pagination {
  // What a client knows: how many items it has seen, and the last one's place in the list.
  struct Call {
    std::size_t seen;
    std::int64_t time, id;
    std::span<const Item> list;
  };
  struct Input {
    std::shared_ptr<const Items> items;  // none without SQLite
    std::vector<Item> list;              // sorted, for the client's knowledge and for the truth
    std::vector<std::size_t> seen;
    Call at(std::size_t turn) const {
      const std::size_t before = seen[turn % kPages];
      if (before == 0) {
        constexpr std::int64_t kAfterAll = std::numeric_limits<std::int64_t>::max();
        return {before, kAfterAll, kAfterAll, list};
      }
      return {before, list[before - 1].time, list[before - 1].id, list};
    }
  };
  using Output = std::vector<Item>;

  static Input make(const Setting& setting, Rng& rng) {
    Input in;
    const std::size_t rows = setting.n + kPages * kPage - kPage / 2;
    in.items = items(rows);
    for (std::size_t id = 1; id <= rows; ++id)
      in.list.push_back(item_of(static_cast<std::int64_t>(id)));
    std::sort(in.list.begin(), in.list.end(), [](const Item& a, const Item& b) {
      return std::tie(a.time, a.id) > std::tie(b.time, b.id);
    });
    for (std::size_t page = 0; page < kPages; ++page) in.seen.push_back(setting.n + page * kPage);
    shuffle(std::span(in.seen).subspan(1), rng);
    return in;
  }
  static absl::Status same(const Call& call, const Output& want, const Output& got) {
    const std::span<const Item> rest = call.list.subspan(call.seen);
    const std::span<const Item> page = rest.first(std::min(kPage, rest.size()));
    const absl::Status right = exact(Output(page.begin(), page.end()), want);
    return right.ok() ? exact(want, got) : right;
  }
};
using Input = Pagination::Input;
using Call = Pagination::Call;
using Output = Pagination::Output;

#if HEADROOM_HAVE_SQLITE

class Items {
 public:
  explicit Items(std::size_t n) : rows(n) {}
  const std::size_t rows;
  const sqlite::File file{[this](const sqlite::Connection& made) {
    made.execute("CREATE TABLE items (id INTEGER PRIMARY KEY, time INTEGER NOT NULL, title TEXT)");
    sqlite::Statement insert(made, "INSERT INTO items VALUES (?, ?, ?)");
    for (std::size_t id = 1; id <= rows; ++id) {
      const Item item = item_of(static_cast<std::int64_t>(id));
      insert.bind(1, item.id);
      insert.bind(2, item.time);
      insert.bind(3, std::string_view(item.title.data(), item.title.size()));
      insert.run();
    }
    made.execute("CREATE INDEX newest ON items (time, id)");
  }};
};
std::shared_ptr<const Items> items(std::size_t rows) { return sqlite::tables_of<Items>(rows); }

constexpr char kOffset[] =
    "SELECT id, time, title FROM items ORDER BY time DESC, id DESC LIMIT 20 OFFSET ?";
constexpr char kDeferred[] =
    "SELECT items.id, items.time, title FROM (SELECT id FROM items ORDER BY time DESC, id DESC "
    "LIMIT 20 OFFSET ?) AS page CROSS JOIN items ON items.id = page.id "
    "ORDER BY items.time DESC, items.id DESC";
constexpr char kAfter[] =
    "SELECT id, time, title FROM items WHERE (time, id) < (?, ?) ORDER BY time DESC, id DESC LIMIT "
    "20";
// The plans by which they have to run.
constexpr char kScans[] = "SCAN items USING INDEX newest";
constexpr char kScansIndex[] = "SCAN items USING COVERING INDEX newest";
constexpr char kSearches[] = "SEARCH items USING INDEX newest (time<?)";

template <const char* kSql, const char* kPlan>
struct Listed {
  explicit Listed(const Input& in) : connection(in.items->file.path()) {}
  void read(Output& out) {
    out.clear();
    while (page.step()) {
      Item& item = out.emplace_back(Item{page.number(0), page.number(1), {}});
      page.text(2).copy(item.title.data(), item.title.size());
    }
    page.reset();
  }
  sqlite::Connection connection;
  sqlite::Statement page = sqlite::planned(connection, kSql, kPlan);
};

// The index gives the order, but every entry before the page is stepped over, one by one.
template <const char* kSql, const char* kPlan>
void offset(Listed<kSql, kPlan>& list, const Call& call, Output& out) {
  list.page.bind(1, static_cast<std::int64_t>(call.seen));
  list.read(out);
}

// One descent of the index to the time of the last item seen; what has the same time and was seen
// is stepped over.
void keyset(Listed<kAfter, kSearches>& list, const Call& call, Output& out) {
  list.page.bind(1, call.time);
  list.page.bind(2, call.id);
  list.read(out);
}

constexpr auto kNaive = run<offset<kOffset, kScans>>;
constexpr auto kDeferredJoin = run<offset<kDeferred, kScansIndex>>;
constexpr auto kKeyset = run<keyset>;
#else
class Items {};
std::shared_ptr<const Items> items(std::size_t) { return nullptr; }
constexpr auto kNaive = kNotBuilt, kDeferredJoin = kNotBuilt, kKeyset = kNotBuilt;
#endif

constexpr Need kNeeds[] = {kSqlite};

constexpr Variant<Pagination> kVariants[] = {
    {.name = "naive",
     .run = kNaive,
     .what = "LIMIT 20 OFFSET n: the index has the order, but n entries are stepped over",
     .needs = kNeeds},
    {.name = "deferred_join",
     .run = kDeferredJoin,
     .what = "the offset within the index alone: what is skipped is not decoded; then the 20 rows",
     .needs = kNeeds},
    {.name = "keyset",
     .run = kKeyset,
     .what = "WHERE (time, id) < the last item seen: one descent of the index, however far",
     .needs = kNeeds},
};

const Registrar kRegistrar({.name = "database/pagination",
                            .axis = Axis::kScalar,
                            .technique = "name the last row that was seen, not how many were",
                            .sizes = {100, 1000, 10'000, 100'000},
                            .headline = {1000, 100'000},
                            .promise = Promise::kExact | Promise::kOrdered | Promise::kFresh,
                            .demand =
                                [](const Setting& s) {
                                  return Demand{.items = kPage,
                                                .working_set = 32 * s.n,
                                                .memory = 64 * s.n + (std::size_t{32} << 20),
                                                .scratch = 128 * s.n + (std::size_t{1} << 20)};
                                },
                            .test_sizes = {0, 1, 1000}},
                           kVariants);

}  // namespace
}  // namespace headroom
