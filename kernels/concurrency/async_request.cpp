// concurrency/async_request: payments that are answered at once, with receipts that take longer.
//
// n payments arrive as from many independent users, 570 per second (open loop, Poisson), and one
// thread answers them: it checks the signature of the request, which takes it some 220 us, and
// moves the money. Each payment also needs a receipt, the account's statement with its last
// payments, which goes to a mail gateway: that is another service, and answers 1.1 ms later.
// Out: all replies with status and balance, and the hash of every receipt, in order. The measure is
// p99, the latency that one request in a hundred exceeds.
//
// Where the receipt is part of the request, users also wait for the receipts of the users before
// them: by the Pollaczek-Khinchine formula the wait in line grows with the service time and with
// utilization / (1 - utilization), and the slow part makes up most of both. (Times are long enough
// for a virtual machine: its timers and wake-ups must stay small beside the fastest answer.)
// Kleinrock, "Queueing Systems", volume 1, chapter 5 (1975).
#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <optional>
#include <thread>

#include "absl/strings/str_cat.h"
#include "core/cpu.h"
#include "support/bounded_queue.h"
#include "support/served.h"

namespace headroom {
namespace {

constexpr std::size_t kAccounts = 64;
constexpr std::size_t kLines = 64;  // of a statement
constexpr double kPerSecond = 570;
constexpr std::chrono::microseconds kGateway{1100};  // until it answers, to however many receipts
constexpr int kStretch = 48;                         // a signature is dear to forge, and to check

std::uint64_t fnv1a(const void* bytes, std::size_t size) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (std::size_t i = 0; i < size; ++i)
    hash = (hash ^ static_cast<const unsigned char*>(bytes)[i]) * 0x100000001b3;
  return hash;
}

std::uint64_t sign(std::span<const unsigned char> body) {
  std::uint64_t signature = 0;
  for (int i = 0; i < kStretch; ++i)
    signature = (signature ^ fnv1a(body.data(), body.size())) * 0x9e3779b97f4a7c15;
  return signature;
}

struct AsyncRequest {
  struct Request {
    std::uint32_t number = 0;
    std::uint32_t from = 0;
    std::uint32_t to = 0;
    std::int64_t amount = 0;
    std::array<unsigned char, 4096> body = {};
    std::uint64_t signature = 0;
  };
  enum Status : std::uint64_t { kPaid, kForged, kNoFunds };
  struct Reply {
    std::uint64_t status;
    std::int64_t balance;   // of the payer, afterwards
    std::uint64_t receipt;  // its hash; 0 where nothing was paid
    friend bool operator==(const Reply&, const Reply&) = default;
  };
  struct Input {
    std::vector<Request> requests;
    Arrivals arrivals;
  };
  using Output = std::vector<Reply>;

  static Input make(const Setting& setting, Rng& rng) {
    FastRng fast(rng());
    Input in;
    in.requests.resize(setting.n);
    std::uint32_t number = 0;
    for (Request& request : in.requests) {
      request.number = number++;
      request.from = static_cast<std::uint32_t>(bounded(fast, kAccounts));
      request.to = static_cast<std::uint32_t>(bounded(fast, kAccounts));
      request.amount = 1 + static_cast<std::int64_t>(bounded(fast, 1000));
      for (unsigned char& byte : request.body) byte = static_cast<unsigned char>(fast() >> 56);
      request.signature = sign(request.body);
      if (bounded(fast, 16) == 0) request.signature ^= 1;
    }
    in.arrivals = poisson_arrivals(setting.n, kPerSecond, fast());
    return in;
  }
  // The generator sleeps until shortly before each request is due. One that spins all the time uses
  // up its share of the core, and then waits for whatever else the system has to do there.
  static LoadPlan plan(const Input& in, const Setting&) { return {.arrivals = in.arrivals}; }
  static absl::Status same(const Input&, const Output& want, const Output& got) {
    return exact(want, got);
  }
};

struct Payment {
  std::uint32_t number = 0;
  std::uint32_t account = 0;
  std::int64_t amount = 0;
  std::int64_t balance = 0;
};

// The fast part.
class Ledger {
 public:
  Ledger() { balances_.fill(4000); }
  // Nothing where the request is forged, or the payer hasn't got as much.
  std::optional<Payment> pay(const AsyncRequest::Request& request, AsyncRequest::Reply& reply) {
    std::int64_t& payer = balances_[request.from];
    const bool genuine = sign(request.body) == request.signature;
    reply.status = !genuine                 ? AsyncRequest::kForged
                   : payer < request.amount ? AsyncRequest::kNoFunds
                                            : AsyncRequest::kPaid;
    if (reply.status == AsyncRequest::kPaid) {
      payer -= request.amount;
      balances_[request.to] += request.amount;
    }
    reply.balance = payer;
    if (reply.status != AsyncRequest::kPaid) return std::nullopt;
    return Payment{request.number, request.from, request.amount, reply.balance};
  }

 private:
  std::array<std::int64_t, kAccounts> balances_;
};

// The slow part. Used by one thread at a time.
class Receipts {
 public:
  // All accounts have had payments before.
  explicit Receipts(std::size_t requests) : hashes_(requests), statements_(kAccounts) {
    FastRng rng(1);
    std::uint32_t number = 1'000'000;
    for (Statement& statement : statements_)
      for (Payment& line : statement.lines)
        line = {.number = number++,
                .amount = 1 + static_cast<std::int64_t>(bounded(rng, 1000)),
                .balance = static_cast<std::int64_t>(bounded(rng, 100'000))};
  }
  // Enters the payment into the account's statement and writes that out, a line for each of the
  // last payments: the receipt.
  void write(const Payment& payment) {
    Statement& statement = statements_[payment.account];
    statement.lines[statement.next] = payment;
    statement.next = (statement.next + 1) % kLines;
    text_.clear();
    for (std::size_t i = 0; i < kLines; ++i) {
      const Payment& line = statement.lines[(statement.next + i) % kLines];
      absl::StrAppend(&text_, line.number, " ", line.amount, " ", line.balance, "\n");
    }
    hashes_[payment.number] = fnv1a(text_.data(), text_.size());
  }
  // Hands what was written to the gateway. The thread waits for its answer.
  void send() { std::this_thread::sleep_for(kGateway); }
  void answer(AsyncRequest::Output& out) const {
    for (std::size_t i = 0; i < out.size(); ++i) out[i].receipt = hashes_[i];
  }

 private:
  struct Statement {
    std::array<Payment, kLines> lines = {};
    std::size_t next = 0;
  };
  std::vector<std::uint64_t> hashes_;
  std::vector<Statement> statements_;
  std::string text_;
};

struct InRequest {
  explicit InRequest(const AsyncRequest::Input& in) : receipts(in.requests.size()) {}
  void answer(AsyncRequest::Output& out) const { receipts.answer(out); }
  Ledger ledger;
  Receipts receipts;
};

void naive(InRequest& bank, const AsyncRequest::Request& request, AsyncRequest::Reply& reply) {
  if (const std::optional<Payment> payment = bank.ledger.pay(request, reply)) {
    bank.receipts.write(*payment);
    bank.receipts.send();
  }
}

// What the worker takes from the queue, and sends in one go.
enum class Takes { kOne, kAll };

// A bank whose receipts are written by a worker on the next core. With the queue full, payments
// wait.
template <Takes kTakes>
class HandedOver {
 public:
  explicit HandedOver(const AsyncRequest::Input& in)
      : receipts_(in.requests.size()), worker_([this] { work(); }) {}
  ~HandedOver() {
    queue_.close();
    worker_.join();
  }
  void pay(const AsyncRequest::Request& request, AsyncRequest::Reply& reply) {
    if (const std::optional<Payment> payment = ledger_.pay(request, reply)) {
      ++handed_over_;
      queue_.push({*payment, Now::now()});
    }
  }
  void answer(AsyncRequest::Output& out) const {
    wait_for_receipts();
    receipts_.answer(out);
  }
  // How long after their replies receipts are there.
  Quantities quantities() const {
    wait_for_receipts();
    return {{"receipt_lag_p99", {static_cast<double>(lag_.percentile(99)), "ns"}}};
  }

 private:
  using Now = std::chrono::steady_clock;
  struct Job {
    Payment payment;
    Now::time_point at;
  };

  void work() {
    pin_to_core(1);
    std::vector<Job> more;
    for (Job job; queue_.pop(job);) {
      if constexpr (kTakes == Takes::kAll) queue_.pop_all(more);
      receipts_.write(job.payment);
      for (const Job& next : more) receipts_.write(next.payment);
      receipts_.send();
      sent(job);
      for (const Job& next : more) sent(next);
    }
  }
  void sent(const Job& job) {
    lag_.record(static_cast<std::uint64_t>((Now::now() - job.at) / std::chrono::nanoseconds(1)));
    written_.fetch_add(1, std::memory_order_release);
    written_.notify_one();
  }
  void wait_for_receipts() const {
    for (std::size_t written = written_.load(std::memory_order_acquire); written != handed_over_;
         written = written_.load(std::memory_order_acquire))
      written_.wait(written, std::memory_order_acquire);
  }

  Ledger ledger_;
  std::size_t handed_over_ = 0;
  BoundedQueue<Job> queue_{256};
  Receipts receipts_;
  LatencyRecorder lag_;
  std::atomic<std::size_t> written_{0};
  std::thread worker_;
};

// The reply doesn't wait for the receipt, nor for those of the requests before it. What the request
// still pays is a lock, and the system call that wakes the worker where it sleeps.
void queue(HandedOver<Takes::kOne>& bank, const AsyncRequest::Request& request,
           AsyncRequest::Reply& reply) {
  bank.pay(request, reply);
}

// Users see no difference while the worker keeps up; but now it does so at any rate, because the
// gateway answers once for all receipts that came meanwhile.
void batched(HandedOver<Takes::kAll>& bank, const AsyncRequest::Request& request,
             AsyncRequest::Reply& reply) {
  bank.pay(request, reply);
}

constexpr Need kNeeds[] = {kTwoCores};
constexpr std::string_view kLater =
    "a receipt asked for right after the reply may not be there yet";

constexpr Variant<AsyncRequest> kVariants[] = {
    {.name = "naive",
     .run = serve<naive>,
     .what = "the receipt is written before the reply: users wait for it, and for those of the "
             "users before them"},
    {.name = "queue",
     .run = serve<queue>,
     .what = "a worker on another core writes receipts, from a bounded queue; replies wait for "
             "none of it",
     .promise = Promise::kExact,
     .promise_note = kLater,
     .needs = kNeeds},
    {.name = "batched",
     .run = serve<batched>,
     .what =
         "as queue, but the worker sends all receipts that are there at once: it keeps up at any "
         "rate",
     .promise = Promise::kExact,
     .promise_note = kLater,
     .needs = kNeeds},
};

const Registrar kRegistrar(
    {.name = "concurrency/async_request",
     .axis = Axis::kCores,
     .technique = "answer first: what the user needn't wait for goes to a worker, through a "
                  "bounded queue",
     .sizes = {64, 128, 256, 512},
     .headline = {64},
     .one_group = true,
     .clock = Clock::kWall,
     .warm = Warm::kNone,
     .measure = {.name = "p99", .unit = "ns"},
     .promise = Promise::kExact | Promise::kFresh,
     .demand =
         [](const Setting& s) {
           const std::size_t requests = s.n * sizeof(AsyncRequest::Request);
           const std::size_t bank = kAccounts * kLines * sizeof(Payment);
           return Demand{.items = static_cast<double>(s.n),
                         .working_set = requests + bank,
                         .memory = requests + 3 * bank + (4 << 20)};
         },
     .test_sizes = {0, 1, 2, 3, 64}},
    kVariants);

}  // namespace
}  // namespace headroom
