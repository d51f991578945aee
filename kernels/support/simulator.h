// A discrete-event simulator: what many machines would do, in simulated time, on one.
//
// A simulated kernel draws everything from core's generators, counts time in whole nanoseconds of
// its own, and never asks the clock: its figures are the same on every machine. Its metadata say
// `.simulated = true`, so that all outputs mark them; its variants report a quantity `validated`
// (validated() below), 0 where a figure lies beyond what the model was held against.
//
// How to write one:
//
//   struct Event { std::uint32_t kind, job; };             // plain, small: 8 bytes are free
//   EventQueue<Event> events(servers + 1);                 // the room is a hint
//   SimRandom random(rng());                               // rng: the Rng that make() is given
//   FifoServers farm(servers, workers_each, jobs);
//   events.at(arrival[0], {kArrive, 0});
//   while (!events.empty()) {
//     const Event event = events.next();                   // events.now() is its time
//     if (event.kind == kArrive) {
//       if (farm.join(server, event.job))                  // a worker was idle: starts now
//         events.after(service[event.job], {kFinish, event.job});
//       if (more) events.at(arrival[event.job + 1], {kArrive, event.job + 1});
//     } else {
//       latency[event.job] = events.now() - arrival[event.job];
//       const std::uint32_t next = farm.leave(server);     // who starts now, or kNobody
//       if (next != kNobody) events.after(service[next], {kFinish, next});
//     }
//   }
//
// Draw arrivals and service times in make(), per request, not while the simulation runs: then all
// variants see the same requests (common random numbers), and differ by what they decide alone.
// What is drawn within a run, a balancer's choice, comes from a SimRandom of the variant's own.
// Schedule the next arrival only when the last one has come, so that the queue stays small.
//
// Leave out what comes before the system is in its steady state (kWarmUpShare), read percentiles by
// exact_percentile, and let same() compute the latencies a second way from what the variant decided
// (fifo_departures), not by the same simulation again.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <vector>

#include "core/random.h"
#include "support/arrivals.h"

namespace headroom {

using SimTime = std::uint64_t;  // nanoseconds from the start of the simulation

inline constexpr std::uint32_t kNobody = 0xffff'ffff;
// The first of all requests, left out of every figure: servers start idle.
inline constexpr double kWarmUpShare = 0.25;

// Events in the order of their times; those of one time in the order in which they were scheduled,
// so that a simulation has one outcome. A heap of four children a node: half as deep as a binary
// one, and the children lie side by side. The place of an event that was taken is filled by the
// next one scheduled, which saves a walk: most events schedule one.
template <class Payload>
class EventQueue {
  static_assert(std::is_trivially_copyable_v<Payload>);

 public:
  // Where the number of events that wait at a time is known, nothing is allocated later.
  explicit EventQueue(std::size_t room = 64) { nodes_.reserve(room + 1); }
  bool empty() const { return size() == 0; }
  std::size_t size() const { return nodes_.size() - (hole_ ? 1 : 0); }
  // The time of the event that was taken last.
  SimTime now() const { return now_; }
  // How many were taken so far.
  std::uint64_t taken() const { return taken_; }

  // A time that has passed counts as now.
  void at(SimTime time, const Payload& what) {
    const Node node{std::max(time, now_), order_++, what};
    if (hole_) {
      hole_ = false;
      sink(node);
    } else {
      nodes_.push_back(node);
      rise(nodes_.size() - 1);
    }
  }
  void after(SimTime delay, const Payload& what) { at(now_ + delay, what); }

  // Takes the earliest; there must be one.
  Payload next() {
    if (hole_) {
      const Node last = nodes_.back();
      nodes_.pop_back();
      sink(last);
    }
    hole_ = true;
    ++taken_;
    now_ = nodes_.front().time;
    return nodes_.front().what;
  }

 private:
  struct Node {
    SimTime time;
    std::uint64_t order;
    Payload what;
    // One comparison of 128 bits, without a branch.
    friend bool operator<(const Node& a, const Node& b) { return a.key() < b.key(); }
    unsigned __int128 key() const { return static_cast<unsigned __int128>(time) << 64 | order; }
  };

  // Puts `node` where the root's place is free.
  void sink(const Node& node) {
    std::size_t place = 0;
    const std::size_t count = nodes_.size();
    for (std::size_t child = 1; child < count; child = 4 * place + 1) {
      std::size_t first = child;
      if (child + 4 <= count) {
        const std::size_t left = nodes_[child + 1] < nodes_[child] ? child + 1 : child;
        const std::size_t right = nodes_[child + 3] < nodes_[child + 2] ? child + 3 : child + 2;
        first = nodes_[right] < nodes_[left] ? right : left;
      } else {
        for (std::size_t i = child + 1; i < count; ++i)
          if (nodes_[i] < nodes_[first]) first = i;
      }
      if (node < nodes_[first]) break;
      nodes_[place] = nodes_[first];
      place = first;
    }
    nodes_[place] = node;
  }
  void rise(std::size_t place) {
    const Node node = nodes_[place];
    while (place != 0) {
      const std::size_t parent = (place - 1) / 4;
      if (!(node < nodes_[parent])) break;
      nodes_[place] = nodes_[parent];
      place = parent;
    }
    nodes_[place] = node;
  }

  std::vector<Node> nodes_;
  bool hole_ = false;  // the root's event was taken, its place not yet filled
  SimTime now_ = 0;
  std::uint64_t order_ = 0, taken_ = 0;
};

// Draws in whole numbers, the same on every machine: no logarithm from libm.
class SimRandom {
 public:
  explicit SimRandom(std::uint64_t seed) : rng_(seed) {}
  // Exponentially distributed, rounded down.
  SimTime exponential(SimTime mean) {
    return static_cast<SimTime>(
        static_cast<unsigned __int128>(headroom::exponential(rng_)) * mean >> 32);
  }
  // Uniform in [0, bound).
  std::uint32_t below(std::uint32_t bound) {
    return static_cast<std::uint32_t>(bounded(rng_, bound));
  }
  // True with this probability.
  bool chance(double probability) { return uniform(rng_) < probability; }
  // For Zipf and shuffle.
  FastRng& generator() { return rng_; }

 private:
  FastRng rng_;
};

// Servers with one line each, served first come, first served by `workers` workers per server. A
// job is a number below `jobs`; it stands in one line at a time. Times are the caller's business.
class FifoServers {
 public:
  FifoServers(std::size_t servers, std::uint32_t workers, std::size_t jobs)
      : workers_(workers), lines_(servers), behind_(jobs, kNobody) {}

  // The job comes to a server: true where it starts at once.
  bool join(std::uint32_t server, std::uint32_t job) {
    Line& line = lines_[server];
    if (line.present++ < workers_) return true;
    behind_[job] = kNobody;
    (line.first == kNobody ? line.first : behind_[line.last]) = job;
    line.last = job;
    return false;
  }
  // A job of this server is finished: the job that starts now, or kNobody.
  std::uint32_t leave(std::uint32_t server) {
    Line& line = lines_[server];
    --line.present;
    const std::uint32_t job = line.first;
    if (job != kNobody) line.first = behind_[job];
    return job;
  }
  // Jobs that wait or are being served.
  std::uint32_t present(std::uint32_t server) const { return lines_[server].present; }
  std::size_t size() const { return lines_.size(); }

 private:
  struct Line {
    std::uint32_t present = 0;
    std::uint32_t first = kNobody, last = kNobody;
  };
  std::uint32_t workers_;
  std::vector<Line> lines_;
  std::vector<std::uint32_t> behind_;  // by job: who comes next in its line
};

// When each request is answered, if request i comes at arrivals[i] (ascending) to server chosen[i]
// of `servers`, each serving one at a time in the order of arrival (Lindley's recursion, 1952). No
// events: a second way to the same times, to check a simulation against.
inline std::vector<SimTime> fifo_departures(std::span<const SimTime> arrivals,
                                            std::span<const std::uint32_t> chosen,
                                            std::span<const SimTime> service, std::size_t servers) {
  std::vector<SimTime> free(servers, 0), departures(arrivals.size());
  for (std::size_t i = 0; i < arrivals.size(); ++i) {
    SimTime& until = free[chosen[i]];
    departures[i] = until = std::max(until, arrivals[i]) + service[i];
  }
  return departures;
}

// The value that at least `percent` of 100 don't exceed (nearest rank); 0 where there is none.
inline SimTime exact_percentile(std::span<const SimTime> values, double percent) {
  if (values.empty()) return 0;
  std::vector<SimTime> sorted(values.begin(), values.end());
  const auto rank = static_cast<std::size_t>(
      std::ceil(percent / 100 * static_cast<double>(sorted.size()) - 1e-9));
  const auto at = sorted.begin() + static_cast<std::ptrdiff_t>(std::max<std::size_t>(rank, 1) - 1);
  std::nth_element(sorted.begin(), at, sorted.end());
  return *at;
}
inline double exact_mean(std::span<const SimTime> values) {
  unsigned __int128 sum = 0;
  for (const SimTime value : values) sum += value;
  return values.empty() ? 0 : static_cast<double>(sum) / static_cast<double>(values.size());
}
// What remains of a run's values, one per request, without the warm-up.
inline std::span<const SimTime> steady(std::span<const SimTime> values) {
  return values.subspan(
      static_cast<std::size_t>(kWarmUpShare * static_cast<double>(values.size())));
}

// What the model was held against (tests/simulator_test.cpp: closed forms; `make simulator-check`:
// servers that are there). A figure asked of more than that is shown as beyond the range.
struct ValidatedRange {
  double utilisation = 0.9;  // of the busiest server, as offered
  std::size_t servers = 1000;
  double relaxations = 2;  // that the warm-up takes at least
};
inline constexpr ValidatedRange kValidated{};

// 1 within the range, else 0: the value of the quantity `validated`. Servers that start idle reach
// their steady state within a few relaxation times, each 1 / (1 - sqrt(utilisation))^2 mean service
// times (Kleinrock), so the more they are used, the more requests it takes; a run with fewer is
// beyond the range too. `requests`: to all servers, the warm-up included.
inline double validated(double utilisation, std::size_t servers,
                        std::size_t requests = ~std::size_t{0}) {
  if (!(utilisation <= kValidated.utilisation) || servers > kValidated.servers) return 0;
  const double gap = 1 - std::sqrt(std::max(utilisation, 0.0));
  const double needed =
      kValidated.relaxations * utilisation * static_cast<double>(servers) / (gap * gap);
  return kWarmUpShare * static_cast<double>(requests) >= needed ? 1 : 0;
}

}  // namespace headroom
