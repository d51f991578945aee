// scenario/bank_transaction and pg_bank_transaction: whatever the program was doing when it was
// killed, what it had answered is in the ledger, and nothing by halves. The crash of the
// PostgreSQL one runs with a server alone: test_servers.py has one.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "catch.h"
#include "core/kernel.h"
#include "killed_call.h"
#include "scenario/bank.h"
#include "scenario/bank_files.h"
#include "scenario/bank_postgres.h"
#include "scenario/bank_sqlite.h"
#include "subset.h"

namespace headroom {
namespace {

constexpr std::int64_t kHistory = 16;

bank::TransferMoney::Input requests(std::size_t n) {
  Rng rng(3);
  Setting setting{.n = n, .params = {{"history", kHistory}}};
  return bank::TransferMoney::make(setting, rng);
}

TEST_CASE("a bank refuses what an account has not, and what is too much for a day") {
  const auto past = bank::past_of(kHistory);
  const auto in = requests(64);
  const bank::Lines lines = bank::truth(in.at(0));
  std::size_t too_poor = 0, too_much = 0, booked = 0;
  for (std::size_t i = 0; i < 64; ++i) {
    const bank::Transfer& request = in.at(0)[i];
    const bool refused = lines[i] == "refused";
    if (request.amount > 50 * bank::kDeposit)
      too_poor += refused ? 1 : 0;
    else if (request.amount > bank::kLimit)
      too_much += refused ? 1 : 0;
    else
      booked += refused ? 0 : 1;
  }
  CHECK(too_poor == 2);
  CHECK(too_much == 2);
  CHECK(booked == 60);
  // Spent today counts, also what was spent before the first request.
  bank::Standing firm = past->standings[2];
  CHECK(firm.spent > 0);
  CHECK(bank::allowed(firm, bank::kLimit - firm.spent));
  CHECK_FALSE(bank::allowed(firm, bank::kLimit - firm.spent + 1));
  firm.balance = 99;
  CHECK(bank::allowed(firm, 99));
  CHECK_FALSE(bank::allowed(firm, 100));
}

TEST_CASE("money comes from nowhere and goes nowhere in a bank's past") {
  const auto past = bank::past_of(kHistory);
  std::int64_t all = 0;
  for (const bank::Standing& standing : past->standings) all += standing.balance;
  CHECK(all == 0);
  for (std::size_t account = 2; account < past->standings.size(); ++account)
    CHECK(past->standings[account].balance > 0);
}

#if HEADROOM_HAVE_SQLITE || HEADROOM_HAVE_LIBPQ

template <class Items>
bool begins_with(const Items& whole, const Items& part) {
  return part.size() <= whole.size() && std::equal(part.begin(), part.end(), whole.begin());
}
std::vector<std::string> texts(const std::vector<bank::Transfer>& transfers) {
  std::vector<std::string> all;
  for (const bank::Transfer& row : transfers)
    all.push_back(row.reference + '|' + std::to_string(row.payer) + '|' +
                  std::to_string(row.payee) + '|' + std::to_string(row.amount));
  return all;
}
std::vector<std::string> texts(const std::vector<bank::Ledger::Entry>& entries) {
  std::vector<std::string> all;
  for (const bank::Ledger::Entry& row : entries)
    all.push_back(row.reference + '|' + std::to_string(row.account) + '|' +
                  std::to_string(row.amount));
  return all;
}

// What is there after a kill and a new start, against what is there after the whole call.
void check_left(const bank::Ledger& whole, const bank::Ledger& left, std::size_t replied,
                bool returned) {
  const bank::Past& past = *bank::past_of(kHistory);
  CHECK(left.past == digest_of(past));
  CHECK(begins_with(texts(whole.transfers), texts(left.transfers)));
  CHECK(begins_with(texts(whole.entries), texts(left.entries)));
  CHECK(left.entries.size() == 2 * left.transfers.size());
  CHECK(begins_with(whole.audit, left.audit));
  std::vector<std::int64_t> balances;
  for (const bank::Standing& standing : past.standings) balances.push_back(standing.balance);
  for (const bank::Transfer& row : left.transfers) {
    balances[static_cast<std::size_t>(row.payer)] -= row.amount;
    balances[static_cast<std::size_t>(row.payee)] += row.amount;
  }
  CHECK(left.balances == balances);
  if (!left.summaries.empty()) CHECK(left.summaries == balances);
  // What was answered is there.
  REQUIRE(replied <= whole.audit.size());
  REQUIRE(left.audit.size() >= replied);
  std::vector<std::string> booked, notices;
  for (std::size_t i = 0; i < replied; ++i)
    if (whole.audit[i].ends_with(" booked"))
      booked.push_back(whole.audit[i].substr(0, whole.audit[i].find(' ')));
  CHECK(left.transfers.size() >= booked.size());
  for (const std::string& notice : whole.notices)
    for (const std::string& reference : booked)
      if (notice.find(reference) != std::string::npos) notices.push_back(notice);
  CHECK(notices.size() == 2 * booked.size());
  CHECK(std::includes(left.notices.begin(), left.notices.end(), notices.begin(), notices.end()));
  CHECK(std::includes(whole.notices.begin(), whole.notices.end(), left.notices.begin(),
                      left.notices.end()));
  if (returned) {
    CHECK(replied == whole.audit.size());
    CHECK(left.transfers.size() == whole.transfers.size());
    CHECK(left.notices == whole.notices);
  }
}

std::string folder_with(const std::string& below, const std::string& name) {
  for (const auto& entry : std::filesystem::recursive_directory_iterator(below))
    if (entry.path().filename() == name) return entry.path().parent_path().string();
  FAIL("no " + name);
  return {};
}

// Kills at any moment, how many requests the program had answered, and what it left: left(folder),
// after a new start.
template <class Left>
void kill_bank(const Kernel& kernel, int times, const Left& left) {
  constexpr std::size_t kRequests = 9;  // the eighth is refused
  bank::Ledger whole;
  for (std::size_t v = 0; v < kernel.variants.size(); ++v) {
    if (!kernel.variants[v].available()) continue;
    INFO(kernel.variants[v].name);
    const bool slow = kernel.variants[v].max_n < kRequests;
    const std::size_t n = slow ? kernel.variants[v].max_n : kRequests;
    kill_often(
        kernel, v, {.n = n, .seed = 3, .params = {{"history", kHistory}}}, 1,
        [&](const std::string& below, const Killed& killed) {
          const std::string folder = folder_with(below, "replied");
          const std::size_t replied = bank::Replied(folder).count();
          const bank::Ledger now = left(folder);
          if (killed.returned && whole.audit.size() != n) whole = now;
          REQUIRE(whole.audit.size() == n);
          check_left(whole, now, replied, killed.returned);
          return replied;
        },
        times);
  }
}

#endif

#if HEADROOM_HAVE_SQLITE

TEST_CASE("a bank that is killed has booked what it answered, wholly and in order (SQLite)") {
  const Kernel* const kernel = built_kernel("scenario/bank_transaction");
  if (kernel == nullptr) return;
  kill_bank(*kernel, tries(3, 8), [](const std::string& folder) {
    bank::recover(folder);
    const sqlite::Connection ledger(folder + "/bank.db");
    sqlite::Statement check(ledger, "PRAGMA integrity_check");
    REQUIRE(check.step());
    CHECK(check.text(0) == "ok");
    check.reset();
    bank::Mailbox mail(folder);
    if (bank::has_table(ledger, "outbox")) bank::send_waiting(ledger, mail);
    return bank::ledger_of(folder, *bank::past_of(kHistory));
  });
}

TEST_CASE("a transfer that was only begun is finished at the next start, once (SQLite)") {
  const ScratchFolder scratch;
  const std::string& folder = scratch.path();
  const auto past = bank::past_of(kHistory);
  const std::int64_t rows = static_cast<std::int64_t>(past->transfers.size());
  const auto made = sqlite::tables_of<bank::PastFile>(static_cast<std::size_t>(kHistory));
  bank::Mailbox mail(folder);
  for (int entries = 0; entries <= 2; ++entries) {
    INFO(entries << " entries");
    std::filesystem::copy_file(made->file.path(), folder + "/bank.db",
                               std::filesystem::copy_options::overwrite_existing);
    bank::AuditLog audit(folder);
    audit.clear();
    if (entries == 2) audit.append("REF booked");
    {
      const sqlite::Connection ledger(folder + "/bank.db");
      ledger.execute("INSERT INTO transfers VALUES (NULL, 'REF', 2, 100, 55, 20000, 'begun')");
      const std::string id = std::to_string(rows + 1);
      if (entries > 0)
        ledger.execute(("INSERT INTO entries VALUES (NULL, " + id + ", 2, -55)").c_str());
      if (entries > 1)
        ledger.execute(("INSERT INTO entries VALUES (NULL, " + id + ", 100, 55)").c_str());
    }
    CHECK(bank::ledger_of(folder, *past).transfers.at(0).reference == "not done: REF");
    for (int starts = 0; starts < 2; ++starts) {
      bank::recover(folder);
      const bank::Ledger ledger = bank::ledger_of(folder, *past);
      CHECK(texts(ledger.transfers) == std::vector<std::string>{"REF|2|100|55"});
      CHECK(texts(ledger.entries) == std::vector<std::string>{"REF|2|-55", "REF|100|55"});
      CHECK(ledger.audit == bank::Lines{"REF booked"});
      CHECK(ledger.balances[2] == past->standings[2].balance - 55);
      CHECK(ledger.balances[100] == past->standings[100].balance + 55);
      CHECK(ledger.past == digest_of(*past));
    }
  }
}

TEST_CASE("a row of a bank's past that is changed, lost or moved is seen") {
  const ScratchFolder scratch;
  const std::string& folder = scratch.path();
  const auto past = bank::past_of(kHistory);
  const auto made = sqlite::tables_of<bank::PastFile>(static_cast<std::size_t>(kHistory));
  const bank::Mailbox mail(folder);
  const std::string path = folder + "/bank.db";
  for (const char* sql :
       {"", "UPDATE entries SET amount = amount + 1 WHERE id = 77",
        "UPDATE entries SET account = account + 1 WHERE id = 77",
        "DELETE FROM entries WHERE id = 9", "UPDATE transfers SET reference = 'past' WHERE id = 5",
        "DELETE FROM transfers WHERE id = 3", "UPDATE transfers SET day = day - 1 WHERE id = 8",
        "UPDATE transfers SET payee = payer WHERE id = 8"}) {
    INFO(sql);
    std::filesystem::copy_file(made->file.path(), path,
                               std::filesystem::copy_options::overwrite_existing);
    sqlite::Connection(path).execute(sql);
    const bool same = bank::ledger_of(folder, *past).past == digest_of(*past);
    CHECK(same == (*sql == '\0'));
  }
}

#endif

#if HEADROOM_HAVE_LIBPQ

TEST_CASE("a bank that is killed has booked what it answered, wholly and in order (PostgreSQL)",
          "[postgresql]") {
  const Kernel* const kernel = built_kernel("scenario/pg_bank_transaction");
  if (kernel == nullptr || !postgres_answers()) return;
  // The past's tables are this process's, which removes them.
  const auto past = bank::pg_past_of(kHistory);
  kill_bank(*kernel, 2, [](const std::string& folder) {
    bank::PgNames tables;
    std::ifstream in(folder + "/tables");
    for (std::string& name : tables.names) in >> name;
    REQUIRE(in);
    Postgres server;
    // The killed program's server processes may be at work yet.
    server.execute(tables
                       .sql("LOCK TABLE accounts, transfers, entries, audit, outbox"
                            " IN EXCLUSIVE MODE")
                       .insert(0, "BEGIN; ") +
                   "; COMMIT");
    bank::recover(tables, folder);
    bank::Mailbox mail(folder);
    bank::send_waiting(server, tables, mail);
    const bool outbox = row_of(server.execute(tables.sql("SELECT count(*) FROM audit")), 0) != "0";
    const bank::Past& before = *bank::past_of(kHistory);
    const bank::Ledger ledger = bank::ledger_of(tables, folder, before, outbox, false);
    server.execute(
        tables.sql("DROP FUNCTION book; DROP TABLE accounts, transfers, entries, audit, "
                   "outbox"));
    return ledger;
  });
}

#endif

}  // namespace
}  // namespace headroom
