// concurrency/admission: a service that gets twice as many requests as it can serve.
//
// One server works on one request at a time, for 1 ms; 2,000 come per second (open loop, Poisson),
// from users who go away after 5 ms. Out: for each request the right answer, or word that it was
// turned away. The measure is goodput: answers within those 5 ms, per second. `capacity` is what
// the server could do at most, by what its work took.
//
// It always works as fast as it can. But where all wait in one line, the line grows by one request
// a millisecond, and soon everyone is served who has already gone. Turning away half of them, at
// once, is what lets the other half be served in time. Which half differs: see admission_line.h,
// which has the sources.
#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "concurrency/admission_line.h"
#include "core/cpu.h"
#include "support/served.h"

namespace headroom {
namespace {

constexpr double kPerSecond = 2000;
constexpr std::uint64_t kMillisecond = 1'000'000;
constexpr std::uint64_t kPatience = 5 * kMillisecond;
// More than ever wait where somebody is turned away; where nobody is, they wait for a client first,
// which comes to the same.
constexpr int kClients = 24;

struct Admission {
  using Request = std::uint64_t;
  // Neither is a small change of the other: one wrong byte is no verdict.
  enum Verdict : std::uint64_t { kServed = 0x5e12'7ed0'5e12'7ed0, kTurnedAway = ~kServed };
  struct Reply {
    std::uint64_t verdict;
    std::uint64_t answer;  // 0 where it was turned away
    friend bool operator==(const Reply&, const Reply&) = default;
  };
  struct Input {
    std::vector<Request> requests;
    Arrivals arrivals;
  };
  using Output = std::vector<Reply>;

  static Input make(const Setting& setting, Rng& rng) {
    Input in;
    in.requests.resize(setting.n);
    for (Request& request : in.requests) request = rng();
    in.arrivals = poisson_arrivals(setting.n, kPerSecond, rng());
    return in;
  }
  static LoadPlan plan(const Input& in, const Setting&) {
    return {.arrivals = in.arrivals,
            .clients = kClients,
            .limit_ns = kPatience,
            .spin_ns = 0,
            .in_process = false};
  }
  static bool shed(const Reply& reply) { return reply.verdict == kTurnedAway; }
  static std::uint64_t answer(Request request) {
    const std::uint64_t x = request * 0x9e3779b97f4a7c15;
    return x ^ x >> 31;
  }
  // The baseline turns nobody away, and each answer is right or none.
  static absl::Status same(const Input& in, const Output& want, const Output& got) {
    Output served;
    for (const Request& request : in.requests) served.push_back({kServed, answer(request)});
    if (absl::Status status = exact(served, want); !status.ok()) return status;
    Output truth = served;
    for (std::size_t i = 0; i < std::min(truth.size(), got.size()); ++i)
      if (got[i].verdict == kTurnedAway) truth[i] = {kTurnedAway, 0};
    return exact(truth, got);
  }
};

constexpr AdmissionRules kUnbounded{};
// Three wait at most: the last of them is served within 4 ms.
constexpr AdmissionRules kBounded{.room = 3};
constexpr AdmissionRules kControlledDelay{
    .room = 16, .interval_ns = 3 * kMillisecond, .target_ns = 2 * kMillisecond};
constexpr AdmissionRules kNewestFirst{.room = 16,
                                      .interval_ns = 3 * kMillisecond,
                                      .target_ns = 3 * kMillisecond,
                                      .newest_first = true};

// The server's thread, and the line before it. Clients wait asleep, each for itself.
template <const AdmissionRules& kRules>
class Service {
 public:
  explicit Service(const Admission::Input& in)
      : requests_(in.requests), line_(kRules), server_([this] { work(); }) {}
  ~Service() {
    {
      const std::lock_guard lock(mutex_);
      closed_ = true;
    }
    somebody_.notify_one();
    server_.join();
  }
  void ask(const Admission::Request& request, Admission::Reply& reply) {
    Waiting waiting{&request, &reply};
    std::unique_lock lock(mutex_);
    if (!line_.come(&waiting, now())) {
      turn_away(waiting);
      return;
    }
    somebody_.notify_one();
    waiting.answered.wait(lock, [&] { return waiting.done; });
  }
  // Its work and what came of it; after the last request.
  Quantities quantities() const {
    const std::lock_guard lock(mutex_);
    const double capacity = busy_ns_ == 0 ? 0 : 1e9 * served_ / busy_ns_;
    return {{"capacity", {capacity, "1/s"}}};
  }

 private:
  struct Waiting {
    const Admission::Request* request;
    Admission::Reply* reply;
    bool done = false;
    std::condition_variable answered = {};
  };
  using Line = AdmissionLine<Waiting*>;
  static std::uint64_t now() {
    return static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch() /
                                      std::chrono::nanoseconds(1));
  }
  // Both with the lock held: the client's condition is gone as soon as it may look at `done`.
  static void finish(Waiting& waiting) {
    waiting.done = true;
    waiting.answered.notify_one();
  }
  static void turn_away(Waiting& waiting) {
    *waiting.reply = {Admission::kTurnedAway, 0};
    finish(waiting);
  }
  void work() {
    std::vector<Waiting*> away;
    std::unique_lock lock(mutex_);
    for (;;) {
      somebody_.wait(lock, [&] { return closed_ || !line_.empty(); });
      if (line_.empty()) return;
      const std::uint64_t begin = now();
      const std::optional<Waiting*> next = line_.next(begin, away);
      for (Waiting* waiting : away) turn_away(*waiting);
      away.clear();
      if (!next) continue;
      lock.unlock();
      std::this_thread::sleep_for(std::chrono::nanoseconds(kMillisecond));
      *(*next)->reply = {Admission::kServed, Admission::answer(*(*next)->request)};
      lock.lock();
      busy_ns_ += static_cast<double>(now() - begin);
      ++served_;
      finish(**next);
    }
  }

  const std::vector<Admission::Request>& requests_;
  mutable std::mutex mutex_;
  std::condition_variable somebody_;
  Line line_;
  bool closed_ = false;
  double busy_ns_ = 0;
  double served_ = 0;
  std::thread server_;
};

// The same for every set of rules.
template <const AdmissionRules& kRules>
void ask(Service<kRules>& service, const Admission::Request& request, Admission::Reply& reply) {
  service.ask(request, reply);
}

constexpr std::string_view kSome = "turns requests away: its answers are right or none";

constexpr Variant<Admission> kVariants[] = {
    {.name = "naive",
     .run = serve<ask<kUnbounded>>,
     .what = "one line without a bound: it grows, and everyone is served who has gone"},
    {.name = "bounded",
     .run = serve<ask<kBounded>>,
     .what = "at most three wait, and others are told at once: whoever waits is served in time",
     .promise = Promise::kNone,
     .promise_note = kSome},
    {.name = "controlled_delay",
     .run = serve<ask<kControlledDelay>>,
     .what = "bounds the time in the line, not its length, and tighter when an overload lasts",
     .promise = Promise::kNone,
     .promise_note = kSome},
    {.name = "adaptive_lifo",
     .run = serve<ask<kNewestFirst>>,
     .what = "and while it lasts serves the newest first: they have waited least",
     .promise = Promise::kNone,
     .promise_note = kSome},
};

const Registrar kRegistrar(
    {.name = "concurrency/admission",
     .axis = Axis::kCores,
     .technique = "turn away what can't be served in time, early, so that the rest can",
     .sizes = {64, 128, 256, 512},
     .headline = {64},
     .one_group = true,
     .clock = Clock::kWall,
     .warm = Warm::kNone,
     .measure = {.name = "goodput", .unit = "1/s", .more_is_better = true},
     .promise = Promise::kExact,
     .demand =
         [](const Setting& s) {
           return Demand{.items = static_cast<double>(s.n),
                         .working_set = s.n * 64,
                         .memory = s.n * 512 + (8 << 20)};
         },
     .test_sizes = {0, 1, 2, 40}},
    kVariants);

}  // namespace
}  // namespace headroom
