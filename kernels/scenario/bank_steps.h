// The bank's program, as it serves its requests: from a first version on, one fix after the other.
// Both kernels, scenario/bank_transaction and pg_bank_transaction, run these on their database.
//
// A `db` has begin(), commit() and ask(sql, values...): the rows of a statement, of at most three
// columns, all of them numbers. Its parameters are $1, $2 ..., in the order in which the text first
// names them. A `bank` has requests, a db, an audit log, a mailbox and reply(), which is what the
// client waits for.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "scenario/bank.h"

namespace headroom::bank {

using Rows = std::vector<std::array<std::int64_t, 3>>;

// --- The first version.

// The balance and what was spent today, as objects are followed: all transfers of the account, and
// of each of them its entries.
template <class Db>
Standing followed(Db& db, std::int64_t account) {
  Standing now;
  for (const auto& transfer :
       db.ask("SELECT id, day FROM transfers WHERE payer = $1 OR payee = $1", account)) {
    for (const auto& entry :
         db.ask("SELECT account, amount FROM entries WHERE transfer = $1", transfer[0])) {
      if (entry[0] != account) continue;
      now.balance += entry[1];
      if (transfer[1] == kToday && entry[1] < 0) now.spent -= entry[1];
    }
  }
  return now;
}

// What a request that is decided has to do outside of the ledger, one wait for the disk after the
// other: two notices, each of two flushes, and the audit log.
template <class Bank>
void tell(Bank& bank, const Transfer& request, const Reply& reply, std::int64_t payees_balance) {
  if (reply.booked) {
    bank.mail.hand_over(request.reference, "payer", payer_notice(request, reply.balance));
    bank.mail.hand_over(request.reference, "payee", payee_notice(request, payees_balance));
  }
  bank.audit.append(audit_line(request, reply));
  bank.reply(reply);
}

// Written down as one thinks of it: a query for each thing when it is needed, and a commit for each
// change. Since the program may be killed between two of them, a transfer says whether it is only
// begun; recover() finishes it at the next start.
template <class Bank>
void query_by_query(Bank& bank) {
  auto& db = *bank.db;
  for (const Transfer& request : bank.requests) {
    const Rows known = db.ask("SELECT id FROM transfers WHERE reference = $1", request.reference);
    const Rows payer = db.ask("SELECT id FROM accounts WHERE iban = $1", iban_of(request.payer));
    const Rows payee = db.ask("SELECT id FROM accounts WHERE iban = $1", iban_of(request.payee));
    if (!known.empty() || payer.empty() || payee.empty() ||
        !allowed(followed(db, payer[0][0]), request.amount)) {
      tell(bank, request, {}, 0);
      continue;
    }
    const std::int64_t id = db.ask(
        "INSERT INTO transfers (reference, payer, payee, amount, day, state) "
        "VALUES ($1, $2, $3, $4, $5, 'begun') RETURNING id",
        request.reference, payer[0][0], payee[0][0], request.amount, request.day)[0][0];
    constexpr char kEntry[] = "INSERT INTO entries (transfer, account, amount) VALUES ($1, $2, $3)";
    db.ask(kEntry, id, payer[0][0], -request.amount);
    db.ask(kEntry, id, payee[0][0], request.amount);
    db.ask("UPDATE transfers SET state = 'done' WHERE id = $1", id);
    const Reply reply = {true, followed(db, payer[0][0]).balance};
    tell(bank, request, reply, followed(db, payee[0][0]).balance);
  }
}

// --- Fewer queries, and then fewer commits.

// What is known of a request before it is decided.
struct Found {
  std::int64_t payer = 0, payee = 0;  // 0: there is none
  bool known = false;
  Standing standing = {};  // the payer's
  bool good(std::int64_t amount) const {
    return !known && payer != 0 && payee != 0 && allowed(standing, amount);
  }
};
inline constexpr char kFind[] =
    "SELECT coalesce((SELECT id FROM accounts WHERE iban = $1), 0), "
    "coalesce((SELECT id FROM accounts WHERE iban = $2), 0), "
    "(SELECT count(*) FROM transfers WHERE reference = $3)";
inline constexpr char kStanding[] =
    "SELECT coalesce(sum(e.amount), 0), coalesce(sum(CASE WHEN t.day = $1 AND e.amount < 0 THEN "
    "-e.amount END), 0) FROM entries e JOIN transfers t ON t.id = e.transfer WHERE e.account = $2";
inline constexpr char kInsertTransfer[] =
    "INSERT INTO transfers (reference, payer, payee, amount, day, state) "
    "VALUES ($1, $2, $3, $4, $5, $6) RETURNING id";
inline constexpr char kInsertEntries[] =
    "INSERT INTO entries (transfer, account, amount) VALUES ($1, $2, 0 - CAST($3 AS bigint)), "
    "($1, $4, $3)";

template <class Db>
Standing summed(Db& db, std::int64_t account) {
  const auto row = db.ask(kStanding, kToday, account)[0];
  return {row[0], row[1]};
}
template <class Db>
Found find(Db& db, const Transfer& request) {
  const auto row =
      db.ask(kFind, iban_of(request.payer), iban_of(request.payee), request.reference)[0];
  return {row[0], row[1], row[2] != 0, row[0] == 0 ? Standing{} : summed(db, row[0])};
}
// Returns the transfer's id.
template <class Db>
std::int64_t insert(Db& db, const Transfer& request, const Found& found, std::string_view state) {
  const std::int64_t id = db.ask(kInsertTransfer, request.reference, found.payer, found.payee,
                                 request.amount, request.day, state)[0][0];
  db.ask(kInsertEntries, id, found.payer, request.amount, found.payee);
  return id;
}

// The database is asked for what is wanted, not for what that is computed from: all that a decision
// needs in two queries, however long the history; both entries in one statement. What follows from
// what is known, the payer's new balance, is not asked for at all.
template <class Bank>
void with_fewer_queries(Bank& bank) {
  auto& db = *bank.db;
  for (const Transfer& request : bank.requests) {
    const Found found = find(db, request);
    if (!found.good(request.amount)) {
      tell(bank, request, {}, 0);
      continue;
    }
    const std::int64_t id = insert(db, request, found, "begun");
    db.ask("UPDATE transfers SET state = 'done' WHERE id = $1", id);
    tell(bank, request, {true, found.standing.balance - request.amount},
         summed(db, found.payee).balance);
  }
}

// A transfer is one transaction. Nothing is ever begun and not done, and nobody can spend the same
// money meanwhile: what was read still holds when it is written.
template <class Bank>
void in_a_transaction(Bank& bank) {
  auto& db = *bank.db;
  for (const Transfer& request : bank.requests) {
    Reply reply;
    std::int64_t payees_balance = 0;
    db.begin();
    const Found found = find(db, request);
    if (found.good(request.amount)) {
      reply = {true, found.standing.balance - request.amount};
      insert(db, request, found, "done");
      payees_balance = summed(db, found.payee).balance;
    }
    db.commit();
    tell(bank, request, reply, payees_balance);
  }
}

// --- What is told the world is put down in the ledger, by the same commit (a transactional
// outbox), and handed over after the reply.

inline constexpr char kInsertAudit[] = "INSERT INTO audit (line) VALUES ($1)";
inline constexpr char kInsertNotices[] =
    "INSERT INTO outbox (reference, side, text) VALUES ($1, 'payer', $2), ($1, 'payee', $3)";

// Within a transaction: books a request, or refuses it, and notes what is to be told.
struct BookByHistory {
  template <class Db>
  Reply operator()(Db& db, const Transfer& request) const {
    Reply reply;
    const Found found = find(db, request);
    if (found.good(request.amount)) {
      reply = {true, found.standing.balance - request.amount};
      insert(db, request, found, "done");
      db.ask(kInsertNotices, request.reference, payer_notice(request, reply.balance),
             payee_notice(request, summed(db, found.payee).balance));
    }
    db.ask(kInsertAudit, audit_line(request, reply));
    return reply;
  }
};

inline constexpr char kAccount[] =
    "SELECT id, balance, CASE spent_day WHEN $1 THEN spent ELSE 0 END FROM accounts "
    "WHERE iban = $2";
inline constexpr char kTake[] =
    "UPDATE accounts SET balance = $1, spent = $2, spent_day = $3 WHERE id = $4";
inline constexpr char kGive[] = "UPDATE accounts SET balance = $1 WHERE id = $2";

// The same by the balances that stand in the accounts' rows, kept right by each transaction that
// changes them.
struct BookBySummary {
  template <class Db>
  Reply operator()(Db& db, const Transfer& request) const {
    Reply reply;
    const Rows payer = db.ask(kAccount, kToday, iban_of(request.payer));
    const Rows payee = db.ask(kAccount, kToday, iban_of(request.payee));
    if (!payer.empty() && !payee.empty() && allowed({payer[0][1], payer[0][2]}, request.amount) &&
        db.ask("SELECT id FROM transfers WHERE reference = $1", request.reference).empty()) {
      reply = {true, payer[0][1] - request.amount};
      const std::int64_t payees_balance = payee[0][1] + request.amount;
      insert(db, request, {payer[0][0], payee[0][0]}, "done");
      db.ask(kTake, reply.balance, payer[0][2] + request.amount, kToday, payer[0][0]);
      db.ask(kGive, payees_balance, payee[0][0]);
      db.ask(kInsertNotices, request.reference, payer_notice(request, reply.balance),
             payee_notice(request, payees_balance));
    }
    db.ask(kInsertAudit, audit_line(request, reply));
    return reply;
  }
};

template <class Bank, class Book>
void one_by_one(Bank& bank, const Book& book) {
  for (const Transfer& request : bank.requests) {
    bank.db->begin();
    const Reply reply = book(*bank.db, request);
    bank.db->commit();
    bank.reply(reply);
  }
}

// One commit for all requests that wait. Each is decided by itself: one that is refused doesn't
// keep the others from being booked. Nobody has his reply before the disk has them all.
template <class Bank, class Book>
void all_at_once(Bank& bank, const Book& book) {
  std::vector<Reply> replies;
  bank.db->begin();
  for (const Transfer& request : bank.requests) replies.push_back(book(*bank.db, request));
  bank.db->commit();
  for (const Reply& reply : replies) bank.reply(reply);
}

}  // namespace headroom::bank
