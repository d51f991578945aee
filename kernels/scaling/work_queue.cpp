// scaling/work_queue: how many workers, and when. Simulated.
//
// n is the number of jobs, which workers take from one queue, in order; each takes 1 ms in the mean
// (exponential). They come by chance (Poisson) at a rate that changes: for a fifth of the time 40
// per millisecond, else 10: 16 in the mean. A worker that is asked for works 50 ms later (a machine
// must start) and is paid from then on. The ladder is judged by `p99`, in mean service times, from
// arrival to answer. `workers` is how many were paid in the mean, which is what it costs: a queue
// that is shorter for more workers is no wonder, so look at both.
//
// Out: for each job when it was answered, and when workers came and went. That no more jobs were
// served than there were workers, each in its turn and at once where a worker was idle, is checked
// from these by a second way: one worker after the other, without events.
#include <queue>

#include "core/kernel.h"
#include "scaling/outcome.h"
#include "support/simulator.h"

namespace headroom {
namespace {

constexpr double kCalm = 10, kBusy = 40;  // jobs per mean service time
constexpr SimTime kPeriod = 2000 * kService, kBusyFor = kPeriod / 5;
constexpr SimTime kStart = 50 * kService;  // until a worker works
constexpr SimTime kLook = 10 * kService;   // between two looks at the queue
constexpr std::uint32_t kMeanWorkers = 20, kPeakWorkers = 45;

// One worker more (+1) or less (-1); one who goes finishes its job first.
struct Change {
  SimTime at = 0;
  std::int32_t by = 0;
};

struct WorkQueue {
  struct Input {
    Buffer<SimTime> arrivals, service;
  };
  struct Output {
    Buffer<SimTime> answered;
    std::vector<Change> changes;
    std::vector<SimTime> latency;
    double workers = 0;  // paid in the mean
    void poison() { headroom::poison(answered), changes.assign(1, {0, -1}); }
    bool spoil(Spoil how) { return headroom::spoil(answered, how); }
    Quantities quantities() const {
      // A rate that changes has no steady state, and no closed form here covers it: what is
      // validated are the servers. Where there are too few workers for the peak, the queue grows
      // as long as it lasts, which is what happens, and needs no steady state either.
      Quantities all = latency_figures(latency, (kCalm * 4 + kBusy) / 5 / std::max(workers, 1.0),
                                       static_cast<std::size_t>(workers));
      all["workers"] = {workers, "workers"};
      return all;
    }
  };

  static Input make(const Setting& setting, Rng& rng) {
    Input in;
    SimRandom random(rng());
    in.arrivals = Buffer<SimTime>(setting.n), in.service = Buffer<SimTime>(setting.n);
    // At the highest rate, of which calm times keep a quarter (thinning; Lewis and Shedler 1979).
    SimTime now = 0;
    for (SimTime& arrival : in.arrivals) {
      do now += random.exponential(static_cast<SimTime>(static_cast<double>(kService) / kBusy));
      while (now % kPeriod >= kBusyFor && !random.chance(kCalm / kBusy));
      arrival = now;
    }
    for (SimTime& one : in.service) one = random.exponential(kService);
    return in;
  }
  static void size(const Input& in, Output& out) {
    out.answered = Buffer<SimTime>(in.arrivals.size());
  }
  static absl::Status same(const Input& in, const Output& want, const Output& got) {
    const absl::Status right = sound(in, want);
    return right.ok() ? sound(in, got) : right;
  }

 private:
  static absl::Status sound(const Input& in, const Output& out);
};
using Input = WorkQueue::Input;
using Output = WorkQueue::Output;

// Workers by when they are free next; whoever is free takes the next job. A worker less is the one
// that is free first.
absl::Status WorkQueue::sound(const Input& in, const Output& out) {
  using Free = std::priority_queue<SimTime, std::vector<SimTime>, std::greater<>>;
  Free free;
  std::size_t change = 0;
  Buffer<SimTime> answered(in.arrivals.size());
  const auto apply = [&](const Change& one) {
    if (one.by > 0)
      free.push(one.at);
    else if (!free.empty())
      free.pop();
  };
  for (std::size_t i = 0; i < answered.size(); ++i) {
    for (;;) {
      // When the next worker could take this job, by the changes so far.
      const bool more = change < out.changes.size();
      if (free.empty() && !more) return differ("workers: ", "one at least", "none");
      const SimTime start = free.empty() ? ~SimTime{0} : std::max(free.top(), in.arrivals[i]);
      if (more && out.changes[change].at <= start) {
        apply(out.changes[change++]);
        continue;
      }
      free.pop();
      answered[i] = start + in.service[i];
      free.push(answered[i]);
      break;
    }
  }
  return exact(answered, out.answered);
}

struct Event {
  enum Kind : std::uint32_t { kArrival, kFinish, kLookAtQueue, kStarted };
  std::uint32_t job;
  Kind kind;
};

// What a rule is told, every kLook.
struct Seen {
  std::uint32_t waiting, working, workers, starting;
  std::uint32_t came;  // since the last look
};

// The queue, and a rule that says how many workers there should be.
template <class Rule>
void work(const Input& in, Output& out) {
  const auto n = static_cast<std::uint32_t>(in.arrivals.size());
  Rule rule;
  EventQueue<Event> events(1024);
  std::uint32_t workers = rule.first(), starting = 0, working = 0, leaving = 0;
  std::uint32_t next = 0, came = 0, came_before = 0, done = 0;  // jobs wait in order: [next, came)
  unsigned __int128 paid = 0;
  SimTime paid_until = 0;
  out.changes.clear();
  for (std::uint32_t i = 0; i < workers; ++i) out.changes.push_back({0, 1});
  const auto pay = [&] {
    paid += static_cast<unsigned __int128>(events.now() - paid_until) * workers;
    paid_until = events.now();
  };
  const auto take = [&] {
    while (next < came && working < workers) {
      ++working;
      events.after(in.service[next], {next, Event::kFinish});
      ++next;
    }
  };
  if (n != 0) events.at(in.arrivals[0], {0, Event::kArrival});
  if (n != 0) events.at(kLook, {0, Event::kLookAtQueue});
  while (done < n) {
    const auto [job, kind] = events.next();
    switch (kind) {
      case Event::kArrival:
        ++came;
        take();
        if (job + 1 < n) events.at(in.arrivals[job + 1], {job + 1, Event::kArrival});
        break;
      case Event::kFinish:
        --working, ++done;
        out.answered[job] = events.now();
        if (leaving > 0) {
          pay();
          --leaving, --workers;
          // It goes now rather than take the next one.
          out.changes.push_back({events.now(), -1});
        }
        take();
        break;
      case Event::kStarted:
        pay();
        --starting, ++workers;
        out.changes.push_back({events.now(), 1});
        take();
        break;
      case Event::kLookAtQueue: {
        const Seen seen{came - next, working, workers - leaving, starting, came - came_before};
        came_before = came;
        const std::uint32_t want = std::max(rule.want(seen), 1u);
        const std::uint32_t have = seen.workers + seen.starting;
        for (std::uint32_t i = have; i < want; ++i, ++starting)
          events.after(kStart, {0, Event::kStarted});
        // Those who start can't be called off; of the others the idle ones go at once.
        pay();
        for (std::uint32_t i = want; i < have && workers - leaving > 1; ++i) {
          if (workers - leaving > working) {
            --workers;
            out.changes.push_back({events.now(), -1});
          } else {
            ++leaving;
          }
        }
        events.after(kLook, {0, Event::kLookAtQueue});
        break;
      }
    }
  }
  pay();
  out.workers = static_cast<double>(paid) / std::max(static_cast<double>(events.now()), 1.0);
  out.latency.resize(n);
  for (std::size_t i = 0; i < n; ++i) out.latency[i] = out.answered[i] - in.arrivals[i];
}

template <std::uint32_t kWorkers>
struct Fixed {
  static std::uint32_t first() { return kWorkers; }
  static std::uint32_t want(const Seen&) { return kWorkers; }
};

// One worker more for every ten jobs that wait; one less in ten while none does.
struct ByQueueLength {
  static std::uint32_t first() { return kMeanWorkers; }
  static std::uint32_t want(const Seen& seen) {
    const std::uint32_t have = seen.workers + seen.starting;
    if (seen.waiting > 0) return std::min(have + (seen.waiting + 9) / 10, 2 * kPeakWorkers);
    return seen.working + seen.working / 4 + 2 < have ? have - (have + 9) / 10 : have;
  }
};

// As many as what comes needs (Little: arrivals per time times the service time), a quarter more,
// and what waits divided by the time in which it should be gone. In 1/1024 of a worker: floating
// point could be rounded otherwise on another machine, and one worker more is another simulation.
struct ByRate {
  static std::uint32_t first() { return kMeanWorkers; }
  std::uint32_t want(const Seen& seen) {
    const auto rate = static_cast<std::int64_t>(seen.came * 1024 * kService / kLook);
    // Up at once, down slowly: a lull of one look says little.
    average = rate > average ? rate : average + (rate - average) / 8;
    return static_cast<std::uint32_t>((average * 5 / 4 + seen.waiting * 1024 / 50) / 1024) + 3;
  }
  std::int64_t average = static_cast<std::int64_t>(kCalm) * 1024;
};

constexpr Variant<WorkQueue> kVariants[] = {
    {.name = "naive",
     .run = run<work<Fixed<kMeanWorkers>>>,
     .what = "20 workers, a quarter more than the mean needs: in busy times the queue grows"},
    {.name = "fixed_for_peak",
     .run = run<work<Fixed<kPeakWorkers>>>,
     .what = "45 workers, enough for busy times: paid when it is calm, too",
     .role = Role::kStandard},
    {.name = "by_queue_length",
     .run = run<work<ByQueueLength>>,
     .what = "more workers while jobs wait, fewer while none does: what waits is already late"},
    {.name = "by_rate",
     .run = run<work<ByRate>>,
     .what = "as many as the jobs that came lately need: asks for them before the queue is long"},
};

const Registrar kRegistrar(
    {.name = "scaling/work_queue",
     .axis = Axis::kScalar,
     .technique = "workers by what comes and waits, not one number for all hours",
     .sizes = {20'000, 500'000, 4'000'000},
     .headline = {500'000},
     .measure = {.name = "p99", .unit = "service times", .more_is_better = false},
     .simulated = true,
     .demand =
         [](const Setting& s) {
           return Demand{.items = static_cast<double>(std::max<std::size_t>(s.n, 1)),
                         .working_set = 40 * s.n,
                         .memory = (std::size_t{64} << 20) + 300 * s.n};
         },
     .test_sizes = {0, 1, 2, 3, 100, 1000, 4097}},
    kVariants);

}  // namespace
}  // namespace headroom
