// The bank's ledger in an SQLite file: how it is made, recovered at a start, and read; the ways in
// which a program asks it; and the program around it, whose variants are in bank_transaction.cpp. A
// file that includes this has `// Links: sqlite`.
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "core/arm.h"
#include "core/scratch.h"
#include "scenario/bank.h"
#include "scenario/bank_files.h"
#include "scenario/bank_steps.h"
#include "support/sqlite.h"

#if HEADROOM_HAVE_SQLITE
namespace headroom::bank {

// The tables as they are first written: keys, and nothing else.
inline constexpr char kTables[] =
    "CREATE TABLE accounts (id INTEGER PRIMARY KEY, iban TEXT NOT NULL, owner TEXT NOT NULL);"
    "CREATE TABLE transfers (id INTEGER PRIMARY KEY, reference TEXT NOT NULL, payer INTEGER NOT "
    "NULL REFERENCES accounts, payee INTEGER NOT NULL REFERENCES accounts, amount INTEGER NOT "
    "NULL, day INTEGER NOT NULL, state TEXT NOT NULL);"
    "CREATE TABLE entries (id INTEGER PRIMARY KEY, transfer INTEGER NOT NULL REFERENCES transfers, "
    "account INTEGER NOT NULL REFERENCES accounts, amount INTEGER NOT NULL);";

// A file with the past, made once, of which each ledger is a copy.
struct PastFile {
  explicit PastFile(std::size_t per_firm) : rows(per_firm) {}
  const std::size_t rows;
  const sqlite::File file{[this](const sqlite::Connection& made) {
    made.execute(kTables);
    sqlite::Statement account(made, "INSERT INTO accounts VALUES (?, ?, ?)");
    for (std::int64_t id = 1; id <= kAccounts; ++id) {
      const std::string iban = iban_of(id), owner = "owner " + std::to_string(id);
      account.bind(1, id);
      account.bind(2, iban);
      account.bind(3, owner);
      account.run();
    }
    sqlite::Statement transfer(made, "INSERT INTO transfers VALUES (?, ?, ?, ?, ?, ?, 'done')");
    sqlite::Statement entry(made, "INSERT INTO entries (transfer, account, amount) VALUES (?,?,?)");
    std::int64_t id = 0;
    for (const Transfer& row : past_of(static_cast<std::int64_t>(rows))->transfers) {
      transfer.bind(1, ++id);
      transfer.bind(2, row.reference);
      transfer.bind(3, row.payer);
      transfer.bind(4, row.payee);
      transfer.bind(5, row.amount);
      transfer.bind(6, row.day);
      transfer.run();
      for (const bool payee : {false, true}) {
        entry.bind(1, id);
        entry.bind(2, payee ? row.payee : row.payer);
        entry.bind(3, payee ? row.amount : -row.amount);
        entry.run();
      }
    }
  }};
};

// What a program does at its start: transfers that were begun, and not acknowledged, when an
// earlier one was killed are finished. Their notices may be missing; whoever sends money learns of
// it from the ledger.
inline void recover(const std::string& folder) {
  const sqlite::Connection ledger(folder + "/bank.db");
  ledger.execute(
      "BEGIN IMMEDIATE;"
      "DELETE FROM entries WHERE transfer IN (SELECT id FROM transfers WHERE state = 'begun');"
      "INSERT INTO entries (transfer, account, amount) "
      "SELECT id, payer, -amount FROM transfers WHERE state = 'begun' UNION ALL "
      "SELECT id, payee, amount FROM transfers WHERE state = 'begun'");
  sqlite::Statement begun(ledger, "SELECT reference FROM transfers WHERE state = 'begun'");
  const Lines audited = AuditLog::lines_of(folder + "/audit.log");
  AuditLog audit(folder);
  while (begun.step()) {
    const std::string line = std::string(begun.text(0)) + " booked";
    if (std::find(audited.begin(), audited.end(), line) == audited.end()) audit.append(line);
  }
  begun.reset();
  ledger.execute("UPDATE transfers SET state = 'done' WHERE state = 'begun'; COMMIT");
}

inline bool has_table(const sqlite::Connection& ledger, const char* name) {
  sqlite::Statement table(ledger, "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?");
  table.bind(1, std::string_view(name));
  return table.step();
}
inline bool has_column(const sqlite::Connection& ledger, const char* name) {
  sqlite::Statement column(ledger, "SELECT 1 FROM pragma_table_info('accounts') WHERE name = ?");
  column.bind(1, std::string_view(name));
  return column.step();
}

// All that the folder holds, through a connection of its own: what was not committed isn't there.
inline Ledger ledger_of(const std::string& folder, const Past& past) {
  const sqlite::Connection reader(folder + "/bank.db");
  Ledger ledger;
  Digest digest;
  const auto of_past = static_cast<std::int64_t>(past.transfers.size());
  sqlite::Statement transfers(
      reader, "SELECT id, reference, payer, payee, amount, day, state FROM transfers ORDER BY id");
  Lines references;
  while (transfers.step()) {
    const std::string reference(transfers.text(1));
    references.push_back(reference);
    if (transfers.text(6) != "done")
      ledger.transfers.push_back({"not done: " + reference});
    else if (transfers.number(0) > of_past)
      ledger.transfers.push_back({reference, transfers.number(2), transfers.number(3),
                                  transfers.number(4), transfers.number(5)});
    if (transfers.number(0) > of_past) continue;
    digest.add(transfers.number(0));
    digest.add(reference);
    for (int column = 2; column < 6; ++column) digest.add(transfers.number(column));
  }
  sqlite::Statement entries(
      reader, "SELECT id, transfer, account, amount FROM entries NOT INDEXED ORDER BY id");
  ledger.balances.resize(kAccounts + 1);
  while (entries.step()) {
    const std::int64_t transfer = entries.number(1), account = entries.number(2);
    ledger.balances.at(static_cast<std::size_t>(account)) += entries.number(3);
    if (transfer > of_past) {
      ledger.entries.push_back(
          {references.at(static_cast<std::size_t>(transfer - 1)), account, entries.number(3)});
      continue;
    }
    for (int column = 0; column < 4; ++column) digest.add(entries.number(column));
  }
  ledger.past = digest.value();
  if (has_column(reader, "balance")) {
    ledger.summaries.resize(1);
    sqlite::Statement accounts(reader, "SELECT balance FROM accounts ORDER BY id");
    while (accounts.step()) ledger.summaries.push_back(accounts.number(0));
  }
  if (has_table(reader, "audit")) {
    sqlite::Statement audit(reader, "SELECT line FROM audit ORDER BY id");
    while (audit.step()) ledger.audit.emplace_back(audit.text(0));
  } else {
    ledger.audit = AuditLog::lines_of(folder + "/audit.log");
  }
  ledger.notices = Mailbox::notices_of(folder + "/mail");
  return ledger;
}

// Hands the notices that wait in the ledger to the mail system, as a program of its own would,
// after the replies. One that is handed over twice, because this was killed, appears once.
inline void send_waiting(const sqlite::Connection& ledger, const Mailbox& mail) {
  sqlite::Statement waiting(ledger, "SELECT id, reference, side, text FROM outbox ORDER BY id");
  std::int64_t last = 0;
  while (waiting.step()) {
    last = waiting.number(0);
    mail.hand_over(std::string(waiting.text(1)), std::string(waiting.text(2)).c_str(),
                   std::string(waiting.text(3)));
  }
  waiting.reset();
  if (last == 0) return;
  sqlite::Statement sent(ledger, "DELETE FROM outbox WHERE id <= ?");
  sent.bind(1, last);
  sent.run();
}

// --- How the program asks its database.

template <class... Values>
Rows rows_of(sqlite::Statement& statement, const Values&... values) {
  int at = 0;
  (statement.bind(++at, values), ...);
  Rows rows;
  const int columns = sqlite3_column_count(statement.get());
  while (statement.step()) {
    rows.emplace_back();
    for (int i = 0; i < columns; ++i)
      rows.back()[static_cast<std::size_t>(i)] = statement.number(i);
  }
  statement.reset();
  return rows;
}

// Each function of the program opens the file for its one query.
class OpenedEach {
 public:
  OpenedEach(std::string path, const char*) : path_(std::move(path)) {}
  template <class... Values>
  Rows ask(const char* sql, const Values&... values) {
    const sqlite::Connection connection(path_);
    sqlite::Statement statement(connection, sql);
    return rows_of(statement, values...);
  }
  sqlite::Connection own() const { return sqlite::Connection(path_); }

 private:
  const std::string path_;
};

// Opened once.
class KeptOpen {
 public:
  KeptOpen(const std::string& path, const char* settings) : connection_(path, settings) {}
  template <class... Values>
  Rows ask(const char* sql, const Values&... values) {
    sqlite::Statement statement(connection_, sql);
    return rows_of(statement, values...);
  }
  void begin() { ask("BEGIN IMMEDIATE"); }
  void commit() { ask("COMMIT"); }
  const sqlite::Connection& own() const { return connection_; }

 private:
  sqlite::Connection connection_;
};

// And each statement is compiled when it is first used.
class Compiled {
 public:
  Compiled(const std::string& path, const char* settings) : connection_(path, settings) {}
  template <class... Values>
  Rows ask(const char* sql, const Values&... values) {
    auto at = statements_.find(sql);
    if (at == statements_.end())
      at = statements_.emplace(sql, sqlite::Statement(connection_, sql)).first;
    return rows_of(at->second, values...);
  }
  void begin() { ask("BEGIN IMMEDIATE"); }
  void commit() { ask("COMMIT"); }
  const sqlite::Connection& own() const { return connection_; }

 private:
  sqlite::Connection connection_;
  std::unordered_map<const char*, sqlite::Statement> statements_;  // by where its text lies
};

// --- The ledger as each variant has it.

struct Schema {
  bool indexes = false;  // of what is asked for
  bool outbox = false;   // audit log and notices are rows of the ledger
  bool summary = false;  // an account's row has its balance, and what was spent today
  bool lean = false;     // without the indexes that only the first variants' queries need
};
inline constexpr Schema kKeysOnly{}, kIndexed{.indexes = true},
    kOutbox{.indexes = true, .outbox = true};
inline constexpr Schema kSummary{.indexes = true, .outbox = true, .summary = true};
inline constexpr Schema kLean{.indexes = true, .outbox = true, .summary = true, .lean = true};

// Makes the ledger of the past such a one.
inline void extend(const sqlite::Connection& ledger, const Schema& schema) {
  if (schema.indexes)
    ledger.execute(
        "CREATE UNIQUE INDEX accounts_iban ON accounts (iban);"
        "CREATE UNIQUE INDEX transfers_reference ON transfers (reference);"
        "CREATE INDEX entries_account ON entries (account);");
  if (schema.indexes && !schema.lean)
    ledger.execute(
        "CREATE INDEX transfers_payer ON transfers (payer);"
        "CREATE INDEX transfers_payee ON transfers (payee);"
        "CREATE INDEX entries_transfer ON entries (transfer);");
  if (schema.outbox)
    ledger.execute(
        "CREATE TABLE audit (id INTEGER PRIMARY KEY, line TEXT NOT NULL);"
        "CREATE TABLE outbox (id INTEGER PRIMARY KEY, reference TEXT NOT NULL, side TEXT NOT NULL, "
        "text TEXT NOT NULL);");
  if (schema.summary) {
    ledger.execute(
        "ALTER TABLE accounts ADD COLUMN balance INTEGER NOT NULL DEFAULT 0;"
        "ALTER TABLE accounts ADD COLUMN spent INTEGER NOT NULL DEFAULT 0;"
        "ALTER TABLE accounts ADD COLUMN spent_day INTEGER NOT NULL DEFAULT 0;"
        "UPDATE accounts SET balance = "
        "(SELECT coalesce(sum(amount), 0) FROM entries WHERE account = accounts.id);");
    sqlite::Statement spent(
        ledger,
        "UPDATE accounts SET spent_day = ?1, spent = (SELECT coalesce(sum(-e.amount), "
        "0) FROM entries e JOIN transfers t ON t.id = e.transfer WHERE e.account = "
        "accounts.id AND t.day = ?1 AND e.amount < 0)");
    spent.bind(1, kToday);
    spent.run();
  }
}

// The program: its ledger, its audit log, its mailbox, and the clients' view of it.
template <class Db, const Schema& kSchema, const char* kSettings = sqlite::kDurable>
class Bank {
  ScratchFolder folder_;
  const std::string path_ = folder_.path() + "/bank.db";

 public:
  explicit Bank(const TransferMoney::Input& in) : past_(in.past) {
    const auto past = sqlite::tables_of<PastFile>(static_cast<std::size_t>(in.per_firm));
    std::filesystem::copy_file(past->file.path(), path_);
    {
      const sqlite::Connection made(path_, "PRAGMA synchronous=OFF");
      extend(made, kSchema);
      if (std::string_view(kSettings) == sqlite::kDurableWal)
        made.execute("PRAGMA journal_mode=WAL");
    }
    recover(folder_.path());
    db = std::make_unique<Db>(path_, kSettings);
  }
  void refill(const Requests& call) {
    put_back();
    requests = call;
    replies_.clear();
    replied_.clear();
  }
  void answer(Lines& out) const {
    send_later();
    Ledger ledger = ledger_of(folder_.path(), *past_);
    ledger.replies = replies_;
    if (replied_.count() != replies_.size()) throw std::runtime_error("a reply was not seen");
    out = lines_of(ledger);
  }
  // Of what a variant leaves for later, the time per request.
  Quantities quantities() const {
    if (sent_ == 0) return {};
    return {{"after_reply", {later_ns_ / sent_, "ns"}}};
  }

  // The client has it.
  void reply(const Reply& to) {
    replies_.push_back(to);
    replied_.add();
  }

  Requests requests;
  std::unique_ptr<Db> db;
  AuditLog audit{folder_.path()};
  Mailbox mail{folder_.path()};

 private:
  // What is left for after the replies.
  void send_later() const {
    if (!kSchema.outbox || replies_.empty()) return;
    const auto start = std::chrono::steady_clock::now();
    send_waiting(db->own(), mail);
    later_ns_ +=
        std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - start).count();
    sent_ += static_cast<double>(replies_.size());
  }
  // The ledger of the past again.
  void put_back() {
    send_later();
    const sqlite::Connection& ledger = db->own();
    // A log that begins anew waits for the disk once more; here, and not in the next call.
    if (std::string_view(kSettings) == sqlite::kDurableWal)
      ledger.execute("PRAGMA wal_checkpoint(RESTART)");
    ledger.execute("BEGIN IMMEDIATE");
    const auto rows = static_cast<std::int64_t>(past_->transfers.size());
    sqlite::Statement transfers(ledger, "DELETE FROM transfers WHERE id > ?");
    transfers.bind(1, rows);
    transfers.run();
    sqlite::Statement entries(ledger, "DELETE FROM entries WHERE id > ?");
    entries.bind(1, 2 * rows);
    entries.run();
    if (kSchema.outbox) ledger.execute("DELETE FROM audit; DELETE FROM outbox");
    if (kSchema.summary) {
      sqlite::Statement account(ledger, "UPDATE accounts SET balance = ?, spent = ? WHERE id = ?");
      for (const Transfer& request : requests) {
        for (const std::int64_t id : {request.payer, request.payee}) {
          const Standing& before = past_->standings[static_cast<std::size_t>(id)];
          account.bind(1, before.balance);
          account.bind(2, before.spent);
          account.bind(3, id);
          account.run();
        }
      }
    }
    ledger.execute("COMMIT");
    audit.clear();
    mail.clear();
  }

  const std::shared_ptr<const Past> past_;
  std::vector<Reply> replies_;
  Replied replied_{folder_.path()};
  mutable double later_ns_ = 0, sent_ = 0;
};

}  // namespace headroom::bank
#endif
