// scaling/edge_cache: its stores against a plain model, its figures against a closed form, and the
// same requests through an nginx that caches, beside what the simulation says of them.
#include <algorithm>
#include <list>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "catch.h"
#include "core/kernel.h"
#include "reported.h"
#include "scaling/edges.h"
#include "subset.h"
#include "support/queueing.h"
#include "support/simulator.h"

#ifdef __linux__
#include <atomic>
#include <chrono>
#include <fstream>
#include <mutex>
#include <string>
#include <thread>

#include "core/scratch.h"
#include "server_program.h"
#endif

namespace headroom {
namespace {

TEST_CASE("an edge's store has what was used last, and nothing that is too old") {
  constexpr std::size_t kObjects = 50, kRoom = 8;
  Rng rng(7);
  EdgeStore store(kObjects, kRoom);
  std::list<std::pair<std::uint32_t, SimTime>> model;  // used last first; until when
  SimTime now = 0;
  std::size_t hits = 0;
  for (int turn = 0; turn < 50'000; ++turn) {
    now += bounded(rng, 3);
    const auto object = static_cast<std::uint32_t>(bounded(rng, turn % 2 == 0 ? 10 : kObjects));
    const auto at = std::find_if(model.begin(), model.end(),
                                 [&](const auto& entry) { return entry.first == object; });
    const bool there = at != model.end();
    if (bounded(rng, 2) == 0) {
      const bool good = there && at->second > now;
      REQUIRE(store.get(object, now) == good);
      hits += good ? 1 : 0;
      if (good) model.splice(model.begin(), model, at);
      if (there && !good) model.erase(at);
    } else {
      store.put(object, now + 20);
      if (there)
        model.erase(at);
      else if (model.size() == kRoom)
        model.pop_back();
      model.emplace_front(object, now + 20);
    }
    REQUIRE(store.size() == model.size());
  }
  CHECK(hits > 1000);
}

TEST_CASE("who asks for what is on its way waits, and all have their answer in order") {
  Collapsed waiting(3, 8);
  CHECK(waiting.join(0, 5));
  CHECK_FALSE(waiting.join(0, 2));
  CHECK(waiting.join(1, 3));
  CHECK_FALSE(waiting.join(0, 7));
  std::vector<std::uint32_t> answered;
  const auto answer = [&](std::uint32_t request) { answered.push_back(request); };
  waiting.finish(0, answer);
  CHECK(answered == std::vector<std::uint32_t>{5, 2, 7});
  waiting.finish(1, answer);
  CHECK(answered.back() == 3);
  CHECK(answered.size() == 4);
  CHECK(waiting.join(0, 6));  // the next fetch
}

double figure(std::string_view variant, const char* input, const std::string& name) {
  return reported("scaling/edge_cache", variant, 400'000, input, name);
}

TEST_CASE("edge_cache: the origin alone is as many M/M/1 as it has servers") {
  if (built_kernel("scaling/edge_cache") == nullptr) return;
  // 1.1 on the way there and back. Both are of so many requests only.
  const Quantities all = reported("scaling/edge_cache", "naive", 1'000'000, "zipf");
  CHECK(all.at("mean").value == Approx(mm1_mean(0.9) + 1.1).epsilon(0.05));
  CHECK(all.at("p99").value == Approx(mm1_percentile(0.9, 99) + 1.1).epsilon(0.05));
  CHECK(all.at("origin_load").value == 1);
}

TEST_CASE("edge_cache: each step takes load off the origin, collapsing where many ask at once") {
  if (built_kernel("scaling/edge_cache") == nullptr) return;
  for (const char* input : {"zipf", "live"}) {
    INFO(input);
    const double nearest = figure("nearest_edge", input, "origin_load");
    const double hashed = figure("hashed_edges", input, "origin_load");
    const double collapsed = figure("collapsed", input, "origin_load");
    CHECK(nearest < 0.5);
    CHECK(hashed < nearest / 2);
    CHECK(collapsed <= hashed);
    CHECK(collapsed < 0.1);  // ten times less than without edges
    CHECK(figure("collapsed", input, "p99") < figure("nearest_edge", input, "p99"));
    CHECK(figure("nearest_edge", input, "p99") < figure("naive", input, "p99") / 3);
  }
  CHECK(figure("collapsed", "live", "origin_load") <
        figure("hashed_edges", "live", "origin_load") / 2);
}

// --- the same with a real edge

// Requests every 20 ms, for objects each of which is new for 400 ms and takes the origin 290 ms.
constexpr SimTime kMs = 1'000'000;
constexpr std::uint32_t kRequests = 100;
constexpr SimTime kEvery = 20 * kMs, kNew = 400 * kMs, kTakes = 290 * kMs;
SimTime arrival(std::uint32_t request) { return 10 * kMs + request * kEvery; }
std::uint32_t object_of(std::uint32_t request) {
  return static_cast<std::uint32_t>(arrival(request) / kNew);
}

// How many requests of them come to the origin, by simulation.
std::size_t simulated_fetches(bool collapse) {
  struct Event {
    std::uint32_t request;
    bool back;
  };
  EventQueue<Event> events;
  EdgeStore store(kRequests, kRequests);
  Collapsed waiting(kRequests, kRequests);
  std::size_t fetches = 0;
  for (std::uint32_t i = 0; i < kRequests; ++i) events.at(arrival(i), {i, false});
  while (!events.empty()) {
    const auto [i, back] = events.next();
    if (back) {
      store.put(object_of(i), events.now() + 3600'000 * kMs);
      if (collapse) waiting.finish(object_of(i), [](std::uint32_t) {});
    } else if (!store.get(object_of(i), events.now()) &&
               (!collapse || waiting.join(object_of(i), i))) {
      ++fetches;
      events.after(kTakes, {i, true});
    }
  }
  return fetches;
}

TEST_CASE("edge_cache: of a new object every 15 of 20 requests are fetches, collapsed one") {
  CHECK(simulated_fetches(false) == 75);
  CHECK(simulated_fetches(true) == 5);
}

#ifdef __linux__

// Answers each request with what it asked for, when it has slept; counts requests.
class SleepyOrigin {
 public:
  SleepyOrigin() : accepting_([this] { accept_all(); }) {}
  ~SleepyOrigin() {
    listener_.shut();
    accepting_.join();
    for (std::thread& one : answering_) one.join();
  }
  std::uint16_t port() const { return sockets::port_of(listener_); }
  // Of paths that begin so.
  std::size_t asked(const std::string& prefix) const {
    const std::lock_guard lock(mutex_);
    std::size_t count = 0;
    for (const auto& [path, times] : asked_) count += path.rfind(prefix, 0) == 0 ? times : 0;
    return count;
  }

 private:
  void accept_all() {
    while (true) {
      sockets::Socket connection = sockets::accept_from(listener_);
      if (connection.fd() < 0) return;
      answering_.emplace_back(
          [this, own = std::make_shared<sockets::Socket>(std::move(connection))] { answer(*own); });
    }
  }
  void answer(const sockets::Socket& connection) {
    const std::string path = http_path(http_request(connection));
    if (path.empty()) return;
    {
      const std::lock_guard lock(mutex_);
      ++asked_[path];
    }
    std::this_thread::sleep_for(std::chrono::nanoseconds(kTakes));
    http_answer(connection, path);
  }

  mutable std::mutex mutex_;
  std::map<std::string, std::size_t> asked_;
  sockets::Socket listener_ = sockets::listen_tcp();
  std::vector<std::thread> answering_;
  std::thread accepting_;
};

// What the edge answers to GET path, whole; empty where it can't be reached.
std::string got(std::uint16_t port, const std::string& path) {
  try {
    const sockets::Socket connection = sockets::connect_tcp(port);
    if (!http_get(connection, path)) return {};
    std::string text;
    char part[4096];
    while (const std::size_t more = sockets::receive_some(connection.fd(), part, sizeof part))
      text.append(part, more);
    return text;
  } catch (const std::exception&) {
    return {};
  }
}

// An nginx that keeps what the origin answers: below /plain/ as it is, below /locked/ with one
// fetch at a time of an object.
class CachingNginx {
 public:
  CachingNginx(const std::string& program, std::uint16_t origin)
      : server_({program, "-p", configured(origin) + "/", "-c", "nginx.conf"}) {}
  std::uint16_t port() const { return port_; }
  bool ready() { return server_.listens(port_); }

 private:
  // The folder of its configuration.
  const std::string& configured(std::uint16_t origin) const {
    const auto location = [&](const std::string& name, const std::string& more) {
      return "location /" + name + "/ { proxy_pass http://127.0.0.1:" + std::to_string(origin) +
             "; proxy_cache " + name + "; proxy_cache_valid 200 1h; " + more + "}\n";
    };
    std::ofstream(folder_.path() + "/nginx.conf")
        << "daemon off; master_process off; error_log stderr crit; pid nginx.pid;\n"
        << "events { worker_connections 512; }\nhttp { access_log off;\n"
        << "client_body_temp_path body; proxy_temp_path proxied; fastcgi_temp_path fastcgi;\n"
        << "uwsgi_temp_path uwsgi; scgi_temp_path scgi;\n"
        << "proxy_cache_path plain keys_zone=plain:1m; proxy_cache_path locked "
           "keys_zone=locked:1m;\n"
        << "server { listen 127.0.0.1:" << port_ << ";\n"
        << location("plain", "")
        << location("locked",
                    "proxy_cache_lock on; proxy_cache_lock_timeout 60s; "
                    "proxy_cache_lock_age 60s; ")
        << "} }\n";
    return folder_.path();
  }

  ScratchFolder folder_;
  std::uint16_t port_ = free_ports(1)[0];
  ServerProgram server_;
};

TEST_CASE("edge_cache: an nginx fetches as often as the simulation says, collapsed and not") {
  const std::string program = program_named("nginx");
  if (program.empty() || !sockets::tcp_works()) {
    WARN("left out: no nginx here (Debian: apt-get install nginx-light), or no TCP on 127.0.0.1");
    return;
  }
  SleepyOrigin origin;
  CachingNginx edge(program, origin.port());
  REQUIRE(edge.ready());
  std::atomic<int> right{0};
  std::atomic<SimTime> late{0};  // the latest that a request was sent, or answered beyond a fetch
  std::vector<std::thread> users;
  const auto start = std::chrono::steady_clock::now() + std::chrono::milliseconds(200);
  for (std::uint32_t i = 0; i < kRequests; ++i)
    for (const std::string place : {"/plain/", "/locked/"})
      users.emplace_back([&, i, place, path = place + std::to_string(object_of(i))] {
        const auto intended = start + std::chrono::nanoseconds(arrival(i));
        std::this_thread::sleep_until(intended);
        const auto be_late = [&](std::chrono::steady_clock::time_point due) {
          const auto behind = static_cast<SimTime>(
              std::chrono::nanoseconds(std::chrono::steady_clock::now() - due).count());
          for (SimTime seen = late; behind > seen && !late.compare_exchange_weak(seen, behind);) {
          }
        };
        be_late(intended);
        const std::string answer = got(edge.port(), path);
        // Who waits for another's fetch looks for it now and then (proxy_cache_lock).
        if (place == "/plain/") be_late(intended + std::chrono::nanoseconds(kTakes));
        right += http_answered(answer, path) ? 1 : 0;
      });
  for (std::thread& user : users) user.join();
  CHECK(right == 2 * kRequests);
  // One fetch for an object, however late threads wake up.
  CHECK(origin.asked("/locked/") == simulated_fetches(true));
  // Without the lock it depends on when requests come.
  const std::size_t plain = origin.asked("/plain/");
  INFO("fetches: " << plain << ", a request sent or answered late by " << late / kMs
                   << " ms at most");
  CHECK(plain > 4 * origin.asked("/locked/"));
  if (late < 50 * kMs) {
    // A fetch that takes longer meets one request more in each interval between them.
    const auto more = 10 + kRequests * kEvery / kNew * (late / kEvery);
    CHECK(plain >= simulated_fetches(false) - 10);
    CHECK(plain <= simulated_fetches(false) + more);
  } else {
    WARN("too busy a machine for the number of fetches without the lock: late by " << late / kMs
                                                                                   << " ms");
  }
}
#endif

}  // namespace
}  // namespace headroom
