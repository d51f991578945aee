// The shop of shop.h in simulated time: for more users per second than a machine can send.
//
// Requests, threads, locks, the queue and its workers are as in shop.h, all of them first come,
// first served. What a thread waits for takes as long as shop.h says and `late` longer, which is by
// how much a sleep ends after its time; and it has a core whenever it wants one: nothing else takes
// any time. So a simulated shop is one with as many cores as it needs.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "scenario/shop.h"
#include "support/simulator.h"

namespace headroom::shop {

inline constexpr std::uint64_t kAway = kNoItem - 1;  // what a user has who was turned away
// By how much sleeps of a few hundred microseconds end after their time on a virtual machine.
inline constexpr SimTime kLate = 50'000;

// What becomes of each request, in the order in which they come. Who is turned away has the time of
// arrival in all four.
struct Outcome {
  Buffer<SimTime> begun;       // when a thread took it
  Buffer<SimTime> locked;      // when it had the last lock that it needed, or `begun`
  Buffer<SimTime> answered;    // when it had its reply
  Buffer<SimTime> paid;        // when a worker took its payment, or `answered`
  Buffer<std::uint64_t> item;  // kNoItem: sold out; kAway: turned away

  Outcome() = default;
  explicit Outcome(std::size_t users)
      : begun(users), locked(users), answered(users), paid(users), item(users) {}
  void poison() {
    headroom::poison(begun), headroom::poison(locked), headroom::poison(answered);
    headroom::poison(paid), headroom::poison(item);
  }
  bool spoil(Spoil how) { return spoil_parts(how, answered, item, begun, locked, paid); }
};

inline SimTime nanoseconds(microseconds time) {
  return static_cast<SimTime>(time / std::chrono::nanoseconds(1));
}
// How long a request has its lock.
inline SimTime held(const Rules& rules, SimTime late, bool sold) {
  SimTime all = nanoseconds(kStock) + late;
  if (!rules.cache) all += nanoseconds(kCatalogue) + late;
  if (sold && rules.queue == 0) all += nanoseconds(kGateway) + late;
  return all;
}
// Which part of the stock an item is from.
inline std::size_t part_of_item(const Rules& rules, std::uint64_t stock, std::uint64_t item) {
  std::size_t part = 0;
  while (item >= stock * (part + 1) / rules.parts) ++part;
  return part;
}

// One sale, from the first user to the last payment.
class SimulatedShop {
 public:
  SimulatedShop(const Rules& rules, SimTime late, const Sale& sale,
                std::span<const std::uint64_t> arrivals, Outcome& out)
      : rules_(rules),
        late_(late),
        sale_(sale),
        arrivals_(arrivals),
        out_(out),
        locks_(rules.parts),
        next_(rules.parts),
        empty_(rules.parts * kProducts),
        visited_(arrivals.size()) {
    for (std::size_t part = 0; part < rules.parts; ++part)
      for (std::size_t p = 0; p < kProducts; ++p)
        next_[part][p] = sale.stock[p] * part / rules.parts;
  }
  void run() {
    if (!arrivals_.empty()) events_.at(arrivals_[0], {kArrives, 0});
    while (!events_.empty()) {
      const Event event = events_.next();
      if (event.kind == kArrives) arrives(event.user);
      if (event.kind == kAsked) asked(event.user);
      if (event.kind == kPaid) paid(event.user);
      if (event.kind == kPaidLater) paid_later();
    }
  }

 private:
  enum Kind : std::uint32_t { kArrives, kAsked, kPaid, kPaidLater };
  struct Event {
    Kind kind;
    std::uint32_t user;
  };
  struct Lock {
    bool taken = false;
    std::deque<std::uint32_t> waiting;
  };

  void arrives(std::uint32_t user) {
    if (user + 1 < arrivals_.size()) events_.at(arrivals_[user + 1], {kArrives, user + 1});
    if (busy_ < kThreads) {
      ++busy_;
      begin(user);
    } else if (line_.size() < rules_.line) {
      line_.push_back(user);
    } else {
      out_.begun[user] = out_.locked[user] = out_.answered[user] = out_.paid[user] = events_.now();
      out_.item[user] = kAway;
    }
  }
  void begin(std::uint32_t user) {
    out_.begun[user] = out_.locked[user] = events_.now();
    go_on(user);
  }
  // To the user's own part, and from there to the next ones, but for those known to be empty.
  void go_on(std::uint32_t user) {
    if (rules_.parts != 1)
      while (visited_[user] < rules_.parts && empty_[place(user)]) ++visited_[user];
    if (visited_[user] == rules_.parts) {
      out_.item[user] = kNoItem;
      reply(user);
      return;
    }
    Lock& lock = locks_[part(user)];
    if (lock.taken)
      lock.waiting.push_back(user);
    else
      has_lock(lock, user);
  }
  void has_lock(Lock& lock, std::uint32_t user) {
    lock.taken = true;
    out_.locked[user] = events_.now();
    events_.after(held(rules_, late_, false), {kAsked, user});
  }
  void leaves_lock(std::uint32_t user) {
    Lock& lock = locks_[part(user)];
    lock.taken = false;
    if (lock.waiting.empty()) return;
    const std::uint32_t next = lock.waiting.front();
    lock.waiting.pop_front();
    has_lock(lock, next);
  }
  // The stock has answered.
  void asked(std::uint32_t user) {
    const std::uint32_t product = sale_.requests[user].product;
    std::uint64_t& next = next_[part(user)][product];
    if (next == sale_.stock[product] * (part(user) + 1) / rules_.parts) {
      empty_[place(user)] = true;
      leaves_lock(user);
      ++visited_[user];
      go_on(user);
      return;
    }
    out_.item[user] = next++;
    if (rules_.queue == 0) {
      events_.after(nanoseconds(kGateway) + late_, {kPaid, user});
      return;
    }
    leaves_lock(user);
    if (queue_.size() == rules_.queue) {
      held_up_.push_back(user);
      return;
    }
    queue_.push_back(user);
    reply(user);
    take_payment();
  }
  void paid(std::uint32_t user) {
    leaves_lock(user);
    reply(user);
  }
  void paid_later() {
    --paying_;
    take_payment();
  }
  // Where a worker is free, and somebody has to pay.
  void take_payment() {
    if (paying_ == rules_.workers || queue_.empty()) return;
    ++paying_;
    const std::uint32_t payer = queue_.front();
    queue_.pop_front();
    out_.paid[payer] = events_.now();
    events_.after(nanoseconds(kGateway) + late_, {kPaidLater, payer});
    if (held_up_.empty()) return;
    const std::uint32_t next = held_up_.front();
    held_up_.pop_front();
    queue_.push_back(next);
    reply(next);
  }
  void reply(std::uint32_t user) {
    out_.answered[user] = out_.paid[user] = events_.now();
    if (line_.empty()) {
      --busy_;
      return;
    }
    const std::uint32_t next = line_.front();
    line_.pop_front();
    begin(next);
  }
  std::size_t part(std::uint32_t user) const { return (user + visited_[user]) % rules_.parts; }
  std::size_t place(std::uint32_t user) const {
    return part(user) * kProducts + sale_.requests[user].product;
  }

  const Rules& rules_;
  const SimTime late_;
  const Sale& sale_;
  const std::span<const std::uint64_t> arrivals_;
  Outcome& out_;
  EventQueue<Event> events_{64};
  int busy_ = 0;                    // threads
  std::deque<std::uint32_t> line_;  // users for whom there is no thread
  std::vector<Lock> locks_;
  std::vector<std::array<std::uint64_t, kProducts>> next_;  // items, by part
  std::vector<bool> empty_;                                 // what is known to be
  std::vector<std::uint32_t> visited_;                      // parts, by user
  int paying_ = 0;                                          // workers
  std::deque<std::uint32_t> queue_;                         // payments
  std::deque<std::uint32_t> held_up_;                       // users whose payment finds no room
};

inline void simulate(const Rules& rules, SimTime late, const Sale& sale,
                     std::span<const std::uint64_t> arrivals, Outcome& out) {
  SimulatedShop(rules, late, sale, arrivals, out).run();
}

// Whether an outcome is one of a shop with these rules. Knows no events: it looks at the times.
inline absl::Status possible(const Rules& rules, SimTime late, const Sale& sale,
                             std::span<const std::uint64_t> arrivals, const Outcome& out) {
  const std::size_t users = arrivals.size();
  for (const std::size_t size :
       {out.begun.size(), out.locked.size(), out.answered.size(), out.paid.size(), out.item.size()})
    if (size != users) return differ("length: ", std::to_string(users), std::to_string(size));
  std::vector<Reply> replies(users);
  std::vector<SimTime> begun, answered, payments;
  std::vector<std::vector<std::pair<SimTime, SimTime>>> locks(rules.parts);
  for (std::size_t i = 0; i < users; ++i) {
    const std::string at = absl::StrCat("at index ", i, ": ");
    const Request& request = sale.requests[i];
    const bool sold = out.item[i] != kNoItem && out.item[i] != kAway;
    if (out.item[i] == kAway) {
      replies[i] = {kTurnedAway, kNoItem, 0, 0};
      for (const Buffer<SimTime>* times : {&out.begun, &out.locked, &out.answered, &out.paid})
        if ((*times)[i] != arrivals[i])
          return differ(at, "turned away at once", "another time than that of arrival");
      // Of those before, who has not begun waits.
      const auto still = begun.end() - std::lower_bound(begun.begin(), begun.end(), arrivals[i]);
      if (static_cast<std::size_t>(still) < rules.line)
        return differ(at, "a place in the line", "turned away");
      continue;
    }
    const std::uint64_t page = mix(write_page(request.product, sale.day), request.user);
    replies[i] = sold ? Reply{kSold, out.item[i], page, receipt_of(request, out.item[i])}
                      : Reply{kSoldOut, kNoItem, page, 0};
    if (out.begun[i] < arrivals[i] || (!begun.empty() && out.begun[i] < begun.back()))
      return differ(at, "begun in turn", "too early");
    begun.push_back(out.begun[i]);
    answered.push_back(out.answered[i]);
    if (out.locked[i] < out.begun[i]) return differ(at, "a lock after it began", "before");
    const SimTime left = out.locked[i] + held(rules, late, sold);
    const bool never_asked = !sold && out.answered[i] == out.locked[i];
    if (never_asked ? rules.parts == 1 || out.locked[i] != out.begun[i]
                    : out.answered[i] < left || (out.answered[i] != left && rules.queue == 0) ||
                          (out.answered[i] != left && !sold))
      return differ(at, "an answer at " + std::to_string(left), std::to_string(out.answered[i]));
    if (sold && out.item[i] < sale.stock[request.product])
      locks[part_of_item(rules, sale.stock[request.product], out.item[i])].emplace_back(
          out.locked[i], left);
    if (sold && rules.queue != 0) {
      if (out.paid[i] < out.answered[i]) return differ(at, "a payment after the answer", "before");
      payments.push_back(out.paid[i]);
    } else if (out.paid[i] != out.answered[i]) {
      return differ(at, "paid with the answer", "at another time");
    }
  }
  if (absl::Status status = right(sale, replies); !status.ok()) return status;
  for (auto& part : locks) {
    std::sort(part.begin(), part.end());
    for (std::size_t i = 1; i < part.size(); ++i)
      if (part[i].first < part[i - 1].second) return differ("locks: ", "one user at a time", "two");
  }
  // Nobody begins but at once, or when a thread has answered somebody; the n-th after the first 16
  // not before n have been answered.
  std::sort(answered.begin(), answered.end());
  for (std::size_t i = 0, served = 0; i < users; ++i) {
    if (out.item[i] == kAway) continue;
    if (served >= kThreads && begun[served] < answered[served - kThreads])
      return differ(absl::StrCat("at index ", i, ": "), "a free thread", "none");
    if (begun[served] != arrivals[i] &&
        !std::binary_search(answered.begin(), answered.end(), begun[served]))
      return differ(absl::StrCat("at index ", i, ": "), "begun when a thread was free", "later");
    ++served;
  }
  // The same of the workers.
  std::sort(payments.begin(), payments.end());
  const SimTime takes = nanoseconds(kGateway) + late;
  const auto workers = static_cast<std::size_t>(rules.workers);
  for (std::size_t i = workers; i < payments.size(); ++i)
    if (payments[i] < payments[i - workers] + takes)
      return differ("payments: ", absl::StrCat(workers, " at a time"), "more");
  // Who had to wait for room had it when a worker took a payment.
  for (std::size_t i = 0; i < users; ++i) {
    if (out.item[i] == kNoItem || out.item[i] == kAway || rules.queue == 0) continue;
    const SimTime left = out.locked[i] + held(rules, late, true);
    if (out.answered[i] != left &&
        !std::binary_search(payments.begin(), payments.end(), out.answered[i]))
      return differ(absl::StrCat("at index ", i, ": "), "an answer when there was room", "another");
  }
  return absl::OkStatus();
}

// The largest share of the time in which one of the shop's parts that users wait for would have to
// work, were all of them served: above 1 it can't keep up.
inline double utilisation(const Rules& rules, SimTime late, const Sale& sale, double per_second) {
  const double each = static_cast<double>(sale.requests.size()) / kProducts;  // users per product
  double sold = 0;
  for (const std::uint64_t stock : sale.stock)
    sold += each == 0 ? 0 : std::min(1.0, static_cast<double>(stock) / each) / kProducts;
  const double locks =
      static_cast<double>(held(rules, late, true)) / static_cast<double>(rules.parts);
  const double gateway =
      rules.workers == 0 ? 0
                         : sold * static_cast<double>(nanoseconds(kGateway) + late) / rules.workers;
  return per_second * 1e-9 * std::max(locks, gateway);
}

}  // namespace headroom::shop
