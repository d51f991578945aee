// The load generator: sends requests to a service and says what its users would have seen.
//
// Closed loop: each client sends its next request when it has the answer to the last. It measures
// throughput; its latencies flatter, because a slow service is asked less often.
// Open loop: requests arrive by a schedule that was fixed before, as from many users who don't wait
// for each other. A latency counts from the intended time, so that a request which waited behind a
// slow one is as late as its user saw it (no coordinated omission; after Tene).
//
// The generator watches itself. Where it was late by its own fault, or had no time left on its
// core, the result is refused: it would be a figure of the generator, not of the service.
//
// Late is a generator whose lateness, at the p50 or at the p99, is over a tenth of the latency at
// the same percentile. Why that is enough:
// - Lateness makes a service look slower, not faster. A latency counts from the intended time, and
//   where requests are served in their order, one that is sent later is answered later or at the
//   same time. (A service that takes batches can gain too: who comes while the generator is late
//   joins the batch that would have left without them, as if it had waited a little on purpose.)
// - It adds to a latency at most the largest lateness since the service was last idle. So the p50
//   is off by about the p50 of the lateness, and the p99 by about its p99. Ladders are judged by
//   either, and both are reported, so both must hold.
// - Of two services it adds the same to both, a larger share to the faster one: their ratio comes
//   out too small rather than too large.
// A p99 lateness within a tenth of the p50 would be stricter but no truer: where the p99 is far
// from the p50, it refuses good figures for the sake of one request in a hundred. Nothing is
// promised of p999 and the maximum.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "support/arrivals.h"
#include "support/latency.h"

namespace headroom {

// kShed: the service rejected the request without doing its work.
enum class Answer { kServed, kShed };

// Sends request `request` for client `client` and returns when it is answered. Called from as many
// threads as there are clients. It must not throw. What it refers to must live as long as it does:
// where a call never returns, the run is given up without it (Refusal::kHangs).
using Serve = std::function<Answer(int client, std::size_t request)>;

// The same for a service that takes at once what is there: requests [first, first + count). One
// answer for all of them.
using ServeBatch = std::function<Answer(int client, std::size_t first, std::size_t count)>;

struct LoadPlan {
  // Open loop: the intended time of each request. Must outlive the run.
  std::span<const std::uint64_t> arrivals = {};
  // Closed loop, where there are no arrivals: how many requests are sent.
  std::size_t requests = 0;
  // Threads, client i on core i. The next client that is free takes the next request, in order.
  int clients = 1;
  // An answer within this latency counts for goodput.
  std::uint64_t limit_ns = 100'000'000;
  // No request is sent later than this after the start.
  std::uint64_t deadline_ns = 60'000'000'000;
  // How long after the deadline the last answers may come before the service is said to hang.
  std::uint64_t grace_ns = 5'000'000'000;
  // Open loop: a client sleeps until this long before the intended time and then spins, since a
  // sleep ends late by some 50 us. 0: it sleeps only, which suits services of 10 ms and more.
  std::uint64_t spin_ns = 150'000;
  // Threads of the service that spin.
  int service_spinners = 0;
  // The service does its work on the client's thread: its time is not the generator's.
  bool in_process = true;
};

// Why a result must not be used.
enum class Refusal {
  kNone,
  kSpinners,   // more spinning threads than cores
  kLate,       // the generator sent late
  kBusy,       // the generator had no time left on its core
  kDeadline,   // not all requests were sent in time
  kHangs,      // a request was never answered
  kNoAnswers,  // the service shed them all
  kOffGrid,    // max_rate: even the highest rate passed
};

struct Load {
  Refusal refusal = Refusal::kNone;
  std::string why;  // one line: what is wrong, and what to do; empty where nothing was refused

  std::uint64_t sent = 0;
  std::uint64_t served = 0;
  std::uint64_t shed = 0;
  LatencyRecorder latency;   // of the served; closed loop: from when it was sent
  LatencyRecorder lateness;  // sent after the intended time by a client that was waiting for it
  double seconds = 0;        // from the start to the last answer, and at least the whole schedule
  double throughput = 0;     // served per second
  double goodput = 0;        // served within the limit, per second
  // The largest share of a core that clients used for themselves: not waiting, and not in the
  // service where it works on their threads.
  double client_cpu_share = 0;

  std::uint64_t p50() const { return latency.percentile(50); }
  std::uint64_t p99() const { return latency.percentile(99); }
  std::uint64_t p999() const { return latency.percentile(99.9); }
};

// Runs the plan with threads, in real time.
Load run_load(const LoadPlan& plan, Serve serve);
// A client that takes a request, and has waited for its time where it came early, also takes those
// after it whose time has come. All of them have their answers when `serve` returns. In a closed
// loop that is one request at a time.
Load run_load_in_batches(const LoadPlan& plan, ServeBatch serve);

// How a service answers a request that was posted to it: once, from whichever of its threads has
// written the reply.
class Answered {
 public:
  using Take = void(void* run, std::size_t request, Answer answer);
  Answered() = default;
  Answered(Take* take, void* run, std::size_t request)
      : take_(take), run_(run), request_(request) {}
  void operator()(Answer answer = Answer::kServed) const { take_(run_, request_, answer); }

 private:
  Take* take_ = nullptr;
  void* run_ = nullptr;
  std::size_t request_ = 0;
};

// Hands request `request` to the service, which answers later. It must neither throw nor wait.
using Post = std::function<void(std::size_t request, Answered answered)>;

// Runs an open loop of any number of users with one thread, client 0, that posts each request at
// its time and doesn't wait for the answer: whoever waits costs no thread. Whatever makes it late
// is its own fault (or that of a service whose intake waits), so that all lateness counts; and all
// of its time but for waiting is its own, up to the last request. Where a request is never
// answered, the run is given up once the deadline and the grace are over (Refusal::kHangs); what a
// service still answers then is ignored. Throws std::logic_error where one is answered twice.
Load run_load_posted(const LoadPlan& plan, Post post);

// What a client knows of time. The machine's own is run_load's; tests and simulations have others.
class ClientClock {
 public:
  virtual ~ClientClock() = default;
  virtual std::uint64_t now() = 0;  // nanoseconds
  // Returns once `time` has come, with the time that it then is.
  virtual std::uint64_t wait_until(std::uint64_t time) = 0;
  // CPU time that the client has used so far, in nanoseconds, waiting by spinning left out.
  virtual std::uint64_t used() = 0;
};

// Runs the plan without threads: of the clients, each with a clock of its own that starts at 0, the
// one whose time is earliest takes the next request. `serve` moves the client's clock.
Load run_load_in_turn(const LoadPlan& plan, std::span<ClientClock* const> clocks,
                      const Serve& serve);
Load run_batches_in_turn(const LoadPlan& plan, std::span<ClientClock* const> clocks,
                         const ServeBatch& serve);

// Rates on a fixed grid, 32 to an octave (2.2% apart), so that machines compare.
inline constexpr int kRatesPerOctave = 32;
double grid_rate(double lowest, int step);

struct MaxRate {
  double per_second = 0;  // 0: not even the lowest rate passed
  int trials = 0;
  Refusal refusal = Refusal::kNone;
  std::string why;
};

// The largest rate of the grid from `lowest` over `octaves` octaves at which `trial`, run once at
// each rate that a bisection asks for (at most 6 + log2(octaves), rounded up, of them), has its p99
// within `p99_ns` and nothing shed. A trial past its deadline counts as failed. Refused where a
// trial was refused for any other reason, or where the highest rate passed as well. Every
// `stride`th rate of the grid, 1, 2, 4 ... 32: a doubled stride saves a trial.
MaxRate max_rate(double lowest, int octaves, std::uint64_t p99_ns,
                 const std::function<Load(double per_second)>& trial, int stride = 1);

// The rate that its first trial has.
double first_rate(double lowest, int octaves, int stride = 1);

}  // namespace headroom
