// The rules of scaling/load_balancer beside HAProxy's: the same requests, at the same times,
// through a HAProxy to servers that are there and through the simulator.
//
// HAProxy says of each request which one it was in the order of its decisions, and how many
// requests each server had when it decided. So its choices can be judged however late a busy
// machine makes everything. Latencies can be compared only where the machine was in time.
#ifdef __linux__
#include <poll.h>
#include <sys/epoll.h>
#include <sys/prctl.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <deque>
#include <exception>
#include <fstream>
#include <numeric>
#include <span>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "catch.h"
#include "core/scratch.h"
#include "scaling/balancers.h"
#include "server_program.h"
#include "subset.h"
#include "support/arrivals.h"
#include "support/simulator.h"

namespace headroom {
namespace {

using Steady = std::chrono::steady_clock;

constexpr std::uint32_t kServers = 8;
constexpr double kUtilisation = 0.85;
constexpr SimTime kMs = 1'000'000;
// Long beside what a machine with two busy cores takes to wake a thread.
constexpr SimTime kMeanService = 20 * kMs;
constexpr std::uint32_t kRequests = 1200;  // 3.5 s
// Where a thread wakes up later than this in the mean, latencies are not compared.
constexpr double kLate = 0.025;  // mean services
// Between a request's time and its answer five threads wake up one after the other: the client's
// that sends it, HAProxy's, the server's, HAProxy's again, the client's that reads the answer. On a
// busy machine the late ones come together.
constexpr double kWakes = 12;
// For what else the way takes, connections and copies.
constexpr double kWay = 0.05;

struct Work {
  std::vector<SimTime> arrivals, service;
};

Work work_of(std::uint64_t seed) {
  Work work{poisson_arrivals(kRequests, kUtilisation * kServers * 1e9 / double{kMeanService}, seed),
            {}};
  SimRandom random(seed + 1);
  for (std::uint32_t i = 0; i < kRequests; ++i)
    work.service.push_back(random.exponential(kMeanService));
  return work;
}

// --- by simulation

template <class Rule>
std::vector<SimTime> simulated(const Work& work, std::uint64_t seed) {
  struct Event {
    std::uint32_t request, server;  // kNobody: it arrives
  };
  std::vector<SimTime> latency(kRequests);
  Rule rule(kServers, seed);
  FifoServers servers(kServers, 1, kRequests);
  EventQueue<Event> events(kServers + 1);
  events.at(work.arrivals[0], {0, kNobody});
  while (!events.empty()) {
    const auto [i, at] = events.next();
    if (at == kNobody) {
      const std::uint32_t chosen =
          rule.choose([&](std::uint32_t server) { return servers.present(server); });
      rule.more(chosen);
      if (servers.join(chosen, i)) events.after(work.service[i], {i, chosen});
      if (i + 1 < kRequests) events.at(work.arrivals[i + 1], {i + 1, kNobody});
    } else {
      latency[i] = events.now() - work.arrivals[i];
      rule.less(at);
      const std::uint32_t next = servers.leave(at);
      if (next != kNobody) events.after(work.service[next], {next, at});
    }
  }
  return latency;
}

// --- for real

// Sleeps end late by the timer's slack, 50 us unless a thread asks for less.
void sleep_exactly() { prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL); }

SimTime nanoseconds(Steady::duration time) {
  return static_cast<SimTime>(std::chrono::nanoseconds(time).count());
}

// What became of one request.
struct Real {
  // Told by the server.
  std::uint32_t server = kNobody;
  std::uint32_t turn = 0;                        // among HAProxy's decisions, from 1
  std::array<std::uint32_t, kServers> had = {};  // requests at each server by HAProxy's count
  Steady::time_point began;
  SimTime took = 0;  // from began to the answer
  // Told by the client.
  Steady::time_point sent;
  SimTime late = 0;  // how long after its time
  SimTime latency = 0;
  bool right = false;
};

// Serves one request at a time. Those that wait are the connections that the system keeps until
// they are accepted, in the order in which they came.
class SleepyServer {
 public:
  SleepyServer(std::uint32_t name, std::vector<Real>& requests)
      : name_(name), requests_(requests), serving_([this] { serve(); }) {}
  ~SleepyServer() {
    listener_.shut();
    serving_.join();
  }
  std::uint16_t port() const { return sockets::port_of(listener_); }

 private:
  void serve() {
    sleep_exactly();
    Steady::time_point free;  // since when
    while (true) {
      pollfd look{listener_.fd(), POLLIN, 0};
      const bool waits = poll(&look, 1, 0) == 1;
      const sockets::Socket connection = sockets::accept_from(listener_);
      if (connection.fd() < 0) return;
      // Who waited was next the moment that the last one was done.
      const Steady::time_point began = waits ? free : Steady::now();
      const std::string asked = http_request(connection);
      std::istringstream path(http_path(asked));
      char slash;
      std::uint32_t request = kNobody;
      SimTime service = 0;
      if (!(path >> slash >> request >> slash >> service) || request >= requests_.size()) continue;
      std::this_thread::sleep_until(Steady::now() + std::chrono::nanoseconds(service));
      Real& real = requests_[request];
      free = Steady::now();
      real.server = name_, real.began = began, real.took = nanoseconds(free - began);
      std::istringstream turn(header(asked, "x-turn: ")), had(header(asked, "x-had: "));
      turn >> real.turn;
      for (std::uint32_t& one : real.had) had >> one;
      http_answer(connection, std::to_string(request));
    }
  }
  static std::string header(const std::string& request, const std::string& name) {
    const std::size_t at = request.find("\r\n" + name);
    if (at == std::string::npos) return {};
    const std::size_t from = at + 2 + name.size();
    return request.substr(from, request.find('\r', from) - from);
  }

  std::uint32_t name_;
  std::vector<Real>& requests_;
  sockets::Socket listener_ = sockets::listen_tcp(kRequests);
  std::thread serving_;
};

// A rule with eight servers of its own, so that all rules get the same requests at the same time.
struct Balanced {
  std::string name, balance;  // what HAProxy calls the rule
  std::vector<Real> requests;
};

class Haproxy {
 public:
  Haproxy(const std::string& program, const std::vector<Balanced>& rules,
          const std::deque<SleepyServer>& servers)
      : ports_(free_ports(rules.size())),
        server_({program, "-db", "-f", configured(rules, servers)}) {}
  std::uint16_t port(std::size_t rule) const { return ports_[rule]; }
  bool ready() {
    return std::all_of(ports_.begin(), ports_.end(),
                       [&](std::uint16_t port) { return server_.listens(port); });
  }

 private:
  // The file of its configuration.
  std::string configured(const std::vector<Balanced>& rules,
                         const std::deque<SleepyServer>& servers) const {
    std::string path = folder_.path() + "/haproxy.cfg";
    std::ofstream file(path);
    // One thread, so that decisions have an order.
    file << "global\n nbthread 1\n maxconn 1000\n"
         << "defaults\n mode http\n option httpclose\n retries 0\n"
         << " timeout connect 60s\n timeout client 60s\n timeout server 60s\n"
         // `random` draws a point of a ring on which a server has 16 points for each unit of
         // weight. With the usual weight of 1 the busiest of eight has much more than its share.
         << " default-server weight 256\n";
    std::size_t server = 0;
    for (std::size_t i = 0; i < rules.size(); ++i) {
      const std::string& name = rules[i].name;
      const std::string count = "proc." + name;  // of decisions
      file << "listen " << name << "\n bind 127.0.0.1:" << ports_[i] << "\n balance "
           << rules[i].balance << "\n http-request set-var(" << count << ") int(0) unless { var("
           << count << ") -m found }\n http-request set-var(" << count << ") var(" << count
           << "),add(1)\n http-request set-header x-turn %[var(" << count
           << ")]\n http-request set-header x-had \"";
      for (std::uint32_t k = 0; k < kServers; ++k)
        file << (k == 0 ? "" : " ") << "%[srv_conn(" << name << "/" << k << ")]";
      file << "\"\n";
      for (std::uint32_t k = 0; k < kServers; ++k)
        file << " server " << k << " 127.0.0.1:" << servers[server++].port() << "\n";
    }
    return path;
  }

  ScratchFolder folder_;
  std::vector<std::uint16_t> ports_;
  ServerProgram server_;
};

// Sends each rule's proxy every request at its time, whatever was answered until then, and waits
// for the answers.
void ask_all(const Work& work, const Haproxy& haproxy, std::vector<Balanced>& rules) {
  const sockets::Socket events(epoll_create1(EPOLL_CLOEXEC));
  REQUIRE(events.fd() >= 0);
  std::vector<sockets::Socket> connections(rules.size() * kRequests);
  std::atomic<std::uint32_t> failed{0};
  const Steady::time_point start = Steady::now() + std::chrono::milliseconds(20);
  std::thread sending([&] {
    sleep_exactly();
    for (std::uint32_t i = 0; i < kRequests; ++i) {
      const Steady::time_point due = start + std::chrono::nanoseconds(work.arrivals[i]);
      std::this_thread::sleep_until(due);
      const std::string path = "/" + std::to_string(i) + "/" + std::to_string(work.service[i]);
      for (std::size_t rule = 0; rule < rules.size(); ++rule) {
        const auto which = static_cast<std::uint32_t>(rule * kRequests + i);
        Real& real = rules[rule].requests[i];
        real.sent = Steady::now(), real.late = nanoseconds(real.sent - due);
        try {
          connections[which] = sockets::connect_tcp(haproxy.port(rule));
          epoll_event event{};
          event.events = EPOLLIN, event.data.u32 = which;
          if (http_get(connections[which], path) &&
              epoll_ctl(events.fd(), EPOLL_CTL_ADD, connections[which].fd(), &event) == 0)
            continue;
        } catch (const std::exception&) {
        }
        ++failed;
      }
    }
  });
  std::vector<std::string> answers(connections.size());
  for (std::size_t done = 0; done + failed < connections.size();) {
    std::array<epoll_event, 64> some;
    const int count = epoll_wait(events.fd(), some.data(), static_cast<int>(some.size()), 10'000);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;  // nothing for 10 s
    for (int k = 0; k < count; ++k) {
      const std::uint32_t which = some[static_cast<std::size_t>(k)].data.u32, i = which % kRequests;
      char part[4096];
      const std::size_t more = sockets::receive_some(connections[which].fd(), part, sizeof part);
      Real& real = rules[which / kRequests].requests[i];
      if (more != 0) {
        answers[which].append(part, more);
        real.latency = nanoseconds(Steady::now() - start) - work.arrivals[i];
        continue;
      }
      real.right = http_answered(answers[which], std::to_string(i));
      connections[which].close();
      ++done;
    }
  }
  sending.join();
}

// --- what is held against what

// HAProxy's decisions in their order. Each has its turn, once.
std::vector<Real> decisions(const Balanced& rule) {
  std::vector<Real> all = rule.requests;
  std::sort(all.begin(), all.end(), [](const Real& a, const Real& b) { return a.turn < b.turn; });
  for (std::uint32_t i = 0; i < kRequests; ++i) REQUIRE(all[i].turn == i + 1);
  return all;
}

// How many decisions chose one of certain servers, and how many should have if `draws` servers are
// drawn and the one with the fewest requests is taken. Given what each had when HAProxy decided, a
// decision is a toss of its own, however it came to that: the number is about normal.
struct Tally {
  double count = 0, expected = 0, variance = 0;
  double off() const { return (count - expected) / std::sqrt(variance); }
};
template <class Counts>  // whether a server counts, in the decision i
Tally tally(const std::vector<Real>& decisions, int draws, Counts counts) {
  Tally all;
  for (std::size_t i = 1; i < decisions.size(); ++i) {
    const auto& had = decisions[i].had;
    double chance = 0;
    for (std::uint32_t server = 0; server < kServers; ++server) {
      if (!counts(i, server)) continue;
      double more = 0, same = 0;
      for (const std::uint32_t other : had) {
        more += other > had[server] ? 1 : 0;
        same += other == had[server] ? 1 : 0;
      }
      chance +=
          (std::pow((more + same) / kServers, draws) - std::pow(more / kServers, draws)) / same;
    }
    all.count += counts(i, decisions[i].server) ? 1 : 0;
    all.expected += chance, all.variance += chance * (1 - chance);
  }
  return all;
}
std::uint32_t fewest(const Real& decision) {
  return *std::min_element(decision.had.begin(), decision.had.end());
}

void check_draws(const Balanced& rule, int draws) {
  const std::vector<Real> all = decisions(rule);
  const Tally least = tally(all, draws, [&](std::size_t i, std::uint32_t server) {
    return all[i].had[server] == fewest(all[i]);
  });
  INFO(rule.balance << ": least loaded " << least.count << ", expected " << least.expected);
  CHECK(std::abs(least.off()) < 5);
  const Tally again = tally(
      all, draws, [&](std::size_t i, std::uint32_t server) { return server == all[i - 1].server; });
  INFO("the same as before " << again.count << ", expected " << again.expected);
  CHECK(std::abs(again.off()) < 5);
}

double mean_of(std::span<const SimTime> latency) {
  return exact_mean(latency) / double{kMeanService};
}
double p99_of(std::span<const SimTime> latency) {
  return static_cast<double>(exact_percentile(latency, 99)) / double{kMeanService};
}

std::vector<SimTime> latencies(const Balanced& rule) {
  std::vector<SimTime> all;
  for (const Real& one : rule.requests) all.push_back(one.latency);
  return all;
}

// What the choices come to by Lindley's recursion, request by request, if services take as long as
// `service` says.
std::vector<SimTime> follows(const Work& work, const Balanced& rule,
                             const std::vector<SimTime>& service) {
  std::vector<std::uint32_t> order(kRequests), chosen;
  std::iota(order.begin(), order.end(), 0u);
  std::sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
    return rule.requests[a].began < rule.requests[b].began;
  });
  std::vector<SimTime> arrivals, takes, latency(kRequests);
  for (const std::uint32_t i : order) {
    arrivals.push_back(work.arrivals[i]);
    chosen.push_back(rule.requests[i].server);
    takes.push_back(service[i]);
  }
  const std::vector<SimTime> departures = fifo_departures(arrivals, chosen, takes, kServers);
  for (std::uint32_t k = 0; k < kRequests; ++k) latency[order[k]] = departures[k] - arrivals[k];
  return latency;
}

// A figure of many simulations that draw differently: where it lies, and within which factor.
class Spread {
 public:
  void add(double figure) {
    const double log = std::log(figure);
    sum_ += log, squares_ += log * log, ++count_;
  }
  double middle() const { return std::exp(sum_ / count_); }
  // That five standard deviations come to; at least this one.
  double factor(double at_least) const {
    const double mean = sum_ / count_;
    return std::max(at_least,
                    std::exp(5 * std::sqrt(std::max(0.0, squares_ / count_ - mean * mean))));
  }

 private:
  double sum_ = 0, squares_ = 0, count_ = 0;
};

// Real latencies beside what the real choices come to, and beside the simulation of the rule.
// `mean_factor`, `p99_factor`: how far apart they may be where the simulation draws nothing.
template <class Rule>
void check_times(const Work& work, const Balanced& rule, double late, double mean_factor,
                 double p99_factor) {
  // Services slept longer than asked; the simulation is told so.
  Work as_served = work;
  for (std::uint32_t i = 0; i < kRequests; ++i) as_served.service[i] = rule.requests[i].took;
  const std::vector<SimTime> real = latencies(rule), same = follows(work, rule, as_served.service);
  const double way = kWay + kWakes * late;
  INFO(rule.balance << ": mean " << mean_of(real) << ", p99 " << p99_of(real) << "; by its choices "
                    << mean_of(same) << ", " << p99_of(same) << "; late by " << late);
  CHECK(mean_of(real) > 0.99 * mean_of(same));
  CHECK(mean_of(real) < 1.01 * mean_of(same) + way);
  CHECK(p99_of(real) > 0.95 * p99_of(same));
  CHECK(p99_of(real) < 1.05 * p99_of(same) + way);

  Spread mean, p99;
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    const std::vector<SimTime> latency = simulated<Rule>(as_served, seed);
    mean.add(mean_of(latency)), p99.add(p99_of(latency));
  }
  const double around = mean.factor(mean_factor), tail = p99.factor(p99_factor);
  INFO("simulated: mean " << mean.middle() << ", factor " << around << "; p99 " << p99.middle()
                          << ", factor " << tail);
  CHECK(mean_of(real) > mean.middle() / around);
  CHECK(mean_of(real) < mean.middle() * around + way);
  CHECK(p99_of(real) > p99.middle() / tail);
  CHECK(p99_of(real) < p99.middle() * tail + way);
}

}  // namespace

TEST_CASE("load_balancer: HAProxy chooses as our rules do, and it takes as long as simulated") {
  if (built_kernel("scaling/load_balancer") == nullptr) return;
  const std::string program = program_named("haproxy");
  if (program.empty() || !sockets::tcp_works()) {
    WARN("left out: no haproxy here (Debian: apt-get install haproxy), or no TCP on 127.0.0.1");
    return;
  }
  const Work work = work_of(2);
  std::vector<Balanced> rules;
  for (const auto& [name, balance] : {std::pair{"one_draw", "random(1)"},
                                      {"in_turn", "roundrobin"},
                                      {"two_draws", "random(2)"},
                                      {"fewest", "leastconn"}})
    rules.push_back({name, balance, std::vector<Real>(kRequests)});
  const Balanced &random = rules[0], &in_turn = rules[1], &two = rules[2], &least = rules[3];
  {
    std::deque<SleepyServer> servers;
    for (Balanced& rule : rules)
      for (std::uint32_t k = 0; k < kServers; ++k) servers.emplace_back(k, rule.requests);
    Haproxy haproxy(program, rules, servers);
    REQUIRE(haproxy.ready());
    ask_all(work, haproxy, rules);
  }

  // What holds on any machine. First, each request had its own answer, and none before its time.
  std::vector<SimTime> sent, overslept, way;  // how late threads were; two wake up on the way
  for (const Balanced& rule : rules) {
    INFO(rule.balance);
    REQUIRE(std::all_of(rule.requests.begin(), rule.requests.end(),
                        [](const Real& one) { return one.right; }));
    const std::vector<SimTime> least_possible = follows(work, rule, work.service);
    std::size_t early = 0;
    for (std::uint32_t i = 0; i < kRequests; ++i) {
      const Real& one = rule.requests[i];
      early += one.latency < least_possible[i] ? 1 : 0;
      sent.push_back(one.late), overslept.push_back(one.took - work.service[i]);
      if (one.had[one.server] == 0 && one.began > one.sent)
        way.push_back(nanoseconds(one.began - one.sent));
    }
    CHECK(early == 0);
  }
  // Then the choices.
  RoundRobinRule each(kServers, 0);
  std::size_t not_in_turn = 0, not_least = 0;
  for (const Real& one : decisions(in_turn))
    not_in_turn += one.server != each.choose([](std::uint32_t) { return 0u; }) ? 1 : 0;
  CHECK(not_in_turn == 0);
  for (const Real& one : decisions(least)) not_least += one.had[one.server] != fewest(one) ? 1 : 0;
  CHECK(not_least == 0);
  check_draws(random, 1);
  check_draws(two, 2);

  const double late = std::max({mean_of(sent), mean_of(overslept), mean_of(way) / 2});
  if (late > kLate) {
    WARN("too busy a machine to compare latencies: threads woke up late by "
         << late << " of a service in the mean, and may by " << kLate);
    return;
  }
  // HAProxy begins with the same draws at each start, so what it comes to is one sample of ours.
  check_times<RandomRule>(work, random, late, 1, 1);
  check_times<RoundRobinRule>(work, in_turn, late, 1.02, 1.05);
  check_times<TwoChoicesRule>(work, two, late, 1, 1);
  // Of equal servers ours takes the next in turn, HAProxy the one that has waited longest. Where
  // the simulation draws among them, the mean has a standard deviation of 1.5%, the p99 one of 5%.
  check_times<LeastLoadedRule>(work, least, late, 1.08, 1.28);
  CHECK(mean_of(latencies(random)) > mean_of(latencies(in_turn)));
  CHECK(mean_of(latencies(in_turn)) > mean_of(latencies(two)));
  CHECK(mean_of(latencies(two)) > mean_of(latencies(least)));
}

}  // namespace headroom
#endif
