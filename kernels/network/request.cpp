// network/request: n items of a shop, each by its key, over HTTP/1.1 from another thread.
// network/request_relay: the same with the server a round trip of 1 ms away.
//
// The server does the same for each item: it parses a request, looks the item up, formats an
// answer. What the client waits for is the way there and back, and where it connects each time, the
// way there and back before that. So: stay connected, send requests without waiting for answers,
// and at last ask for many items at once. Out: the items, whole, in the order of the keys.
//
// No wire: both sides are on this machine, the client on core 0 and the server on core 1, so that
// in network/request a round trip is system calls and wake-ups. In network/request_relay a relay
// (support/relay.h) holds back whatever is sent, and the connection itself, by 0.5 ms each way.
#include <chrono>
#include <cstdlib>
#include <memory>
#include <stdexcept>

#include "core/kernel.h"
#include "network/http_items.h"
#include "support/cpu_shares.h"
#include "support/far_side.h"
#include "support/relay.h"
#include "support/servers.h"
#include "support/slices.h"

namespace headroom {
namespace {

struct Request {
  struct Call {
    std::span<const std::uint16_t> asked;
    const std::vector<std::string>* keys;
    const std::string& key(std::size_t i) const { return (*keys)[asked[i]]; }
  };
  struct Input {
    std::vector<std::string> keys;
    std::vector<std::uint16_t> asked;  // indexes of keys
    Slices slices;
    bool relayed = false;
    Call at(std::size_t turn) const { return {slices.of(asked, turn), &keys}; }
  };
  using Output = std::vector<std::string>;

  static Input make(const Setting& setting, Rng& rng) {
    Input in;
    in.relayed = setting.input.text() == "relay_1ms";
    for (std::size_t i = 0; i < http::Shop::kItems; ++i) in.keys.push_back(std::to_string(i));
    FastRng fast(rng());
    in.slices = Slices::covering(1 << 16, setting.n);
    in.asked.resize(in.slices.items());
    for (std::uint16_t& key : in.asked)
      key = static_cast<std::uint16_t>(bounded(fast, in.keys.size()));
    return in;
  }
  static absl::Status same(const Call& call, const Output& want, const Output& got) {
    Output truth;
    for (const std::uint16_t number : call.asked) truth.push_back(http::item(number));
    const absl::Status right = exact(truth, want);
    return right.ok() ? exact(want, got) : right;
  }
};
using Call = Request::Call;
using Output = Request::Output;

#ifdef __linux__

void send_to(const sockets::Socket& connection, const std::string& text) {
  if (!sockets::send_all(connection.fd(), text.data(), text.size()))
    throw std::runtime_error("http: the server has gone");
}

sockets::Socket connected(std::uint16_t port) {
  sockets::Socket connection = sockets::connect_tcp(port);
  sockets::no_delay(connection);
  return connection;
}

// A client on core 0 that may keep its connection.
template <class Server>
struct Client {
  explicit Client(const Request::Input& in) : server(in.relayed) {}
  Quantities quantities() const { return server.quantities(); }

  Server server;
  sockets::Socket connection;  // goes before the server, which waits for its end
  http::Answers answers;
  std::string text, keys;
};

// A connection for each request, which says so, and which the server closes behind its answer.
template <class Server>
void connect_each(Client<Server>& client, const Call& call, Output& out) {
  const auto here = client.server.exchange();
  out.resize(call.asked.size());
  for (std::size_t i = 0; i < out.size(); ++i) {
    const sockets::Socket connection = connected(client.server.port());
    client.text.clear();
    http::ask_for(call.key(i), true, client.text);
    send_to(connection, client.text);
    out[i] = client.answers.only(connection.fd());
  }
}

template <class Server>
struct Connected : Client<Server> {
  explicit Connected(const Request::Input& in) : Client<Server>(in) {
    this->connection = connected(this->server.port());
  }
};

// One connection for all requests: no handshake, no socket made and closed on either side, and the
// server isn't woken up to accept.
template <class Server>
void keep_alive(Connected<Server>& client, const Call& call, Output& out) {
  const auto here = client.server.exchange();
  out.resize(call.asked.size());
  for (std::size_t i = 0; i < out.size(); ++i) {
    client.text.clear();
    http::ask_for(call.key(i), false, client.text);
    send_to(client.connection, client.text);
    out[i] = client.answers.next(client.connection.fd());
  }
}

// A window of requests is on its way before the first answer is read: one wait for all of them, and
// a system call for many. The window is bounded, or both sides could end up sending to each other
// with nobody reading.
constexpr std::size_t kWindow = 64;

template <class Server>
void pipelined(Connected<Server>& client, const Call& call, Output& out) {
  const auto here = client.server.exchange();
  out.resize(call.asked.size());
  for (std::size_t begin = 0; begin < out.size(); begin += kWindow) {
    const std::size_t end = std::min(begin + kWindow, out.size());
    client.text.clear();
    for (std::size_t i = begin; i < end; ++i) http::ask_for(call.key(i), false, client.text);
    send_to(client.connection, client.text);
    for (std::size_t i = begin; i < end; ++i) out[i] = client.answers.next(client.connection.fd());
  }
}

// One request for all items and one answer: what remains for each is its key and itself. The head
// of a message is written and parsed once.
template <class Server>
void batched(Connected<Server>& client, const Call& call, Output& out) {
  const auto here = client.server.exchange();
  out.resize(call.asked.size());
  client.text.clear();
  client.keys.clear();
  for (std::size_t i = 0; i < out.size(); ++i) client.keys.append(call.key(i)).push_back('\n');
  http::ask_for_many(client.keys, client.text);
  send_to(client.connection, client.text);
  std::string_view items = client.answers.next(client.connection.fd());
  for (std::string& item : out) {
    const std::size_t end = items.find('\n');
    if (end == std::string_view::npos) throw std::runtime_error("http: items are missing");
    item = items.substr(0, end);
    items.remove_prefix(end + 1);
  }
  if (!items.empty()) throw std::runtime_error("http: more items than keys");
}

// --- where requests go

// Half of a round trip each way, on the server's core, or on one of its own where there is one.
std::unique_ptr<const Relay> relay_to(std::uint16_t port, bool relayed) {
  if (!relayed) return nullptr;
  return std::make_unique<Relay>(Relay::Options{
      .to = port, .one_way = std::chrono::microseconds(500), .core = core_count() > 2 ? 2 : 1});
}

// Our server, a thread on core 1.
class Ours {
 public:
  explicit Ours(bool relayed)
      : far_([this] { http::serve(listener_, shop_); }),
        relay_(relay_to(sockets::port_of(listener_), relayed)) {}
  ~Ours() { listener_.shut(); }
  std::uint16_t port() const { return relay_ ? relay_->port() : sockets::port_of(listener_); }
  FarSide::Exchange exchange() { return FarSide::Exchange(far_); }
  Quantities quantities() const { return far_.quantities(); }

 private:
  const http::Shop shop_;
  const sockets::Socket listener_ = sockets::listen_tcp();
  FarSide far_;
  const std::unique_ptr<const Relay> relay_;  // goes first: its connections keep the server busy
};

// The port of the server that HEADROOM_NGINX names; 0 where it names none.
std::uint16_t nginx_port() {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): nobody sets it any more
  const char* const text = std::getenv("HEADROOM_NGINX");
  return loopback_port(text == nullptr ? "" : text);
}

// nginx, which runs apart from the client's core.
class Nginx {
 public:
  explicit Nginx(bool relayed) : relay_(relay_to(nginx_port(), relayed)) {
    // A relay is the client's process too.
    shares_.add(server_process("HEADROOM_NGINX"));
  }
  struct Exchange {
    explicit Exchange(Nginx& nginx) : here(nginx.core_), shares(nginx.shares_) {}
    const OnCore here;
    const CpuShares::Exchange shares;
  };
  std::uint16_t port() const { return relay_ ? relay_->port() : nginx_port(); }
  Exchange exchange() { return Exchange(*this); }
  Quantities quantities() const { return shares_.quantities(); }

 private:
  const CpuMask core_ = cpus_of_core(0);
  CpuShares shares_;
  const std::unique_ptr<const Relay> relay_;
};

// Whether that server has our items: one of somebody's own may not.
bool nginx_has_items() {
  static const bool has = [] {
    try {
      const sockets::Socket connection = connected(nginx_port());
      std::string text;
      http::ask_for("999", true, text);
      send_to(connection, text);
      http::Answers answers;
      return answers.only(connection.fd()) == http::item(999);
    } catch (const std::exception&) {
      return false;
    }
  }();
  return has;
}

constexpr auto kNaive = run<connect_each<Ours>>;
constexpr auto kKeepAlive = run<keep_alive<Ours>>;
constexpr auto kPipelined = run<pipelined<Ours>>;
constexpr auto kBatched = run<batched<Ours>>;
constexpr auto kNginxEach = run<connect_each<Nginx>>;
constexpr auto kNginxKeepAlive = run<keep_alive<Nginx>>;
constexpr auto kNginxPipelined = run<pipelined<Nginx>>;
#else
bool nginx_has_items() { return false; }
constexpr auto kNaive = kNotBuilt, kKeepAlive = kNotBuilt, kPipelined = kNotBuilt,
               kBatched = kNotBuilt, kNginxEach = kNotBuilt, kNginxKeepAlive = kNotBuilt,
               kNginxPipelined = kNotBuilt;
#endif

constexpr Need kNginx{"nginx", nginx_has_items,
                      "make deps SERVICES=1, on Debian apt-get install nginx-light (headroom run "
                      "starts a server), or "
                      "name one with our items in HEADROOM_NGINX"};
constexpr Need kNeeds[] = {sockets::kTcp, kTwoCores};
constexpr Need kNeedsNginx[] = {sockets::kTcp, kTwoCores, kNginx};

constexpr Variant<Request> kVariants[] = {
    {.name = "naive",
     .run = kNaive,
     .what = "a connection for each request over TCP on this machine (no wire)",
     .needs = kNeeds},
    {.name = "keep_alive",
     .run = kKeepAlive,
     .what = "one connection for all: no handshake, no socket made and closed, no accept",
     .needs = kNeeds},
    {.name = "pipelined",
     .run = kPipelined,
     .what = "64 requests sent before the first answer is read: one wait for all of them",
     .needs = kNeeds},
    {.name = "batched",
     .run = kBatched,
     .what = "one request for all items, one answer: one head to write and parse, not n",
     .needs = kNeeds},
    {.name = "nginx_naive",
     .run = kNginxEach,
     .what = "naive's client; nginx looks the item up in a map and adds Date and Server",
     .role = Role::kPeer,
     .needs = kNeedsNginx},
    {.name = "nginx_keep_alive",
     .run = kNginxKeepAlive,
     .what = "keep_alive's client; nginx looks the item up in a map and adds Date and Server",
     .role = Role::kPeer,
     .needs = kNeedsNginx},
    {.name = "nginx_pipelined",
     .run = kNginxPipelined,
     .what = "pipelined's client; nginx answers requests one by one, with a system call each",
     .role = Role::kPeer,
     .needs = kNeedsNginx},
};

Metadata metadata(std::string name, std::string technique, std::string input) {
  return {.name = std::move(name),
          .axis = Axis::kNetwork,
          .technique = std::move(technique),
          .inputs = {std::move(input)},
          .clock = Clock::kWall,
          .fixtures = {"nginx"},
          .demand =
              [](const Setting& s) {
                return Demand{.items = static_cast<double>(s.n),
                              .working_set = 256 << 10,
                              .memory = 16 << 20};
              },
          .test_sizes = {0, 1, 2, 33, 130}};
}

const Registrar kLoopback(
    [] {
      Metadata meta =
          metadata("network/request", "round trips saved; loopback: no wire", "loopback");
      meta.sizes = {16, 64, 256};
      meta.headline = {64, 256};
      return meta;
    }(),
    kVariants);
const Registrar kBehindRelay(
    [] {
      Metadata meta = metadata("network/request_relay",
                               "round trips of 1 ms saved, behind a relay that delays what is sent",
                               "relay_1ms");
      meta.sizes = {4, 16, 64};
      meta.headline = {4, 16};
      meta.one_group = true;
      meta.test_sizes = {0, 1, 2, 17};
      return meta;
    }(),
    kVariants);

}  // namespace
}  // namespace headroom
