// A bank's ledger, requests to transfer money, and what must be in the ledger after them: the
// problem of scenario/bank_transaction (SQLite) and scenario/pg_bank_transaction (PostgreSQL).
//
// A transfer moves an amount from a payer's account to a payee's. It is refused where the payer has
// not so much, or would spend more on one day than the limit. What is booked is a row of
// `transfers` and two rows of `entries`: one takes from the payer, the other gives to the payee.
// The ledger is only ever added to; all its entries together are 0. Each decided request gets a
// line in the audit log, and each booked one a notice to both sides.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/kernel.h"
#include "support/slices.h"

namespace headroom::bank {

inline constexpr std::int64_t kVault = 1;      // the bank's own account, from which deposits come
inline constexpr std::int64_t kPayers = 16;    // accounts 2 to 17: firms, with a long history
inline constexpr std::int64_t kOthers = 2000;  // and people
inline constexpr std::int64_t kAccounts = 1 + kPayers + kOthers;
inline constexpr std::int64_t kAmongOthers = 3000;  // transfers that none of the firms is part of
inline constexpr std::int64_t kDeposit = 1'000'000;
inline constexpr std::int64_t kToday = 20'000;  // days since 1970
inline constexpr std::int64_t kLimit = 500'000;
inline constexpr std::size_t kCarried = 1 << 10;  // requests

// What an account is known by outside of the bank.
inline std::string iban_of(std::int64_t account) {
  char text[32];
  std::snprintf(text, sizeof text, "XX%018lld",
                static_cast<long long>(account * 618'970'019 % 1'000'000'007 * 1'000'003));
  return text;
}

// A row of `transfers`; a request is one that is not there yet.
struct Transfer {
  std::string reference;  // given by the client; no two alike
  std::int64_t payer = 0;
  std::int64_t payee = 0;
  std::int64_t amount = 0;
  std::int64_t day = kToday;
};

// What decides on a request.
struct Standing {
  std::int64_t balance = 0;
  std::int64_t spent = 0;  // today
  friend bool operator==(const Standing&, const Standing&) = default;
};
inline bool allowed(const Standing& payer, std::int64_t amount) {
  return payer.balance >= amount && payer.spent + amount <= kLimit;
}

struct Reply {
  bool booked = false;
  std::int64_t balance = 0;  // the payer's, after it
};

// The texts that leave the bank.
inline std::string audit_line(const Transfer& request, const Reply& reply) {
  return request.reference + (reply.booked ? " booked" : " refused");
}
inline std::string payer_notice(const Transfer& request, std::int64_t balance) {
  return "paid " + std::to_string(request.amount) + " to " + iban_of(request.payee) + ", balance " +
         std::to_string(balance);
}
inline std::string payee_notice(const Transfer& request, std::int64_t balance) {
  return "received " + std::to_string(request.amount) + " from " + iban_of(request.payer) +
         ", balance " + std::to_string(balance);
}

// What the ledger holds before the first request: a deposit for each account, `per_firm` transfers
// of each firm, and some among the others. The row with index i has the id i + 1, and the entries
// 2 i + 1 and 2 i + 2.
class Past {
 public:
  explicit Past(std::int64_t per_firm) : standings(kAccounts + 1) {
    for (std::int64_t account = kVault + 1; account <= kAccounts; ++account)
      add(kVault, account, kDeposit, kToday - 100);
    FastRng rng(2026);
    const auto other = [&] {
      return 2 + kPayers + static_cast<std::int64_t>(bounded(rng, kOthers));
    };
    const auto amount = [&] { return 1 + static_cast<std::int64_t>(bounded(rng, 2000)); };
    // In turn, as time goes by; the last ones are of today.
    for (std::int64_t i = 1; i < per_firm; ++i) {
      const std::int64_t day = kToday - (per_firm - 1 - i) / 2;
      for (std::int64_t firm = 2; firm < 2 + kPayers; ++firm) {
        if (bounded(rng, 3) == 0)
          add(other(), firm, amount(), day);
        else
          add(firm, other(), amount(), day);
      }
    }
    for (std::int64_t i = 0; i < kAmongOthers; ++i) {
      const std::int64_t payer = other(), payee = other();
      if (payer != payee) add(payer, payee, amount(), kToday - 1);
    }
  }

  std::vector<Transfer> transfers;
  std::vector<Standing> standings;  // by account

 private:
  void add(std::int64_t payer, std::int64_t payee, std::int64_t amount, std::int64_t day) {
    transfers.push_back({"past" + std::to_string(transfers.size()), payer, payee, amount, day});
    Standing& from = standings[static_cast<std::size_t>(payer)];
    from.balance -= amount;
    if (day == kToday) from.spent += amount;
    standings[static_cast<std::size_t>(payee)].balance += amount;
  }
};

// The past for so many transfers of each firm; made once.
inline std::shared_ptr<const Past> past_of(std::int64_t per_firm) {
  static std::shared_ptr<const Past> last;
  static std::int64_t of = -1;
  if (last == nullptr || of != per_firm) last = std::make_shared<const Past>(of = per_firm);
  return last;
}

// What a program has after its requests, as lines of text. A digest stands for the past's rows.
struct Ledger {
  std::vector<Reply> replies;
  std::vector<Transfer> transfers;  // the new ones, in the order of their ids
  struct Entry {
    std::string reference;
    std::int64_t account = 0;
    std::int64_t amount = 0;
  };
  std::vector<Entry> entries;           // the new ones, in the order of their ids
  std::vector<std::string> audit;       // in order
  std::vector<std::string> notices;     // sorted
  std::vector<std::int64_t> balances;   // by account, from all entries
  std::vector<std::int64_t> summaries;  // the same, where the program keeps a row for it
  std::uint64_t past = 0;               // a hash of the past's rows, in order
};
using Lines = std::vector<std::string>;

// An order-sensitive hash of numbers.
class Digest {
 public:
  void add(std::int64_t number) {
    hash_ = (hash_ ^ static_cast<std::uint64_t>(number)) * 0x9e3779b97f4a7c15U;
    hash_ ^= hash_ >> 29;
  }
  void add(std::string_view text) {
    for (const char c : text) add(static_cast<std::int64_t>(c));
  }
  std::uint64_t value() const { return hash_; }

 private:
  std::uint64_t hash_ = 0;
};
// Of the past: of each row of `transfers` all but its state, then of each entry its id, transfer,
// account and amount.
inline std::uint64_t digest_of(const Past& past) {
  Digest digest;
  std::int64_t id = 0;
  for (const Transfer& row : past.transfers) {
    digest.add(++id);
    digest.add(row.reference);
    for (const std::int64_t number : {row.payer, row.payee, row.amount, row.day})
      digest.add(number);
  }
  id = 0;
  for (const Transfer& row : past.transfers) {
    for (const std::int64_t number : {2 * id + 1, id + 1, row.payer, -row.amount})
      digest.add(number);
    for (const std::int64_t number : {2 * id + 2, id + 1, row.payee, row.amount})
      digest.add(number);
    ++id;
  }
  return digest.value();
}

inline Lines lines_of(const Ledger& ledger) {
  Lines lines;
  const auto number = [](std::int64_t value) { return std::to_string(value); };
  for (const Reply& reply : ledger.replies)
    lines.push_back(reply.booked ? "booked, balance " + number(reply.balance) : "refused");
  for (const Transfer& row : ledger.transfers)
    lines.push_back("transfer " + row.reference + '|' + number(row.payer) + '|' +
                    number(row.payee) + '|' + number(row.amount) + '|' + number(row.day));
  for (const Ledger::Entry& entry : ledger.entries)
    lines.push_back("entry " + entry.reference + '|' + number(entry.account) + '|' +
                    number(entry.amount));
  lines.insert(lines.end(), ledger.audit.begin(), ledger.audit.end());
  lines.insert(lines.end(), ledger.notices.begin(), ledger.notices.end());
  for (std::size_t account = 1; account < ledger.balances.size(); ++account)
    lines.push_back("account " + std::to_string(account) + '|' + number(ledger.balances[account]) +
                    '|' +
                    (ledger.summaries.empty() ? number(ledger.balances[account])
                                              : number(ledger.summaries.at(account))));
  lines.push_back("past " + std::to_string(ledger.past));
  return lines;
}

// A notice as the ledger lists it.
inline std::string listed(const std::string& reference, const char* to, const std::string& text) {
  return "notice " + reference + '-' + to + ": " + text;
}

// Requests, all of which have come before the call and wait. Before each call the ledger is that of
// the past again.
struct Requests {
  std::span<const Transfer> all;
  const Past* past = nullptr;
  auto begin() const { return all.begin(); }
  auto end() const { return all.end(); }
  std::size_t size() const { return all.size(); }
  const Transfer& operator[](std::size_t i) const { return all[i]; }
};

// What must be there after them.
inline Lines truth(const Requests& requests) {
  Ledger ledger;
  std::vector<Standing> now = requests.past->standings;
  for (const Transfer& request : requests) {
    Standing& payer = now[static_cast<std::size_t>(request.payer)];
    Standing& payee = now[static_cast<std::size_t>(request.payee)];
    Reply reply;
    if (allowed(payer, request.amount)) {
      payer.balance -= request.amount;
      payer.spent += request.amount;
      payee.balance += request.amount;
      reply = {true, payer.balance};
      ledger.transfers.push_back(request);
      ledger.entries.push_back({request.reference, request.payer, -request.amount});
      ledger.entries.push_back({request.reference, request.payee, request.amount});
      ledger.notices.push_back(
          listed(request.reference, "payer", payer_notice(request, payer.balance)));
      ledger.notices.push_back(
          listed(request.reference, "payee", payee_notice(request, payee.balance)));
    }
    ledger.replies.push_back(reply);
    ledger.audit.push_back(audit_line(request, reply));
  }
  std::sort(ledger.notices.begin(), ledger.notices.end());
  for (const Standing& standing : now) ledger.balances.push_back(standing.balance);
  ledger.past = digest_of(*requests.past);
  return lines_of(ledger);
}

// The problem, but for its tables, which the kernels add.
struct TransferMoney {
  using Call = Requests;
  struct Input {
    std::shared_ptr<const Past> past;
    std::vector<Transfer> requests;
    Slices slices;
    std::int64_t per_firm = 0;
    Requests at(std::size_t turn) const { return {slices.of(requests, turn), past.get()}; }
  };
  using Output = Lines;

  static Input make(const Setting& setting, Rng& rng) {
    Input in;
    in.per_firm = setting.params["history"];
    in.past = past_of(in.per_firm);
    in.slices = Slices::covering(kCarried, setting.n);
    in.requests.resize(in.slices.items());
    FastRng fast(rng());
    for (std::size_t i = 0; i < in.requests.size(); ++i) {
      Transfer& request = in.requests[i];
      request.reference = "E2E-" +
                          std::to_string(1'000'000'000'000 + bounded(fast, 1'000'000'000)) +
                          std::to_string(100'000 + i);
      request.payer = 2 + static_cast<std::int64_t>(bounded(fast, kPayers));
      request.payee = 2 + kPayers + static_cast<std::int64_t>(bounded(fast, kOthers));
      request.amount = 1 + static_cast<std::int64_t>(bounded(fast, 5000));
      // One of sixteen is too much: for the account, or for a day.
      if (i % 16 == 7) request.amount = i % 32 == 7 ? 100 * kDeposit : kLimit + 1;
    }
    return in;
  }
  static absl::Status same(const Call& call, const Output& want, const Output& got) {
    const absl::Status right = exact(truth(call), want);
    return right.ok() ? exact(want, got) : right;
  }
};

}  // namespace headroom::bank
