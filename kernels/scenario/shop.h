// A shop on the day of a sale: what is asked of it, what must hold, and the service, whose parts
// can be chosen one by one.
//
// A user asks for an item and is answered: sold, sold out, or turned away. For that the shop asks
// its catalogue for the item's page, takes one from the stock, and has it paid. Three other
// machines do that, so the shop waits for each:
//
//   the catalogue   100 us, and then the page is written
//   the stock        50 us, for `update stock set left = left - 1 where left > 0`
//   the gateway     150 us, for the payment
//
// What must hold of every answer: no more is sold than there was, and all of it where as many
// asked; no item is sold twice; each sale has one receipt, for that user and that item, and nothing
// else has one; each user has the page of the item that was asked for.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "scenario/serving.h"
#include "support/bounded_queue.h"
#include "support/served.h"

namespace headroom::shop {

using serving::microseconds;

constexpr microseconds kCatalogue{100};
constexpr microseconds kStock{50};
constexpr microseconds kGateway{150};
constexpr int kThreads = 16;  // of the shop, one for each request that is worked on
constexpr std::size_t kProducts = 16;
constexpr std::size_t kScarce = 4;  // of these, all gone when the sale is over
constexpr std::size_t kLines = 24;  // of a page

struct Request {
  std::uint32_t user;  // counts in the requests
  std::uint32_t product;
};
// None is a small change of another: one wrong byte is no verdict.
enum Verdict : std::uint64_t {
  kSold = 0x501d'501d'501d'501d,
  kSoldOut = 0x0a0b'0c0d'0e0f'1011,
  kTurnedAway = 0xfeed'face'9bad'1dea
};
constexpr std::uint64_t kNoItem = ~std::uint64_t{0};
struct Reply {
  std::uint64_t verdict;
  std::uint64_t item;     // which of the product's, from 0; kNoItem where nothing was sold
  std::uint64_t page;     // a hash of it and of the user; 0 where the user was turned away
  std::uint64_t receipt;  // of the sale; 0 where nothing was sold
  friend bool operator==(const Reply&, const Reply&) = default;
};

inline std::uint64_t mix(std::uint64_t a, std::uint64_t b) {
  std::uint64_t x = (a ^ b * 0xff51afd7ed558ccd) * 0x9e3779b97f4a7c15;
  x = (x ^ x >> 29) * 0xc4ceb9fe1a85ec53;
  return x ^ x >> 32;
}
// A product's page as it is sent.
inline std::uint64_t write_page(std::uint64_t product, std::uint64_t day) {
  std::string text;
  for (std::size_t line = 0; line < kLines; ++line)
    absl::StrAppend(&text, "item ", product, ": ", mix(product * kLines + line, day), "\n");
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : text) hash = (hash ^ static_cast<std::uint8_t>(c)) * 0x100000001b3;
  return hash;
}
inline std::uint64_t receipt_of(const Request& request, std::uint64_t item) {
  return mix(request.user + (std::uint64_t{request.product} << 32), item) | 1;
}

// What is for sale, and who asks. Of most products there are enough for all; the scarce ones are
// wanted by twice as many users as can have them, where all `users` come.
struct Sale {
  std::vector<Request> requests;
  std::array<std::uint64_t, kProducts> stock = {};
  std::uint64_t day = 0;

  static Sale make(std::size_t users, Rng& rng) {
    Sale sale;
    sale.requests.resize(users);
    for (std::size_t i = 0; i < users; ++i)
      sale.requests[i] = {static_cast<std::uint32_t>(i),
                          static_cast<std::uint32_t>(bounded(rng, kProducts))};
    sale.stock.fill(users);
    for (std::size_t i = 0; i < kScarce; ++i) sale.stock[i] = users / kProducts / 2;
    sale.day = rng();
    return sale;
  }
};

// Whether these answers to the first so many requests of a sale are right.
inline absl::Status right(const Sale& sale, std::span<const Reply> replies) {
  std::array<std::uint64_t, kProducts> pages = {}, served = {}, sold = {};
  std::vector<std::vector<bool>> gone(kProducts);
  for (std::size_t p = 0; p < kProducts; ++p) {
    pages[p] = write_page(p, sale.day);
    gone[p].resize(sale.stock[p]);
  }
  for (std::size_t i = 0; i < replies.size(); ++i) {
    const Request& request = sale.requests[i];
    const Reply& reply = replies[i];
    const std::string at = absl::StrCat("at index ", i, ": ");
    if (reply.verdict == kTurnedAway) {
      if (!(reply == Reply{kTurnedAway, kNoItem, 0, 0}))
        return differ(at, "nothing for a user who was turned away", "something");
      continue;
    }
    if (reply.verdict != kSold && reply.verdict != kSoldOut)
      return differ(at, "a verdict", absl::StrCat(reply.verdict));
    if (reply.page != mix(pages[request.product], request.user))
      return differ(at, "the page of the item asked for", "another");
    ++served[request.product];
    if (reply.verdict == kSoldOut) {
      if (reply.item != kNoItem || reply.receipt != 0)
        return differ(at, "nothing where all is sold", "an item or a receipt");
      continue;
    }
    if (reply.item >= sale.stock[request.product])
      return differ(at, absl::StrCat("an item of ", sale.stock[request.product]),
                    absl::StrCat("item ", reply.item));
    if (gone[request.product][reply.item])
      return differ(at, "an item not sold yet", absl::StrCat("item ", reply.item, " again"));
    gone[request.product][reply.item] = true;
    ++sold[request.product];
    if (reply.receipt != receipt_of(request, reply.item))
      return differ(at, "one receipt for this sale", "another, or none");
  }
  for (std::size_t p = 0; p < kProducts; ++p)
    if (sold[p] != std::min(sale.stock[p], served[p]))
      return differ(absl::StrCat("of product ", p, ": "),
                    absl::StrCat(std::min(sale.stock[p], served[p]), " sold"),
                    absl::StrCat(sold[p]));
  return absl::OkStatus();
}

// How a shop works.
struct Rules {
  bool cache = false;     // pages are kept, and were all there before the sale opened
  std::size_t parts = 1;  // of each product's stock; who sells from one has its lock
  std::size_t queue = 0;  // how many payments wait for a worker; 0: paid in the request
  int workers = 0;        // who have them paid
  std::size_t line = std::numeric_limits<std::size_t>::max();  // who finds so many waiting is
                                                               // turned away
};

template <const Rules& kRules>
class Shop {
 public:
  explicit Shop(const Sale& sale)
      : sale_(sale),
        ledger_(sale.requests.size()),
        intake_(kThreads, kRules.line, [this](const Job& job) { serve(job); }) {
    // Before the first request: neither intake nor workers have anything to do yet.
    for (std::size_t p = 0; p < kProducts; ++p)
      for (std::size_t i = 0; i < kRules.parts; ++i)
        parts_[i].first[p] = parts_[i].next[p] = sale.stock[p] * i / kRules.parts;
    if constexpr (kRules.cache)
      for (std::size_t p = 0; p < kProducts; ++p) pages_[p] = write_page(p, sale.day);
    for (int i = 0; i < kRules.workers; ++i)
      workers_.emplace_back([this] {
        serving::become_server();
        for (Payment payment; payments_.pop(payment);) pay_later(payment);
      });
  }
  ~Shop() {
    payments_.close();
    for (std::thread& worker : workers_) worker.join();
  }
  Shop(const Shop&) = delete;
  Shop& operator=(const Shop&) = delete;

  void post(const Request& request, Reply& reply, Answered answered) {
    if (intake_.post({&request, &reply, answered})) return;
    reply = {kTurnedAway, kNoItem, 0, 0};
    answered(Answer::kShed);
  }
  // Brings the receipts, which may come after the replies.
  void answer(std::vector<Reply>& replies) const {
    wait_for_payments();
    for (std::size_t i = 0; i < replies.size(); ++i) replies[i].receipt = ledger_[i];
  }
  // What was sold; and how long after its sale a receipt is there, where it comes later.
  Quantities quantities() const {
    wait_for_payments();
    Quantities all = {{"sold", {static_cast<double>(sold_), "items"}}};
    if constexpr (kRules.queue != 0) {
      const std::lock_guard lock(lag_mutex_);
      all["receipt_lag_p99"] = {static_cast<double>(lag_.percentile(99)), "ns"};
    }
    return all;
  }

 private:
  using Now = std::chrono::steady_clock;
  struct Job {
    const Request* request;
    Reply* reply;
    Answered answered;
  };
  struct Payment {
    const Request* request = nullptr;
    std::uint64_t item = 0;
    Now::time_point at;
  };
  // A part of the stock: of each product the items from `first` on, up to the next part's.
  struct alignas(64) Part {
    std::mutex lock;
    std::array<std::uint64_t, kProducts> first = {};
    std::array<std::uint64_t, kProducts> next = {};
    std::array<std::atomic<bool>, kProducts> empty = {};
  };

  // One request from its page to its reply.
  void serve(const Job& job) {
    const Request& request = *job.request;
    std::unique_lock shop(shop_, std::defer_lock);
    if constexpr (kRules.parts == 1) shop.lock();
    const std::uint64_t page = kRules.cache ? pages_[request.product] : ask_for_page(request);
    const std::uint64_t item = sell(request);
    if (shop.owns_lock()) shop.unlock();
    if constexpr (kRules.queue != 0)
      if (item != kNoItem) {
        handed_over_.fetch_add(1, std::memory_order_relaxed);
        payments_.push({&request, item, Now::now()});
      }
    *job.reply = {item == kNoItem ? kSoldOut : kSold, item, mix(page, request.user), 0};
    job.answered();
  }
  std::uint64_t ask_for_page(const Request& request) const {
    serving::wait_for_answer(kCatalogue);
    return write_page(request.product, sale_.day);
  }
  // From the user's own part of the stock, or from whichever has one left.
  std::uint64_t sell(const Request& request) {
    for (std::size_t i = 0; i < kRules.parts; ++i) {
      const std::size_t at = (request.user + i) % kRules.parts;
      Part& part = parts_[at];
      // Nothing comes back: once empty, a part need not be asked again. (One whole stock is asked
      // each time, as nobody knows of its end but the database.)
      if (kRules.parts != 1 && part.empty[request.product].load(std::memory_order_relaxed))
        continue;
      const std::lock_guard lock(part.lock);
      serving::wait_for_answer(kStock);
      const std::uint64_t end = sale_.stock[request.product] * (at + 1) / kRules.parts;
      if (part.next[request.product] == end) {
        part.empty[request.product].store(true, std::memory_order_relaxed);
        continue;
      }
      const std::uint64_t item = part.next[request.product]++;
      if constexpr (kRules.queue == 0) pay(request, item);
      return item;
    }
    return kNoItem;
  }
  void pay(const Request& request, std::uint64_t item) {
    serving::wait_for_answer(kGateway);
    // Another receipt for the same request would show.
    ledger_[request.user] += receipt_of(request, item);
    sold_.fetch_add(1, std::memory_order_release);
    sold_.notify_all();
  }
  void pay_later(const Payment& payment) {
    pay(*payment.request, payment.item);
    const auto lag = (Now::now() - payment.at) / std::chrono::nanoseconds(1);
    const std::lock_guard lock(lag_mutex_);
    lag_.record(static_cast<std::uint64_t>(lag));
  }
  void wait_for_payments() const {
    if constexpr (kRules.queue != 0) {
      const std::uint64_t all = handed_over_.load(std::memory_order_relaxed);
      for (std::uint64_t sold = sold_.load(std::memory_order_acquire); sold != all;
           sold = sold_.load(std::memory_order_acquire))
        sold_.wait(sold, std::memory_order_acquire);
    }
  }

  const Sale& sale_;
  std::mutex shop_;
  std::array<std::uint64_t, kProducts> pages_ = {};
  std::array<Part, kRules.parts> parts_;
  std::vector<std::uint64_t> ledger_;  // the receipt of each request
  std::atomic<std::uint64_t> sold_{0};
  std::atomic<std::uint64_t> handed_over_{0};
  mutable std::mutex lag_mutex_;
  LatencyRecorder lag_;
  BoundedQueue<Payment> payments_{kRules.queue == 0 ? 1 : kRules.queue};
  std::vector<std::thread> workers_;
  serving::Intake<Job> intake_;  // the last to be made and the first to go
};

// A user comes; the same for every set of rules.
template <const Rules& kRules>
void buy(Shop<kRules>& shop, const Request& request, Reply& reply, Answered answered) {
  shop.post(request, reply, answered);
}

// The rungs: each is the last one and something more.
constexpr Rules kNaive{};
// The page waits for nobody, and the shop's lock is held for less.
constexpr Rules kCache{.cache = true};
// Eight users are sold to at a time, where they waited for each other's payments.
constexpr Rules kSharded{.cache = true, .parts = 8};
// A reply waits for no payment. But where the queue is full it waits for one place, and a single
// worker pays for fewer users per second than eight parts sell to.
constexpr Rules kQueue{.cache = true, .parts = 8, .queue = 32, .workers = 1};
// So that the queue is never full for long.
constexpr Rules kWorkers{.cache = true, .parts = 8, .queue = 32, .workers = 8};
// Beyond what the shop can do a line grows as long as the sale lasts. Who can't be served soon is
// told at once, and the others are served in time.
constexpr Rules kAdmission{.cache = true, .parts = 8, .queue = 32, .workers = 8, .line = 48};

}  // namespace headroom::shop
