// scenario/pg_bank_transaction: n requests to transfer money, which have come at the same time,
// served by a program whose ledger is in PostgreSQL; from a first version to a fast one.
//
// The same bank as in scenario/bank_transaction, by the same steps (bank.h, bank_steps.h), with the
// same promise: when a client has its reply, the transfer is booked, wholly, and on the disk; so is
// the line in the audit log, and the notices are on the disk, in the mail system's folder or in the
// ledger's own list of what is to be sent. tests/bank_test.cpp kills the program at any moment.
//
// With a server each query is a round trip (over its Unix socket where `headroom run` starts it: no
// wire), and each connection a process. So what is to be saved, beside waits for the disk, is
// conversation: queries, then round trips. The server's log is written ahead from the first version
// on. One program writes, and it keeps its transactions serializable until a variant locks the rows
// that it decides by.
//
// What is timed, what is left for later (after_reply) and what comes out are as there.
//
// Params: history, how many transfers each firm that pays has made before.
//
// Links: libpq
#include <map>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/kernel.h"
#include "scenario/bank.h"
#include "scenario/bank_postgres.h"
#include "scenario/bank_steps.h"
#include "support/postgres.h"

namespace headroom {
namespace {

using bank::allowed, bank::iban_of, bank::kToday, bank::Reply, bank::Standing;
using bank::Transfer, bank::TransferMoney;
using Input = TransferMoney::Input;
using Output = TransferMoney::Output;

#if HEADROOM_HAVE_LIBPQ

using bank::PgTables;
using bank::pg::Bank, bank::pg::Compiled, bank::pg::KeptOpen, bank::pg::OpenedEach;
using bank::pg::kIndexed, bank::pg::kKeysOnly, bank::pg::kLean, bank::pg::kOutbox;
using bank::pg::kSummary;

// --- The variants, each one fix after the other. The steps are in bank_steps.h.

// A query for each thing, on a connection of its own; a commit for each change.
void naive(Bank<OpenedEach, kKeysOnly>& bank, Output&) { bank::query_by_query(bank); }

// The same program. Where a query looked at every row of a table, an index leads it to those that
// it is about.
void index(Bank<OpenedEach, kIndexed>& bank, Output&) { bank::query_by_query(bank); }

// One query sums up the history: it is gone through where it lies, and not fetched.
void fewer_queries(Bank<OpenedEach, kIndexed>& bank, Output&) { bank::with_fewer_queries(bank); }

// The server starts one process, and not one for each query.
void connection(Bank<KeptOpen, kIndexed>& bank, Output&) { bank::with_fewer_queries(bank); }

// One commit, and so one wait for the disk, in place of three.
void transaction(Bank<KeptOpen, kIndexed>& bank, Output&) { bank::in_a_transaction(bank); }

// Of six waits for the disk one is left. A notice can no longer be lost, nor sent of something that
// was not booked.
void outbox(Bank<KeptOpen, kOutbox>& bank, Output&) { one_by_one(bank, bank::BookByHistory()); }

// Statements are parsed and planned once, not for each request.
void prepared(Bank<Compiled, kOutbox>& bank, Output&) { one_by_one(bank, bank::BookByHistory()); }

// Two rows are read, not a history.
void summary(Bank<Compiled, kSummary>& bank, Output&) { one_by_one(bank, bank::BookBySummary()); }

// The same statements, in a function of the server's: one round trip for each transfer, not ten.
constexpr char kCall[] = "SELECT booked, left_ FROM book($1, $2, $3, $4, $5, $6)";
void function(Bank<Compiled, kSummary>& bank, Output&) {
  for (const Transfer& request : bank.requests) {
    const auto row = bank.db->ask(kCall, request.reference, iban_of(request.payer),
                                  iban_of(request.payee), request.amount, kToday, bank::kLimit)[0];
    bank.reply({row[0] == 1, row[1]});
  }
}

// One commit for all requests that wait: one wait for the disk. Each is decided by itself: one that
// is refused doesn't keep the others from being booked.
void group_commit(Bank<Compiled, kSummary>& bank, Output&) {
  Compiled& db = *bank.db;
  std::vector<Reply> replies;
  db.server.execute("BEGIN");
  for (const Transfer& request : bank.requests) {
    const auto row = db.ask(kCall, request.reference, iban_of(request.payer),
                            iban_of(request.payee), request.amount, kToday, bank::kLimit)[0];
    replies.push_back({row[0] == 1, row[1]});
  }
  db.server.execute("COMMIT");
  for (const Reply& reply : replies) bank.reply(reply);
}

#ifdef LIBPQ_HAS_PIPELINING

// The text of an array of texts, and of numbers.
class Array {
 public:
  void add(std::string_view text) {
    text_ += text_.size() > 1 ? ",\"" : "\"";
    for (const char c : text) {
      if (c == '"' || c == '\\') text_ += '\\';
      text_ += c;
    }
    text_ += '"';
  }
  void add(std::int64_t number) {
    if (text_.size() > 1) text_ += ',';
    text_ += Digits(number).c_str();
  }
  void end() { text_ += '}'; }
  const char* c_str() const { return text_.c_str(); }

 private:
  std::string text_ = "{";
};

// Statements of which several are sent before the answers are read.
template <class... Arrays>
void send(Compiled& db, const char* name, Arrays&... arrays) {
  (arrays.end(), ...);
  const char* values[] = {arrays.c_str()..., nullptr};
  db.server.send_prepared(name, {values, sizeof...(arrays)});
}

constexpr char kBegin[] = "BEGIN", kCommit[] = "COMMIT";
constexpr char kLock[] =
    "SELECT id, iban, balance, CASE spent_day WHEN $2 THEN spent ELSE 0 END FROM accounts "
    "WHERE iban = ANY($1::text[]) ORDER BY id FOR UPDATE";
constexpr char kKnown[] = "SELECT reference FROM transfers WHERE reference = ANY($1::text[])";
constexpr char kPutTransfers[] =
    "WITH added AS (INSERT INTO transfers (reference, payer, payee, amount, day, state) SELECT "
    "reference, payer, payee, amount, day, 'done' FROM unnest($1::text[], $2::bigint[], "
    "$3::bigint[], $4::bigint[], $5::bigint[]) AS t (reference, payer, payee, amount, day) "
    "RETURNING id, payer, payee, amount) "
    "INSERT INTO entries (transfer, account, amount) "
    "SELECT id, CASE side WHEN 1 THEN payer ELSE payee END, "
    "CASE side WHEN 1 THEN -amount ELSE amount END "
    "FROM added, generate_series(1, 2) AS side ORDER BY id, side";
constexpr char kPutAccounts[] =
    "UPDATE accounts SET balance = now.balance, spent = now.spent, spent_day = now.day "
    "FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[]) "
    "AS now (id, balance, spent, day) WHERE accounts.id = now.id";
constexpr char kPutNotices[] =
    "INSERT INTO outbox (reference, side, text) SELECT * FROM unnest($1::text[], $2::text[], "
    "$3::text[])";
constexpr char kPutAudit[] = "INSERT INTO audit (line) SELECT * FROM unnest($1::text[])";

struct Planned : Compiled {
  explicit Planned(const PgTables& tables) : Compiled(tables) {
    for (const char* sql :
         {kBegin, kCommit, kLock, kKnown, kPutTransfers, kPutAccounts, kPutNotices, kPutAudit})
      name_of(sql);
  }
};

// All accounts of the group are read, and locked, by one statement, and the rows of each table
// written by one. What comes between, the decisions, is done in the program's memory, in the order
// in which the requests came. Two round trips for all of them; and two indexes fewer to keep, which
// only the first variants' queries needed.
void in_bulk(Bank<Planned, kLean>& bank, Output&) {
  if (bank.requests.size() == 0) return;
  Planned& db = *bank.db;
  struct Account : Standing {
    std::int64_t id = 0;
    bool changed = false;
  };
  std::map<std::string, Account, std::less<>> accounts;  // by IBAN
  Array ibans, references;
  for (const Transfer& request : bank.requests) {
    for (const std::int64_t id : {request.payer, request.payee}) accounts[iban_of(id)];
    references.add(request.reference);
  }
  for (const auto& [iban, account] : accounts) ibans.add(iban);
  ibans.end();
  const std::string today = std::to_string(kToday);
  const char* const locked[] = {ibans.c_str(), today.c_str()};
  db.server.begin_pipeline();
  db.server.send_prepared(db.name_of(kBegin), {});
  db.server.send_prepared(db.name_of(kLock), locked);
  send(db, db.name_of(kKnown), references);
  db.server.sync();
  db.server.next();
  const Postgres::Result found = db.server.next(), known = db.server.next();
  db.server.end_pipeline();
  for (int row = 0; row < PQntuples(found.get()); ++row) {
    Account& account = accounts[PQgetvalue(found.get(), row, 1)];
    account.id = number_of(found, row, 0);
    account.balance = number_of(found, row, 2);
    account.spent = number_of(found, row, 3);
  }
  std::unordered_map<std::string, bool> used;  // references
  for (int row = 0; row < PQntuples(known.get()); ++row)
    used[PQgetvalue(known.get(), row, 0)] = true;

  std::vector<Reply> replies;
  Array reference, payers, payees, amounts, days, noticed, sides, notices, lines;
  for (const Transfer& request : bank.requests) {
    Account &payer = accounts[iban_of(request.payer)], &payee = accounts[iban_of(request.payee)];
    Reply reply;
    if (payer.id != 0 && payee.id != 0 && allowed(payer, request.amount) &&
        !std::exchange(used[request.reference], true)) {
      payer.balance -= request.amount;
      payer.spent += request.amount;
      payee.balance += request.amount;
      payer.changed = payee.changed = true;
      reply = {true, payer.balance};
      reference.add(request.reference);
      payers.add(payer.id);
      payees.add(payee.id);
      amounts.add(request.amount);
      days.add(request.day);
      for (const char* side : {"payer", "payee"}) {
        noticed.add(request.reference);
        sides.add(std::string_view(side));
      }
      notices.add(payer_notice(request, reply.balance));
      notices.add(payee_notice(request, payee.balance));
    }
    lines.add(audit_line(request, reply));
    replies.push_back(reply);
  }
  Array ids, balances, spent, spent_days;
  for (const auto& [iban, account] : accounts) {
    if (!account.changed) continue;
    ids.add(account.id);
    balances.add(account.balance);
    spent.add(account.spent);
    spent_days.add(kToday);
  }
  db.server.begin_pipeline();
  send(db, db.name_of(kPutTransfers), reference, payers, payees, amounts, days);
  send(db, db.name_of(kPutAccounts), ids, balances, spent, spent_days);
  send(db, db.name_of(kPutNotices), noticed, sides, notices);
  send(db, db.name_of(kPutAudit), lines);
  db.server.send_prepared(db.name_of(kCommit), {});
  db.server.sync();
  for (int i = 0; i < 5; ++i) db.server.next();
  db.server.end_pipeline();
  for (const Reply& reply : replies) bank.reply(reply);
}
constexpr auto kInBulk = run<in_bulk>;
#else
constexpr auto kInBulk = kNotBuilt;
#endif

constexpr auto kNaive = run<naive>;
constexpr auto kIndex = run<index>;
constexpr auto kFewerQueries = run<fewer_queries>;
constexpr auto kConnection = run<connection>;
constexpr auto kTransaction = run<transaction>;
constexpr auto kOutboxed = run<outbox>;
constexpr auto kPrepared = run<prepared>;
constexpr auto kSummed = run<summary>;
constexpr auto kFunction = run<function>;
constexpr auto kGroupCommit = run<group_commit>;
#else
constexpr auto kNaive = kNotBuilt, kIndex = kNotBuilt, kFewerQueries = kNotBuilt,
               kConnection = kNotBuilt, kTransaction = kNotBuilt, kOutboxed = kNotBuilt,
               kPrepared = kNotBuilt, kSummed = kNotBuilt, kFunction = kNotBuilt,
               kGroupCommit = kNotBuilt, kInBulk = kNotBuilt;
#endif

constexpr Need kNeeds[] = {kLibpq, kPostgres};
constexpr Need kNeedsPipelines[] = {kLibpq, kPostgres, kLibpqPipelines};

// With how many requests at once a variant that takes long for each is still asked.
constexpr std::size_t kFew = 8;

constexpr Variant<TransferMoney> kVariants[] = {
    {.name = "naive",
     .run = kNaive,
     .what = "a query and a connection for each thing, a commit for each change; tables with keys "
             "only; durable",
     .max_n = kFew,
     .needs = kNeeds},
    {.name = "index",
     .run = kIndex,
     .what = "indexes of what is asked for: a query no longer looks at a whole table; durable",
     .max_n = kFew,
     .needs = kNeeds},
    {.name = "fewer_queries",
     .run = kFewerQueries,
     .what = "one query sums up the history, in place of one for each transfer of it; durable",
     .max_n = kFew,
     .needs = kNeeds},
    {.name = "connection",
     .run = kConnection,
     .what = "the server starts one process, not one for each query; durable",
     .max_n = kFew,
     .needs = kNeeds},
    {.name = "transaction",
     .run = kTransaction,
     .what = "a transfer is one transaction: one commit, not three; durable",
     .max_n = kFew,
     .needs = kNeeds},
    {.name = "outbox",
     .run = kOutboxed,
     .what = "audit log and notices are rows of the same commit; notices are sent after the reply",
     .needs = kNeeds},
    {.name = "prepared",
     .run = kPrepared,
     .what = "statements are parsed and planned once; durable",
     .needs = kNeeds},
    {.name = "summary",
     .run = kSummed,
     .what = "the balance stands in the account's row: the history isn't read; durable",
     .needs = kNeeds},
    {.name = "function",
     .run = kFunction,
     .what = "the steps are a function of the server's: one round trip for each; durable",
     .needs = kNeeds},
    {.name = "group_commit",
     .run = kGroupCommit,
     .what = "one commit for all requests that wait, each decided by itself; durable",
     .needs = kNeeds},
    {.name = "bulk",
     .run = kInBulk,
     .what = "all of a group read and locked at once, decided in memory, written by a statement "
             "per table: two round trips; durable",
     .needs = kNeedsPipelines},
};

const Registrar kRegistrar(
    {.name = "scenario/pg_bank_transaction",
     .axis = Axis::kStorageSync,
     .technique = "a slow transaction mended one fault at a time, with a server",
     .sizes = {1, 64},
     .headline = {1, 64},
     .params = {{.name = "history", .values = {16, 64}, .headline = {16}}},
     .one_group = true,
     .clock = Clock::kWall,
     .warm = Warm::kNone,
     .promise = Promise::kExact | Promise::kDurable,
     .fixtures = {"postgresql"},
     .demand =
         [](const Setting& s) {
           return Demand{.items = static_cast<double>(s.n),
                         .working_set = std::size_t{8} << 20,
                         .memory = std::size_t{128} << 20,
                         .scratch = std::size_t{512} << 20,
                         .written = 16384 * s.n};
         },
     .test_sizes = {0, 1, 24}},
    kVariants);

}  // namespace
}  // namespace headroom
