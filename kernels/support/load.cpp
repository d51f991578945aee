#include "support/load.h"

#ifdef __linux__
#include <sys/prctl.h>
#endif
#include <time.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <limits>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/cpu.h"
#include "support/team.h"

namespace headroom {
namespace {

class MachineClock final : public ClientClock {
 public:
  explicit MachineClock(std::uint64_t spin_ns) : spin_ns_(spin_ns) {}
  std::uint64_t now() override {
    return static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch() /
                                      std::chrono::nanoseconds(1));
  }
  std::uint64_t wait_until(std::uint64_t time) override {
    std::uint64_t at = now();
    if (at + spin_ns_ < time) {
      std::this_thread::sleep_until(std::chrono::steady_clock::time_point(
          std::chrono::nanoseconds(static_cast<std::int64_t>(time - spin_ns_))));
      at = now();
    }
    const std::uint64_t begin = at;
    while (at < time) {
      spin_pause();
      at = now();
    }
    spun_ += at - begin;
    return at;
  }
  // Of the calling thread.
  std::uint64_t used() override {
    timespec cpu{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &cpu);
    const std::uint64_t all = static_cast<std::uint64_t>(cpu.tv_sec) * 1'000'000'000 +
                              static_cast<std::uint64_t>(cpu.tv_nsec);
    // The spins are wall time, so where the thread was preempted they may be more than it used.
    return all - std::min(all, spun_);
  }

 private:
  const std::uint64_t spin_ns_;
  std::uint64_t spun_ = 0;
};

// 1 for an answer that counts as goodput.
std::uint64_t in_time(const LoadPlan& plan, std::uint64_t took) {
  return took <= plan.limit_ns ? 1 : 0;
}

// One client: what it does with a request, and what it has seen.
class alignas(kApart) Client {
 public:
  Client(const LoadPlan& plan, ClientClock& clock) : plan_(plan), clock_(clock) {}

  // Once, before the first request. The arrivals count from `start`.
  void begin(std::uint64_t start) {
    start_ = start;
    began_ = clock_.now();
    used_before_ = clock_.used();
  }
  std::uint64_t now() { return clock_.now(); }
  // Waits until `request` is due. False where the deadline has passed: it is not sent.
  bool wait_for(std::size_t request) {
    const std::uint64_t free = clock_.now();
    const std::uint64_t deadline = start_ + plan_.deadline_ns;
    if (free > deadline) return false;
    const std::uint64_t intended = intended_time(request, free);
    if (intended > deadline) return false;
    sent_ = free;
    if (intended > free) {
      sent_ = clock_.wait_until(intended);
      waited_ += sent_ - free;
      lateness.record(sent_ - intended);
    }
    return true;
  }
  // After wait_for(): whether this one's time has come, too.
  bool is_due(std::size_t request) const {
    return !plan_.arrivals.empty() && start_ + plan_.arrivals[request] <= sent_;
  }
  void send(int self, std::size_t first, std::size_t count, const ServeBatch& serve) {
    const Answer answer = serve(self, first, count);
    last_answer = clock_.now();
    in_service_ += last_answer - sent_;
    if (answer == Answer::kShed) {
      shed += count;
      return;
    }
    for (std::size_t request = first; request < first + count; ++request) {
      const std::uint64_t took = last_answer - intended_time(request, sent_);
      latency.record(took);
      within_limit += in_time(plan_, took);
    }
  }
  // Once, after the last request.
  void end() {
    // On this machine a client's own time is what it neither waited nor spent in the service.
    own = plan_.in_process ? clock_.now() - began_ - waited_ - in_service_
                           : clock_.used() - used_before_;
  }

  LatencyRecorder latency;
  LatencyRecorder lateness;
  std::uint64_t shed = 0;
  std::uint64_t within_limit = 0;
  std::uint64_t last_answer = 0;
  std::uint64_t own = 0;

 private:
  std::uint64_t intended_time(std::size_t request, std::uint64_t now) const {
    return plan_.arrivals.empty() ? now : start_ + plan_.arrivals[request];
  }
  const LoadPlan& plan_;
  ClientClock& clock_;
  std::uint64_t start_ = 0;
  std::uint64_t began_ = 0;
  std::uint64_t used_before_ = 0;
  std::uint64_t sent_ = 0;
  std::uint64_t waited_ = 0;
  std::uint64_t in_service_ = 0;
};

std::size_t requests(const LoadPlan& plan) {
  return plan.arrivals.empty() ? plan.requests : plan.arrivals.size();
}

void refuse(Load& load, Refusal refusal, const std::string& why) {
  if (load.refusal != Refusal::kNone) return;
  load.refusal = refusal;
  load.why = why;
}

void refuse_spinners(Load& load, int spinners) {
  refuse(load, Refusal::kSpinners,
         absl::StrCat(spinners, " threads would spin on ", core_count(),
                      " cores; use fewer clients, or spin_ns = 0 for clients that sleep"));
}

std::string microseconds(std::uint64_t ns) {
  return absl::StrCat(static_cast<double>(ns) / 1000, " us");
}

void judge(const LoadPlan& plan, Load& load);

void rates(Load& load, std::uint64_t ns, std::uint64_t within_limit) {
  load.seconds = static_cast<double>(ns) * 1e-9;
  load.throughput = static_cast<double>(load.served) / load.seconds;
  load.goodput = static_cast<double>(within_limit) / load.seconds;
}

// Adds the clients up and judges. Client i was on core i modulo `cores`.
Load sum_up(const LoadPlan& plan, std::uint64_t start, int cores,
            std::span<const std::unique_ptr<Client>> clients) {
  Load load;
  std::uint64_t end = start;
  std::uint64_t within_limit = 0;
  std::vector<std::uint64_t> own(static_cast<std::size_t>(cores));
  for (std::size_t i = 0; i < clients.size(); ++i) {
    const Client& client = *clients[i];
    load.latency.merge(client.latency);
    load.lateness.merge(client.lateness);
    load.shed += client.shed;
    within_limit += client.within_limit;
    end = std::max(end, client.last_answer);
    own[i % own.size()] += client.own;
  }
  load.served = load.latency.count();
  load.sent = load.served + load.shed;
  if (load.sent == requests(plan) && !plan.arrivals.empty())
    end = std::max(end, start + plan.arrivals.back());
  if (end != start) {
    rates(load, end - start, within_limit);
    load.client_cpu_share = static_cast<double>(*std::max_element(own.begin(), own.end())) /
                            static_cast<double>(end - start);
  }
  judge(plan, load);
  return load;
}

// What of a run must not be used.
void judge(const LoadPlan& plan, Load& load) {
  if (load.sent != requests(plan))
    refuse(load, Refusal::kDeadline,
           absl::StrCat("only ", load.sent, " of ", requests(plan), " requests were sent within ",
                        static_cast<double>(plan.deadline_ns) * 1e-9,
                        " s: the service is slower than the load; lower the rate"));
  else if (load.served == 0 && load.sent != 0)
    refuse(load, Refusal::kNoAnswers,
           absl::StrCat("the service shed all ", load.sent, " requests; lower the rate"));
  for (const int percent : {50, 99}) {
    const std::uint64_t late = load.lateness.percentile(percent);
    const std::uint64_t latency = load.latency.percentile(percent);
    if (load.served != 0 && late * 10 > latency)
      refuse(load, Refusal::kLate,
             absl::StrCat("the load generator was late: its p", percent, " lateness of ",
                          microseconds(late), " is over a tenth of the p", percent, " latency of ",
                          microseconds(latency),
                          plan.spin_ns == 0 ? "; let its clients spin before they send (spin_ns)"
                                            : "; stop what else runs on its cores"));
  }
  if (load.client_cpu_share > 0.8)
    refuse(load, Refusal::kBusy,
           absl::StrCat("the load generator was the bottleneck: it used ",
                        std::lround(load.client_cpu_share * 100),
                        "% of its core for itself (at most 80%); lower the rate, or spread it "
                        "over more clients on cores of their own"));
}

void be_a_client(int self) {
  pin_to_core(self);
#ifdef __linux__
  // A sleep may end up to this much late so that the kernel can gather timers: 50 us by default.
  prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
#endif
}

// What the threads of a run share. They keep it alive, so that one whose request never returns can
// be left behind.
struct Run {
  Run(const LoadPlan& p, ServeBatch s, bool all) : plan(p), serve(std::move(s)), batches(all) {
    for (int i = 0; i < plan.clients; ++i) {
      clocks.push_back(std::make_unique<MachineClock>(plan.spin_ns));
      clients.push_back(std::make_unique<Client>(plan, *clocks.back()));
    }
  }

  void work(int self) {
    be_a_client(self);
    Client& client = *clients[static_cast<std::size_t>(self)];
    {
      std::unique_lock lock(mutex);
      ++ready;
      changed.notify_all();
      changed.wait(lock, [&] { return start != 0; });
    }
    clocks[static_cast<std::size_t>(self)]->wait_until(start);
    client.begin(start);
    const std::size_t count = requests(plan);
    for (std::size_t first = next++; first < count; first = next++) {
      if (!client.wait_for(first)) break;
      std::size_t end = first + 1;
      while (batches && end < count && client.is_due(end)) {
        std::size_t expected = end;
        // Another client has it: what follows is that one's to take.
        if (!next.compare_exchange_strong(expected, end + 1)) break;
        ++end;
      }
      client.send(self, first, end - first, serve);
    }
    client.end();
    const std::lock_guard lock(mutex);
    ++done;
    changed.notify_all();
  }

  const LoadPlan plan;
  const ServeBatch serve;
  const bool batches;
  std::vector<std::unique_ptr<MachineClock>> clocks;
  std::vector<std::unique_ptr<Client>> clients;
  std::atomic<std::size_t> next{0};
  std::mutex mutex;
  std::condition_variable changed;
  int ready = 0;
  int done = 0;
  std::uint64_t start = 0;  // 0: not yet
};

void check(const LoadPlan& plan) {
  if (plan.clients < 1) throw std::invalid_argument("load: needs at least one client");
  if (!std::is_sorted(plan.arrivals.begin(), plan.arrivals.end()))
    throw std::invalid_argument("load: arrivals must be in ascending order");
}

ServeBatch one_by_one(Serve serve) {
  return [serve = std::move(serve)](int client, std::size_t request, std::size_t) {
    return serve(client, request);
  };
}

Load run_load(const LoadPlan& plan, ServeBatch serve, bool batches) {
  check(plan);
  Load load;
  const bool clients_spin = !plan.arrivals.empty() && plan.spin_ns != 0;
  const int spinners = (clients_spin ? plan.clients : 0) + plan.service_spinners;
  if (spinners > core_count()) {
    refuse_spinners(load, spinners);
    return load;
  }
  const auto run = std::make_shared<Run>(plan, std::move(serve), batches);
  std::vector<std::thread> threads;
  threads.reserve(static_cast<std::size_t>(plan.clients));
  for (int i = 0; i < plan.clients; ++i) threads.emplace_back([run, i] { run->work(i); });
  std::unique_lock lock(run->mutex);
  run->changed.wait(lock, [&] { return run->ready == plan.clients; });
  // A little later, so that all clients have woken by then.
  constexpr std::uint64_t kLead = 2'000'000;
  run->start = MachineClock(0).now() + kLead;
  run->changed.notify_all();
  const bool ended = run->changed.wait_for(
      lock, std::chrono::nanoseconds(kLead + plan.deadline_ns + plan.grace_ns),
      [&] { return run->done == plan.clients; });
  const int hanging = plan.clients - run->done;
  lock.unlock();
  for (std::thread& thread : threads) ended ? thread.join() : thread.detach();
  if (ended) return sum_up(plan, run->start, core_count(), run->clients);
  refuse(load, Refusal::kHangs,
         absl::StrCat("the service hangs: ", hanging, " of ", plan.clients,
                      " clients still waited for an answer ",
                      static_cast<double>(plan.grace_ns) * 1e-9, " s after the deadline of ",
                      static_cast<double>(plan.deadline_ns) * 1e-9, " s"));
  return load;
}

Load run_load_in_turn(const LoadPlan& plan, std::span<ClientClock* const> clocks,
                      const ServeBatch& serve, bool batches) {
  check(plan);
  std::vector<std::unique_ptr<Client>> clients;
  for (ClientClock* clock : clocks) {
    clients.push_back(std::make_unique<Client>(plan, *clock));
    clients.back()->begin(0);
  }
  const std::size_t count = requests(plan);
  for (std::size_t first = 0, end = 0; first < count; first = end) {
    std::size_t free = 0;
    for (std::size_t i = 1; i < clients.size(); ++i)
      if (clients[i]->now() < clients[free]->now()) free = i;
    if (!clients[free]->wait_for(first)) break;
    end = first + 1;
    while (batches && end < count && clients[free]->is_due(end)) ++end;
    clients[free]->send(static_cast<int>(free), first, end - first, serve);
  }
  for (const auto& client : clients) client->end();
  return sum_up(plan, 0, static_cast<int>(clients.size()), clients);
}

// A run of posted requests.
class PostedRun {
 public:
  PostedRun(const LoadPlan& plan, Post post)
      : plan_(plan),
        post_(std::move(post)),
        clock_(plan.spin_ns),
        answers_(plan.arrivals.size()),
        left_(plan.arrivals.size()) {}

  void post_all() {
    be_a_client(0);
    start_ = clock_.now() + 1'000'000;
    const std::uint64_t began = clock_.wait_until(start_);
    std::uint64_t waited = 0, sent_at = began;
    std::size_t sent = 0;
    for (; sent < plan_.arrivals.size(); ++sent) {
      const std::uint64_t intended = start_ + plan_.arrivals[sent];
      const std::uint64_t free = clock_.now();
      if (std::max(free, intended) > start_ + plan_.deadline_ns) break;
      sent_at = free;
      if (intended > free) {
        sent_at = clock_.wait_until(intended);
        waited += sent_at - free;
      }
      lateness_.record(sent_at - intended);
      post_(sent, Answered(&take, this, sent));
    }
    const std::uint64_t end = clock_.now();
    own_share_ = end == began
                     ? 0
                     : static_cast<double>(end - began - waited) / static_cast<double>(end - began);
    const std::lock_guard lock(mutex_);
    posted_ = sent;
    posting_ended_ = true;
    const std::size_t unsent = plan_.arrivals.size() - sent;
    if (unsent != 0 && left_.fetch_sub(unsent, std::memory_order_acq_rel) == unsent)
      all_answered_ = true;
    changed_.notify_all();
  }
  // False where the last answers don't come.
  bool wait() {
    std::unique_lock lock(mutex_);
    const auto long_enough = std::chrono::nanoseconds(plan_.deadline_ns + plan_.grace_ns);
    return changed_.wait_for(lock, long_enough, [&] { return posting_ended_ && all_answered_; });
  }
  std::size_t unanswered() const { return left_; }
  // After the last answer.
  Load result() const {
    Load load;
    std::uint64_t end = start_, within_limit = 0;
    for (std::size_t i = 0; i < posted_; ++i) {
      const OneAnswer& answer = answers_[i];
      if (answer.times != 1)
        throw std::logic_error(absl::StrCat("load: request ", i, " was answered twice"));
      end = std::max(end, answer.at);
      if (answer.answer == Answer::kShed) {
        ++load.shed;
        continue;
      }
      const std::uint64_t took = answer.at - start_ - plan_.arrivals[i];
      load.latency.record(took);
      within_limit += in_time(plan_, took);
    }
    load.lateness = lateness_;
    load.served = load.latency.count();
    load.sent = posted_;
    if (posted_ == plan_.arrivals.size() && posted_ != 0)
      end = std::max(end, start_ + plan_.arrivals.back());
    if (end != start_) rates(load, end - start_, within_limit);
    load.client_cpu_share = own_share_;
    judge(plan_, load);
    return load;
  }

 private:
  struct OneAnswer {
    std::uint64_t at = 0;
    Answer answer = Answer::kServed;
    std::atomic<int> times{0};
  };
  static void take(void* run, std::size_t request, Answer answer) {
    static_cast<PostedRun*>(run)->take(request, answer);
  }
  void take(std::size_t request, Answer answer) {
    OneAnswer& one = answers_[request];
    if (one.times.fetch_add(1, std::memory_order_relaxed) != 0) return;
    one.at = MachineClock(0).now();
    one.answer = answer;
    if (left_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    // Told under the lock: once it is known, all this is gone.
    const std::lock_guard lock(mutex_);
    all_answered_ = true;
    changed_.notify_all();
  }

  const LoadPlan plan_;
  const Post post_;
  MachineClock clock_;
  std::vector<OneAnswer> answers_;
  std::atomic<std::size_t> left_;
  LatencyRecorder lateness_;
  std::uint64_t start_ = 0;
  double own_share_ = 0;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t posted_ = 0;
  bool posting_ended_ = false;
  bool all_answered_ = false;
};

// Runs that were given up live on, as their requests may be answered after all.
void keep_for_ever(PostedRun* run) {
  static std::mutex mutex;
  static auto& kept = *new std::vector<PostedRun*>;
  const std::lock_guard lock(mutex);
  kept.push_back(run);
}

}  // namespace

Load run_load_posted(const LoadPlan& plan, Post post) {
  check(plan);
  if (plan.clients != 1) throw std::invalid_argument("load: requests are posted by one client");
  if (plan.arrivals.empty() && plan.requests != 0)
    throw std::invalid_argument("load: requests that are posted need arrivals");
  Load load;
  if (plan.arrivals.empty()) return load;
  const int spinners = (plan.spin_ns != 0 ? 1 : 0) + plan.service_spinners;
  if (spinners > core_count()) {
    refuse_spinners(load, spinners);
    return load;
  }
  auto* const run = new PostedRun(plan, std::move(post));
  std::thread thread([run] { run->post_all(); });
  if (!run->wait()) {
    thread.detach();
    keep_for_ever(run);
    refuse(load, Refusal::kHangs,
           absl::StrCat("the service hangs: ", run->unanswered(), " of ", plan.arrivals.size(),
                        " requests had no answer ", static_cast<double>(plan.grace_ns) * 1e-9,
                        " s after the deadline of ", static_cast<double>(plan.deadline_ns) * 1e-9,
                        " s"));
    return load;
  }
  thread.join();
  const std::unique_ptr<PostedRun> ended(run);
  return ended->result();
}

Load run_load(const LoadPlan& plan, Serve serve) {
  return run_load(plan, one_by_one(std::move(serve)), false);
}
Load run_load_in_batches(const LoadPlan& plan, ServeBatch serve) {
  return run_load(plan, std::move(serve), true);
}
Load run_load_in_turn(const LoadPlan& plan, std::span<ClientClock* const> clocks,
                      const Serve& serve) {
  return run_load_in_turn(plan, clocks, one_by_one(serve), false);
}
Load run_batches_in_turn(const LoadPlan& plan, std::span<ClientClock* const> clocks,
                         const ServeBatch& serve) {
  return run_load_in_turn(plan, clocks, serve, true);
}

double grid_rate(double lowest, int step) {
  // 2^(step / 32) by square roots, which are rounded the same everywhere, as powers need not be.
  constexpr int kFraction = 5;
  static_assert(kRatesPerOctave == 1 << kFraction);
  double rate = std::ldexp(lowest, step >> kFraction);
  double root = 2;
  for (int bit = kFraction - 1; bit >= 0; --bit) {
    root = std::sqrt(root);
    if (step >> bit & 1) rate *= root;
  }
  return rate;
}

double first_rate(double lowest, int octaves, int stride) {
  return grid_rate(lowest, (octaves * kRatesPerOctave / stride - 1) / 2 * stride);
}

MaxRate max_rate(double lowest, int octaves, std::uint64_t p99_ns,
                 const std::function<Load(double per_second)>& trial, int stride) {
  MaxRate result;
  const auto rate = [&](int step) { return grid_rate(lowest, step * stride); };
  const int steps = octaves * kRatesPerOctave / stride;
  int passed = -1;
  int failed = steps;
  while (failed - passed > 1) {
    const int step = passed + (failed - passed) / 2;
    const Load load = trial(rate(step));
    ++result.trials;
    if (load.refusal != Refusal::kNone && load.refusal != Refusal::kDeadline &&
        load.refusal != Refusal::kNoAnswers) {
      result.refusal = load.refusal;
      result.why = absl::StrCat("at ", rate(step), " requests per second: ", load.why);
      return result;
    }
    const bool pass = load.refusal == Refusal::kNone && load.shed == 0 && load.p99() <= p99_ns;
    (pass ? passed : failed) = step;
  }
  if (passed == steps - 1) {
    result.refusal = Refusal::kOffGrid;
    result.why = absl::StrCat("even ", rate(passed),
                              " requests per second, the highest rate tried, passed; add octaves");
    return result;
  }
  if (passed >= 0) result.per_second = rate(passed);
  return result;
}

}  // namespace headroom
