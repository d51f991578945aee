// The simulator: its order of events, its servers, and closed forms, within 1%.
#include "support/simulator.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "catch.h"
#include "support/queueing.h"

namespace headroom {
namespace {

TEST_CASE("simulator: events come by time, and those of one time in the order of scheduling") {
  Rng rng(5);
  EventQueue<std::uint32_t> events;
  std::multimap<SimTime, std::uint32_t> model;  // equal keys keep their order
  std::uint32_t next = 0;
  for (int turn = 0; turn < 20'000; ++turn) {
    const std::uint64_t scheduled = bounded(rng, 3);
    for (std::uint64_t i = 0; i < scheduled; ++i, ++next) {
      const SimTime delay = bounded(rng, 8);
      events.after(delay, next);
      model.emplace(events.now() + delay, next);
    }
    REQUIRE(events.size() == model.size());
    if (model.empty() || bounded(rng, 8) == 0) continue;
    const std::uint32_t got = events.next();
    REQUIRE(got == model.begin()->second);
    REQUIRE(events.now() == model.begin()->first);
    model.erase(model.begin());
  }
  while (!model.empty()) {
    REQUIRE(!events.empty());
    REQUIRE(events.next() == model.begin()->second);
    model.erase(model.begin());
  }
  CHECK(events.empty());
  CHECK(events.taken() == next);
}

TEST_CASE("simulator: a time that has passed counts as now") {
  EventQueue<int> events;
  events.at(10, 1);
  CHECK(events.next() == 1);
  events.at(3, 2);
  CHECK(events.next() == 2);
  CHECK(events.now() == 10);
}

TEST_CASE("simulator: draws are the same on every machine") {
  SimRandom random(42);
  CHECK(random.exponential(1'000'000) == 1'701'135);
  CHECK(random.exponential(1'000'000'000) == 1'207'717'171);
  double sum = 0;
  for (int i = 0; i < 1'000'000; ++i) sum += static_cast<double>(random.exponential(1000));
  CHECK(std::abs(sum / 1e6 - 999.5) < 4);
}

TEST_CASE("simulator: percentiles are of the nearest rank") {
  std::vector<SimTime> values;
  CHECK(exact_percentile(values, 99) == 0);
  CHECK(exact_mean(values) == 0);
  for (SimTime i = 100; i > 0; --i) values.push_back(i);
  CHECK(exact_percentile(values, 99) == 99);
  CHECK(exact_percentile(values, 50) == 50);
  CHECK(exact_percentile(values, 100) == 100);
  CHECK(exact_percentile(values, 0) == 1);
  CHECK(exact_mean(values) == 50.5);
  CHECK(steady(values).size() == 75);
  CHECK(steady(values).front() == 75);
}

// Requests that come by chance to servers chosen at random, by events.
struct Farm {
  std::vector<SimTime> arrivals, service, latency;
  std::vector<std::uint32_t> chosen;
  std::uint64_t events = 0;
};

constexpr SimTime kService = 1'000'000;

// `lines` lines of `workers` workers each, exponential service or (`fixed`) all the same.
Farm farm(std::size_t requests, std::uint32_t lines, std::uint32_t workers, double utilisation,
          std::uint64_t seed, bool fixed = false) {
  struct Event {
    std::uint32_t job;
    bool finish;
  };
  Farm all;
  const double per_second = utilisation * lines * workers * 1e9 / static_cast<double>(kService);
  all.arrivals = poisson_arrivals(requests, per_second, seed);
  SimRandom random(seed + 1);
  for (std::size_t i = 0; i < requests; ++i) {
    all.service.push_back(fixed ? kService : random.exponential(kService));
    all.chosen.push_back(random.below(lines));
  }
  all.latency.resize(requests);
  FifoServers servers(lines, workers, requests);
  EventQueue<Event> events(std::size_t{lines} * workers + 1);
  if (requests != 0) events.at(all.arrivals[0], {0, false});
  while (!events.empty()) {
    const auto [job, finish] = events.next();
    const std::uint32_t server = all.chosen[job];
    if (finish) {
      all.latency[job] = events.now() - all.arrivals[job];
      const std::uint32_t next = servers.leave(server);
      if (next != kNobody) events.after(all.service[next], {next, true});
    } else {
      if (servers.join(server, job)) events.after(all.service[job], {job, true});
      if (job + 1 < requests) events.at(all.arrivals[job + 1], {job + 1, false});
    }
  }
  all.events = events.taken();
  return all;
}

double times(double ns) { return ns / static_cast<double>(kService); }
double mean(const Farm& of) { return times(exact_mean(steady(of.latency))); }
double percentile(const Farm& of, double percent) {
  return times(static_cast<double>(exact_percentile(steady(of.latency), percent)));
}
bool near(double got, double want, double by = 0.01) { return std::abs(got / want - 1) < by; }

TEST_CASE("simulator: events and Lindley's recursion come to the same times, to the nanosecond") {
  for (const std::uint32_t lines : {1u, 2u, 7u, 100u}) {
    const Farm all = farm(20'000, lines, 1, 0.9, lines);
    const auto departures = fifo_departures(all.arrivals, all.chosen, all.service, lines);
    for (std::size_t i = 0; i < departures.size(); ++i)
      REQUIRE(departures[i] == all.arrivals[i] + all.latency[i]);
    CHECK(all.events == 2 * 20'000);
  }
}

// How many requests 1% needs is known as well: the mean over n requests of M/M/1 has a relative
// standard error of about 2.1 / ((1 - utilisation) sqrt(n)) (Whitt, Planning queueing simulations,
// 1989), so 10^6 events suffice up to 0.5, and 0.9 takes tens of times as many.
TEST_CASE("simulator: M/M/1 within 1% of the closed form at 10^6 events, more where it is busy") {
  for (const auto& [rho, requests] :
       {std::pair{0.3, 500'000}, std::pair{0.5, 500'000}, std::pair{0.7, 4'000'000}}) {
    const Farm all = farm(static_cast<std::size_t>(requests), 1, 1, rho, 1);
    INFO("utilisation " << rho << " mean " << mean(all) << " p99 " << percentile(all, 99));
    CHECK(all.events == 2 * static_cast<std::uint64_t>(requests));
    CHECK(near(mean(all), mm1_mean(rho)));
    CHECK(near(percentile(all, 50), mm1_percentile(rho, 50)));
    CHECK(near(percentile(all, 99), mm1_percentile(rho, 99)));
  }
}

TEST_CASE("simulator: M/M/c within 1% of Erlang's C at 10^6 events") {
  for (const auto& [workers, rho] :
       {std::pair{2u, 0.5}, std::pair{16u, 0.5}, std::pair{16u, 0.9}, std::pair{100u, 0.9}}) {
    const Farm all = farm(500'000, 1, workers, rho, 3);
    INFO(workers << " workers, utilisation " << rho << " mean " << mean(all));
    CHECK(near(mean(all), mmc_mean(static_cast<int>(workers), rho)));
  }
}

TEST_CASE("simulator: M/D/1 within 1% of Pollaczek and Khinchine at 10^6 events") {
  const Farm all = farm(500'000, 1, 1, 0.7, 5, true);
  CHECK(near(mean(all), mg1_mean(0.7, 0)));
}

TEST_CASE("simulator: at the ends of its validated range, within 1%") {
  // Servers chosen at random: so many M/M/1. ln 100 / (1 - 0.9) = 46.05.
  for (const auto servers : {std::uint32_t{100}, static_cast<std::uint32_t>(kValidated.servers)}) {
    const Farm random = farm(16'000'000, servers, 1, kValidated.utilisation, 1);
    INFO(servers << " servers: mean " << mean(random) << " p99 " << percentile(random, 99));
    CHECK(near(mean(random), mm1_mean(kValidated.utilisation)));
    CHECK(near(percentile(random, 99), 46.05));
  }
}

TEST_CASE("simulator: closed forms") {
  CHECK(std::abs(mm1_percentile(0.9, 99) - 46.0517) < 1e-4);
  // Of one server Erlang's C is its utilisation; of two, 2 rho^2 / (1 + rho).
  CHECK(std::abs(erlang_c(1, 0.6) - 0.6) < 1e-12);
  CHECK(std::abs(erlang_c(2, 0.6) - 0.45) < 1e-12);
  CHECK(std::abs(mmc_mean(1, 0.75) - mm1_mean(0.75)) < 1e-12);
  CHECK(std::abs(mg1_mean(0.75, 1) - mm1_mean(0.75)) < 1e-12);
  CHECK(std::abs(mmc_wait_percentile(1, 0.9, 99) - std::log(90.0) / 0.1) < 1e-9);
  CHECK(mmc_wait_percentile(2, 0.6, 50) == 0);
}

TEST_CASE("simulator: beyond the validated range is known") {
  CHECK(validated(0.5, 100) == 1);
  CHECK(validated(kValidated.utilisation, kValidated.servers) == 1);
  CHECK(validated(0.91, 100) == 0);
  CHECK(validated(0.9, 100, 500'000) == 1);
  CHECK(validated(0.9, 100, 20'000) == 0);
  CHECK(validated(0.3, 100, 20'000) == 1);
  CHECK(validated(0.9, kValidated.servers + 1) == 0);
}

}  // namespace
}  // namespace headroom
