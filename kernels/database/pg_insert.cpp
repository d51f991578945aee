// database/pg_insert: n rows put into a PostgreSQL table.
//
// An INSERT by itself is a transaction: it waits until the server's log is on disk, and for the
// round trip. Then comes the work for each statement: its text parsed and planned, a message there
// and back. The rows themselves are little work. They come over the server's Unix socket where
// `headroom run` starts it: no wire. The table has a primary key and grows from call to call, as a
// program's does.
//
// Out: the rows of the last call in order of the key, read back through a second connection.
//
// What is promised: when the call returns, all its rows are durable (synchronous_commit is on, and
// a server with fsync=off is refused). The baseline has each row on disk before it sends the next;
// the others have all of them or none until their one commit, and hold locks for as long.
//
// Links: libpq
#include "core/kernel.h"
#include "database/pg_payments.h"

namespace headroom {
namespace {

using Input = PutPayments::Input;
using Output = PutPayments::Output;

#if HEADROOM_HAVE_LIBPQ

struct Table {
  explicit Table(const Input&) { shares.add(writer.server.process()); }
  void answer(Output& out) const {
    out = table.rows_from(last);
    // Keys count from the call's first one.
    for (std::string& row : out) {
      const std::size_t bar = row.find('|');
      row.replace(0, bar, std::to_string(std::stoll(row.substr(0, bar)) - last + 1));
    }
    const auto all = static_cast<std::int64_t>(acknowledged);
    if (acknowledged != inserted || table.count() != all)
      out.push_back("in all " + std::to_string(table.count()) + " rows, acknowledged " +
                    std::to_string(all) + " of " + std::to_string(inserted));
  }
  Quantities quantities() const { return shares.quantities(); }

  PaymentTable table;
  PaymentWriter writer{table};
  CpuShares shares;
  std::int64_t last = 1;  // the first key of the last call
  std::size_t inserted = 0, acknowledged = 0;
};

struct Acknowledge {
  void operator()(std::size_t count) const { table->acknowledged += count; }
  Table* table;
};

using Insert = void(PaymentWriter&, std::int64_t, std::span<const Payment>, const Acknowledge&);

template <Insert* kInsert>
void insert(Table& state, const Input& in, Output&) {
  const CpuShares::Exchange exchange(state.shares);
  state.last = static_cast<std::int64_t>(state.inserted) + 1;
  state.inserted += in.payments.size();
  kInsert(state.writer, state.last, in.payments, Acknowledge{&state});
}

constexpr auto kNaive = run<insert<insert_each<Acknowledge>>>;
constexpr auto kTransaction = run<insert<insert_in_transaction<Acknowledge>>>;
#ifdef LIBPQ_HAS_PIPELINING
constexpr auto kPipeline = run<insert<insert_in_pipeline<Acknowledge>>>;
#else
constexpr auto kPipeline = kNotBuilt;
#endif
constexpr auto kMultiRow = run<insert<insert_values<Acknowledge>>>;
constexpr auto kUnnest = run<insert<insert_unnest<Acknowledge>>>;
constexpr auto kCopy = run<insert<insert_by_copy<Acknowledge>>>;
constexpr auto kCopyBinary = run<insert<insert_by_binary_copy<Acknowledge>>>;
#else
constexpr auto kNaive = kNotBuilt, kTransaction = kNotBuilt, kPipeline = kNotBuilt,
               kMultiRow = kNotBuilt, kUnnest = kNotBuilt, kCopy = kNotBuilt,
               kCopyBinary = kNotBuilt;
#endif

constexpr Need kNeeds[] = {kLibpq, kPostgres};
constexpr Need kNeedsPipelines[] = {kLibpq, kLibpqPipelines, kPostgres};

constexpr Variant<PutPayments> kVariants[] = {
    {.name = "naive",
     .run = kNaive,
     .what =
         "an INSERT per row, each its own transaction: the log is flushed n times; durable each",
     .needs = kNeeds},
    {.name = "transaction",
     .run = kTransaction,
     .what = "one transaction: the log is flushed once, so all rows are durable, or none is there",
     .needs = kNeeds},
    {.name = "pipeline",
     .run = kPipeline,
     .what = "and prepared statements that are sent without waiting for the answers; durable",
     .needs = kNeedsPipelines},
    {.name = "multi_row",
     .run = kMultiRow,
     .what = "one INSERT ... VALUES of all rows: one statement, but as text, parsed whole; durable",
     .needs = kNeeds},
    {.name = "unnest",
     .run = kUnnest,
     .what = "one prepared INSERT ... SELECT of four arrays: no SQL is parsed for rows; durable",
     .needs = kNeeds},
    {.name = "copy",
     .run = kCopy,
     .what = "COPY FROM STDIN: lines, no statement's executor, rows put in many at a time; durable",
     .needs = kNeeds},
    {.name = "copy_binary",
     .run = kCopyBinary,
     .what = "and numbers as the server has them: no digits are made or read; durable",
     .needs = kNeeds},
};

const Registrar kRegistrar({.name = "database/pg_insert",
                            .axis = Axis::kStorageSync,
                            .technique = "one flush, one round trip, one statement for many rows",
                            .sizes = {10, 100, 1000},
                            .headline = {10, 100},
                            .one_group = true,
                            .clock = Clock::kWall,
                            .warm = Warm::kNone,
                            .promise = Promise::kExact | Promise::kDurable,
                            .fixtures = {"postgresql"},
                            .demand =
                                [](const Setting& s) {
                                  // The log has a page of 8 KiB for each commit, and each page of
                                  // the table once more after a checkpoint.
                                  return Demand{.items = static_cast<double>(s.n),
                                                .working_set = 128 * s.n,
                                                .memory = std::size_t{64} << 20,
                                                .scratch = std::size_t{256} << 20,
                                                .written = 8192 * s.n};
                                },
                            .test_sizes = {0, 1, 17}},
                           kVariants);

}  // namespace
}  // namespace headroom
