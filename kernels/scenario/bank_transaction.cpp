// scenario/bank_transaction: n requests to transfer money, which have come at the same time, served
// by a program whose ledger is an SQLite file; from a first version to one that is hundreds
// of times as fast, and thousands of times where the history is long.
//
// The ledger, the rules and what must come out are in bank.h. Each variant adds one fix to the one
// before, in the order in which a profile of the program would ask for them. All keep one promise:
// when a client has its reply, the transfer is booked, wholly, and on the disk; so is the line in
// the audit log, and the notices are on the disk, in the mail system's folder or in the ledger's
// own list of what is to be sent. tests/bank_test.cpp kills the program at any moment and looks.
//
// A call ends when all clients have their replies. What a variant leaves for later, the notices, is
// not timed with it: it is done before the answer is looked at, and its time is reported apart
// (after_reply). Before each call the ledger is put back to what it was, by the program's own
// connection where it keeps one, whose cache of pages is warm, as in a program that has run for a
// while. Out: the replies; the new rows of the ledger, in order, read back through a second
// connection; the audit log; the notices; the balance of every account, from all its entries and as
// the program keeps it; a hash of all older rows.
//
// Params: history, how many transfers each firm that pays has made before. The slow variants' time
// grows with it.
//
// Links: sqlite
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/kernel.h"
#include "scenario/bank.h"
#include "scenario/bank_sqlite.h"
#include "scenario/bank_steps.h"

namespace headroom {
namespace {

using bank::allowed, bank::kToday, bank::Reply, bank::Requests, bank::Standing;
using bank::Transfer, bank::TransferMoney;
using Input = TransferMoney::Input;
using Output = TransferMoney::Output;

#if HEADROOM_HAVE_SQLITE

using bank::Bank, bank::Compiled, bank::KeptOpen, bank::OpenedEach, bank::rows_of;
using bank::kIndexed, bank::kKeysOnly, bank::kLean, bank::kOutbox, bank::kSummary;
using sqlite::Connection, sqlite::Statement;

// --- The variants, each one fix after the other. The steps are in bank_steps.h.

// A query for each thing, on a connection of its own; a commit for each change.
void naive(Bank<OpenedEach, kKeysOnly>& bank, Output&) { bank::query_by_query(bank); }

// The same program. Where a query looked at every row of a table, an index leads it to those that
// it is about.
void index(Bank<OpenedEach, kIndexed>& bank, Output&) { bank::query_by_query(bank); }

// One query sums up the history, which SQLite's own loop goes through.
void fewer_queries(Bank<OpenedEach, kIndexed>& bank, Output&) { bank::with_fewer_queries(bank); }

// The file is opened, and its schema read, once; pages that were read stay in the connection's
// cache.
void connection(Bank<KeptOpen, kIndexed>& bank, Output&) { bank::with_fewer_queries(bank); }

// One commit in place of three.
void transaction(Bank<KeptOpen, kIndexed>& bank, Output&) { bank::in_a_transaction(bank); }

// A commit appends to a write-ahead log and waits for the disk once. A rollback journal is made,
// synced and deleted around each, and the folder and the ledger synced too.
void wal(Bank<KeptOpen, kIndexed, sqlite::kDurableWal>& bank, Output&) {
  bank::in_a_transaction(bank);
}

// Of six waits for the disk one is left. A notice can no longer be lost, nor sent of something
// that was not booked.
void outbox(Bank<KeptOpen, kOutbox, sqlite::kDurableWal>& bank, Output&) {
  one_by_one(bank, bank::BookByHistory());
}

// Statements are compiled once, not for each request.
void prepared(Bank<Compiled, kOutbox, sqlite::kDurableWal>& bank, Output&) {
  one_by_one(bank, bank::BookByHistory());
}

// Two rows are read, not a history.
void summary(Bank<Compiled, kSummary, sqlite::kDurableWal>& bank, Output&) {
  one_by_one(bank, bank::BookBySummary());
}

// The requests share the wait for the disk, and the pages that they change are written once.
void group_commit(Bank<Compiled, kSummary, sqlite::kDurableWal>& bank, Output&) {
  all_at_once(bank, bank::BookBySummary());
}

// Who writes the ledger alone knows what is in it: all accounts in memory, read at the start, and
// again whenever SQLite says that somebody else has written.
struct Accounts : Bank<Compiled, kLean, sqlite::kDurableWal> {
  struct Account : Standing {
    std::int64_t id = 0;
    bool changed = false;
  };

  explicit Accounts(const Input& in) : Bank(in) {}
  void refill(const Requests& call) {
    Bank::refill(call);
    load();
  }
  // Within a transaction.
  void follow_others() {
    if (!trusted || db->ask("PRAGMA data_version")[0][0] != version) load();
  }
  void load() {
    version = db->ask("PRAGMA data_version")[0][0];
    accounts.clear();
    Statement rows(ledger(),
                   "SELECT id, iban, balance, CASE spent_day WHEN ? THEN spent ELSE 0 END "
                   "FROM accounts");
    rows.bind(1, kToday);
    while (rows.step()) {
      Account& account = accounts[std::string(rows.text(1))];
      account.id = rows.number(0);
      account.balance = rows.number(2);
      account.spent = rows.number(3);
    }
    trusted = true;
  }
  Account* account(const std::string& iban) {
    const auto at = accounts.find(iban);
    return at == accounts.end() ? nullptr : &at->second;
  }
  const Connection& ledger() const { return db->own(); }

  std::unordered_map<std::string, Account> accounts;  // by IBAN
  std::int64_t version = 0;
  bool trusted = false;  // false while memory may be ahead of the ledger
  std::vector<Account*> changed;
  std::vector<Reply> replies;
  Statement add_transfer{ledger(),
                         "INSERT INTO transfers (reference, payer, payee, amount, day, state) "
                         "VALUES (?, ?, ?, ?, ?, 'done') ON CONFLICT DO NOTHING"};
  Statement add_entries{ledger(), bank::kInsertEntries};
  Statement add_notices{ledger(), bank::kInsertNotices};
  Statement add_line{ledger(), bank::kInsertAudit};
  Statement put_account{ledger(), bank::kTake};
};

// A ledger is written, not asked: decisions are made in memory, a reference that was used before is
// found by the index that has to be written anyway, and an account's row is written once for all
// requests that wait. Three indexes that only the first variants' queries needed are gone.
void memory(Accounts& bank, Output&) {
  Compiled& db = *bank.db;
  db.begin();
  bank.follow_others();
  bank.trusted = false;
  bank.replies.clear();
  bank.changed.clear();
  for (const Transfer& request : bank.requests) {
    Reply reply;
    Accounts::Account* const payer = bank.account(bank::iban_of(request.payer));
    Accounts::Account* const payee = bank.account(bank::iban_of(request.payee));
    if (payer != nullptr && payee != nullptr && allowed(*payer, request.amount)) {
      rows_of(bank.add_transfer, request.reference, payer->id, payee->id, request.amount,
              request.day);
      reply.booked = sqlite3_changes(bank.ledger().get()) == 1;
    }
    if (reply.booked) {
      payer->balance -= request.amount;
      payer->spent += request.amount;
      payee->balance += request.amount;
      reply.balance = payer->balance;
      for (Accounts::Account* const account : {payer, payee})
        if (!std::exchange(account->changed, true)) bank.changed.push_back(account);
      const std::int64_t id = sqlite3_last_insert_rowid(bank.ledger().get());
      rows_of(bank.add_entries, id, payer->id, request.amount, payee->id);
      rows_of(bank.add_notices, request.reference, payer_notice(request, reply.balance),
              payee_notice(request, payee->balance));
    }
    rows_of(bank.add_line, audit_line(request, reply));
    bank.replies.push_back(reply);
  }
  for (Accounts::Account* const account : bank.changed) {
    rows_of(bank.put_account, account->balance, account->spent, kToday, account->id);
    account->changed = false;
  }
  db.commit();
  bank.trusted = true;
  for (const Reply& reply : bank.replies) bank.reply(reply);
}

constexpr auto kNaive = run<naive>;
constexpr auto kIndex = run<index>;
constexpr auto kFewerQueries = run<fewer_queries>;
constexpr auto kConnection = run<connection>;
constexpr auto kTransaction = run<transaction>;
constexpr auto kWal = run<wal>;
constexpr auto kOutboxed = run<outbox>;
constexpr auto kPrepared = run<prepared>;
constexpr auto kSummed = run<summary>;
constexpr auto kGroupCommit = run<group_commit>;
constexpr auto kMemory = run<memory>;
#else
constexpr auto kNaive = kNotBuilt, kIndex = kNotBuilt, kFewerQueries = kNotBuilt,
               kConnection = kNotBuilt, kTransaction = kNotBuilt, kWal = kNotBuilt,
               kOutboxed = kNotBuilt, kPrepared = kNotBuilt, kSummed = kNotBuilt,
               kGroupCommit = kNotBuilt, kMemory = kNotBuilt;
#endif

constexpr Need kNeeds[] = {kSqlite};

// With how many requests at once a variant that takes long for each is still asked.
constexpr std::size_t kSlow = 8;

constexpr Variant<TransferMoney> kVariants[] = {
    {.name = "naive",
     .run = kNaive,
     .what = "a query and a connection for each thing, a commit for each change; tables with keys "
             "only; durable",
     .max_n = kSlow,
     .needs = kNeeds},
    {.name = "index",
     .run = kIndex,
     .what = "indexes of what is asked for: a query no longer looks at a whole table; durable",
     .max_n = kSlow,
     .needs = kNeeds},
    {.name = "fewer_queries",
     .run = kFewerQueries,
     .what = "one query sums up the history, in place of one for each transfer of it; durable",
     .max_n = kSlow,
     .needs = kNeeds},
    {.name = "connection",
     .run = kConnection,
     .what = "the file is opened, and its schema read, once, not for each query; durable",
     .max_n = kSlow,
     .needs = kNeeds},
    {.name = "transaction",
     .run = kTransaction,
     .what = "a transfer is one transaction: one commit, not three; durable",
     .max_n = kSlow,
     .needs = kNeeds},
    {.name = "wal",
     .run = kWal,
     .what = "a commit is an append to a write-ahead log, and one wait for the disk; durable",
     .max_n = kSlow,
     .needs = kNeeds},
    {.name = "outbox",
     .run = kOutboxed,
     .what = "audit log and notices are rows of the same commit; notices are sent after the reply",
     .needs = kNeeds},
    {.name = "prepared",
     .run = kPrepared,
     .what = "statements are compiled once; durable",
     .needs = kNeeds},
    {.name = "summary",
     .run = kSummed,
     .what = "the balance stands in the account's row: the history isn't read; durable",
     .needs = kNeeds},
    {.name = "group_commit",
     .run = kGroupCommit,
     .what = "one commit for all requests that wait, each decided by itself; durable",
     .needs = kNeeds},
    {.name = "memory",
     .run = kMemory,
     .what =
         "the ledger's only writer decides by balances in memory, and writes each account's row "
         "once; durable",
     .needs = kNeeds},
};

const Registrar kRegistrar({.name = "scenario/bank_transaction",
                            .axis = Axis::kStorageSync,
                            .technique = "a slow transaction mended one fault at a time",
                            .sizes = {1, 64},
                            .headline = {1, 64},
                            .params = {{.name = "history", .values = {64, 256}, .headline = {64}}},
                            .one_group = true,
                            .clock = Clock::kWall,
                            .warm = Warm::kNone,
                            .promise = Promise::kExact | Promise::kDurable,
                            .demand =
                                [](const Setting& s) {
                                  return Demand{.items = static_cast<double>(s.n),
                                                .working_set = std::size_t{4} << 20,
                                                .memory = std::size_t{64} << 20,
                                                .scratch = std::size_t{256} << 20,
                                                .written = 16384 * s.n};
                                },
                            .test_sizes = {0, 1, 24}},
                           kVariants);

}  // namespace
}  // namespace headroom
