// scaling/sharding: a store in parts, and keys that are asked for far more than others. Simulated.
//
// n is the number of requests for 10,000 keys; one in twenty is a write. Requests come by chance
// (Poisson); a shard serves one at a time, first come, first served, 1 ms in the mean
// (exponential). There are sixteen shards. The ladder is judged by `throughput`: how many requests
// come in a mean service time at the largest rate, of a grid of steps of 2.2%, at which the p99 of
// the latency is 20 mean service times at most.
//
//   zipf     the k-th key is asked for in proportion to 1 / k^0.99, and keys that are near each
//            other are asked for alike, as where the newest are asked for most
//   uniform  all keys alike
//
// What a variant knows of the load it has from the first quarter of the requests, which count for
// no figure. Out: for each request the shards that served it, one for a read, all that hold the key
// for a write; the largest rate, and each request's latency at it. All of it is computed a second
// way, without events, and so is that the next larger rate is too much. `hottest` is how many
// requests the fullest shard serves, in means of the sixteen.
#include <array>
#include <bit>
#include <cstdint>

#include "core/kernel.h"
#include "scaling/outcome.h"
#include "scaling/shard_rules.h"
#include "support/simulator.h"

namespace headroom {
namespace {

constexpr std::uint32_t kShards = 16, kKeys = 10'000;
constexpr double kWrites = 0.05;
constexpr SimTime kLimit = 20 * kService;
constexpr int kRates = 256;  // from 1/4 to 64 requests in a mean service time

// Products only, so that the grid is the same on every machine.
double rate_at(int step) {
  double rate = 0.25;
  for (int i = 0; i < step; ++i) rate *= 1.0218971486541166;  // 32 steps to an octave
  return rate;
}
// When a request comes that would come at `unit`, if one came in a mean service time.
SimTime at_rate(SimTime unit, double rate) {
  return static_cast<SimTime>(static_cast<double>(unit) / rate);
}

using Mask = std::uint16_t;  // of shards

struct Sharding {
  static constexpr auto kInputs = inputs("zipf", "uniform");
  struct Request {
    std::uint32_t key = 0, draw = 0;  // draw: which copy is read, where there are several
    SimTime service = 0;
    bool write = false;
  };
  struct Input {
    Buffer<SimTime> arrivals;  // at a rate of one
    Buffer<Request> requests;
  };
  struct Output {
    Buffer<Mask> holders;  // of each key
    Buffer<Mask> served;   // of each request
    Buffer<SimTime> latency;
    int step = -1;  // of the rate; -1: even the lowest is too much
    void poison() {
      headroom::poison(holders), headroom::poison(served), headroom::poison(latency);
      step = kRates;
    }
    bool spoil(Spoil how) { return spoil_parts(how, latency, served); }
    Quantities quantities() const;
  };

  static Input make(const Setting& setting, Rng& rng) {
    Input in;
    const Arrivals arrivals =
        poisson_arrivals(setting.n, 1e9 / static_cast<double>(kService), rng());
    SimRandom random(rng());
    in.arrivals = Buffer<SimTime>(setting.n), in.requests = Buffer<Request>(setting.n);
    std::copy(arrivals.begin(), arrivals.end(), in.arrivals.begin());
    const Zipf popular(kKeys, 0.99);
    for (Request& one : in.requests) {
      one.key = setting.input == kInputs["zipf"]
                    ? static_cast<std::uint32_t>(popular(random.generator()))
                    : random.below(kKeys);
      one.draw = random.below(1u << 31);
      one.service = random.exponential(kService);
      one.write = random.chance(kWrites);
    }
    return in;
  }
  static void size(const Input& in, Output& out) {
    out.holders = Buffer<Mask>(kKeys);
    out.served = Buffer<Mask>(in.requests.size());
    out.latency = Buffer<SimTime>(in.requests.size());
  }
  static absl::Status same(const Input& in, const Output& want, const Output& got) {
    const absl::Status right = sound(in, want);
    return right.ok() ? sound(in, got) : right;
  }

 private:
  // Each shard in order (Lindley's recursion): no events.
  static std::vector<SimTime> latencies(const Input& in, const Output& out, double rate) {
    std::array<SimTime, kShards> free{};
    std::vector<SimTime> all(in.requests.size());
    for (std::size_t i = 0; i < all.size(); ++i) {
      const SimTime came = at_rate(in.arrivals[i], rate);
      for (unsigned left = out.served[i]; left != 0; left &= left - 1) {
        SimTime& until = free[static_cast<std::size_t>(std::countr_zero(left))];
        until = std::max(until, came) + in.requests[i].service;
        all[i] = std::max(all[i], until - came);
      }
    }
    return all;
  }
  static absl::Status sound(const Input& in, const Output& out) {
    for (std::size_t i = 0; i < in.requests.size(); ++i) {
      const Mask holders = out.holders[in.requests[i].key], served = out.served[i];
      if (in.requests[i].write ? served != holders
                               : std::popcount(served) != 1 || (served & holders) == 0)
        return differ("request " + std::to_string(i) + " served by: ",
                      "shards that hold its key, a write by all", std::to_string(served));
    }
    if (out.step < -1 || out.step >= kRates) return differ("rate: ", "one of the grid", "another");
    const std::vector<SimTime> truth = latencies(in, out, rate_at(std::max(out.step, 0)));
    const absl::Status right =
        exact(std::span<const SimTime>(truth),
              std::span<const SimTime>(out.latency.data(), out.latency.size()));
    if (!right.ok()) return right;
    if (out.step >= 0 && exact_percentile(steady(truth), 99) > kLimit)
      return differ("p99: ", "within the limit", "more");
    if (out.step + 1 < kRates &&
        exact_percentile(steady(latencies(in, out, rate_at(out.step + 1))), 99) <= kLimit)
      return differ("rate: ", "the largest", "one that is smaller");
    return absl::OkStatus();
  }
};
using Input = Sharding::Input;
using Output = Sharding::Output;

Quantities Sharding::Output::quantities() const {
  std::array<double, kShards> loads{};
  double all = 0;
  for (const Mask mask : served)
    for (unsigned left = mask; left != 0; left &= left - 1, ++all)
      ++loads[static_cast<std::size_t>(std::countr_zero(left))];
  const double hottest = *std::max_element(loads.begin(), loads.end());
  const double rate = step < 0 ? 0 : rate_at(step);
  const double requests = static_cast<double>(std::max<std::size_t>(served.size(), 1));
  Quantities figures =
      latency_figures({latency.data(), latency.size()}, rate * hottest / requests, kShards);
  figures["throughput"] = {rate, "requests/service time"};
  figures["hottest"] = {all == 0 ? 0 : hottest * kShards / all, "means"};
  figures["written_to"] = {all / requests, "shards/request"};
  return figures;
}

// What the first quarter of the requests says: how often each key is asked for.
std::vector<std::uint32_t> seen(const Input& in) {
  std::vector<std::uint32_t> counts(kKeys);
  const auto quarter =
      static_cast<std::size_t>(kWarmUpShare * static_cast<double>(in.requests.size()));
  for (std::size_t i = 0; i < quarter; ++i) ++counts[in.requests[i].key];
  return counts;
}

// The p99 at a rate, by events; writes the latencies.
SimTime simulate(const Input& in, double rate, Output& out) {
  struct Event {
    std::uint32_t request;
    std::uint32_t shard;  // kShards: it comes; else it is served there
  };
  const auto n = static_cast<std::uint32_t>(in.requests.size());
  // In a line of each shard a request has a number of its own.
  std::vector<FifoServers> shards(kShards, FifoServers(1, 1, n));
  EventQueue<Event> events(64);
  if (n != 0) events.at(at_rate(in.arrivals[0], rate), {0, kShards});
  while (!events.empty()) {
    const auto [i, shard] = events.next();
    if (shard == kShards) {
      for (unsigned left = out.served[i]; left != 0; left &= left - 1) {
        const auto at = static_cast<std::uint32_t>(std::countr_zero(left));
        if (shards[at].join(0, i)) events.after(in.requests[i].service, {i, at});
      }
      if (i + 1 < n) events.at(at_rate(in.arrivals[i + 1], rate), {i + 1, kShards});
    } else {
      out.latency[i] = events.now() - at_rate(in.arrivals[i], rate);  // a write: of the last shard
      const std::uint32_t next = shards[shard].leave(0);
      if (next != kNobody) events.after(in.requests[next].service, {next, shard});
    }
  }
  return exact_percentile(steady({out.latency.data(), out.latency.size()}), 99);
}

// Serves by `holders`, at one rate after the other: a larger one makes no latency smaller, so the
// largest that passes is found by bisection.
void serve(const Input& in, Output& out) {
  for (std::size_t i = 0; i < in.requests.size(); ++i) {
    const Sharding::Request& request = in.requests[i];
    unsigned left = out.holders[request.key];
    if (!request.write) {
      for (auto skip = request.draw % static_cast<std::uint32_t>(std::popcount(left)); skip != 0;
           --skip)
        left &= left - 1;
      left &= ~(left - 1);
    }
    out.served[i] = static_cast<Mask>(left);
  }
  int passed = -1, failed = kRates;
  while (passed + 1 < failed) {
    const int middle = passed + (failed - passed) / 2;
    (simulate(in, rate_at(middle), out) <= kLimit ? passed : failed) = middle;
  }
  out.step = passed;
  simulate(in, rate_at(std::max(passed, 0)), out);
}

// One shard has all keys.
void naive(const Input& in, Output& out) {
  std::fill(out.holders.begin(), out.holders.end(), Mask{1});
  serve(in, out);
}

// As many keys for each. Scans stay within a shard, but the keys that everybody wants lie side by
// side.
void by_range(const Input& in, Output& out) {
  for (std::uint32_t key = 0; key < kKeys; ++key)
    out.holders[key] = static_cast<Mask>(1u << key * kShards / kKeys);
  serve(in, out);
}

// Ranges that were asked for as often as each other: what a store comes to that splits a range when
// it has too much to do. A single key can't be split so.
void by_load(const Input& in, Output& out) {
  const std::vector<std::uint32_t> counts = seen(in);
  std::uint64_t all = 0, before = 0;
  for (const std::uint32_t count : counts) all += count + 1;
  for (std::uint32_t key = 0; key < kKeys; ++key) {
    out.holders[key] = static_cast<Mask>(1u << before * kShards / all);
    before += counts[key] + 1;
  }
  serve(in, out);
}

// Keys that are near each other part company, so each shard gets some of those that everybody
// wants.
void by_hash(const Input& in, Output& out) {
  for (std::uint32_t key = 0; key < kKeys; ++key)
    out.holders[key] = static_cast<Mask>(1u << shards::by_jump(key, kShards));
  serve(in, out);
}

// By hash, but a key that takes more than an eighth of a shard has copies: any of them is read, all
// are written. Copies lie on those shards that have least to do, the most wanted key first.
void hot_split(const Input& in, Output& out) {
  const std::vector<std::uint32_t> counts = seen(in);
  double all = 0;
  for (const std::uint32_t count : counts) all += count;
  std::array<double, kShards> loads{};  // in parts of a shard
  std::vector<std::pair<std::uint32_t, std::uint32_t>> hot;
  for (std::uint32_t key = 0; key < kKeys; ++key) {
    const double load = all == 0 ? 0 : counts[key] * kShards / all;
    const auto shard = shards::by_jump(key, kShards);
    out.holders[key] = static_cast<Mask>(1u << shard);
    if (load > 0.125)
      hot.emplace_back(counts[key], key);
    else
      loads[shard] += load;
  }
  std::sort(hot.rbegin(), hot.rend());
  for (const auto& [count, key] : hot) {
    const double load = count * kShards / all;
    const auto copies = std::min(static_cast<std::uint32_t>(load * 4) + 1, kShards);
    const double each = load * ((1 - kWrites) / copies + kWrites);
    Mask holders = 0;
    for (std::uint32_t i = 0; i < copies; ++i) {
      std::uint32_t least = kShards;
      for (std::uint32_t shard = 0; shard < kShards; ++shard)
        if ((holders >> shard & 1) == 0 && (least == kShards || loads[shard] < loads[least]))
          least = shard;
      holders = static_cast<Mask>(holders | 1u << least);
      loads[least] += each;
    }
    out.holders[key] = holders;
  }
  serve(in, out);
}

constexpr Variant<Sharding> kVariants[] = {
    {.name = "naive", .run = run<naive>, .what = "one shard has all keys"},
    {.name = "by_range",
     .run = run<by_range>,
     .what = "16 ranges with as many keys: the keys that everybody wants lie side by side"},
    {.name = "by_load",
     .run = run<by_load>,
     .what = "16 ranges with as many requests so far: a single hot key is still one shard's"},
    {.name = "by_hash",
     .run = run<by_hash>,
     .what = "16 shards by hash: hot keys part company, but the hottest is still one shard's"},
    {.name = "hot_split",
     .run = run<hot_split>,
     .what = "by hash, and hot keys have copies: any is read, all are written"},
};

const Registrar kRegistrar(
    {.name = "scaling/sharding",
     .axis = Axis::kScalar,
     .technique = "split the load, not the keys",
     .sizes = {20'000, 200'000},
     .headline = {200'000},
     .measure = {.name = "throughput", .unit = "requests/service time", .more_is_better = true},
     .simulated = true,
     .promise = Promise::kNone,
     .demand =
         [](const Setting& s) {
           return Demand{.items = static_cast<double>(std::max<std::size_t>(s.n, 1)),
                         .working_set = 120 * s.n,
                         .memory = (std::size_t{16} << 20) + 600 * s.n};
         },
     .test_sizes = {0, 1, 2, 3, 100, 1000, 4097}},
    kVariants);

}  // namespace
}  // namespace headroom
