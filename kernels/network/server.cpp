// network/server: n small GETs to an HTTP/1.1 server on this machine, over `clients` connections.
//
// What a server does for a request, parsing and answering, is the same in all variants
// (http_conversation.h). They differ in how they wait for many clients: a thread each, or one
// thread that asks which are ready, or one that has its requests and answers carried in a batch;
// and in how many system calls, wake-ups and changes of thread that takes. TCP on the loopback
// interface (no wire). The server has core 1 for itself, the clients, one thread, core 0. Each
// connection has 16 requests under way: with one at a time client and server cost the same, and a
// figure would be the clients' as much as the server's. It is refused where they use more than 80%
// of their core. Out: all answers, whole, each with the number of its request.
//
// Params: clients, how many connections.
//
// Links: uring libuv asio
#include <cstring>
#include <memory>

#include "core/kernel.h"
#include "network/http_client.h"
#include "network/server_asio.h"
#include "network/server_epoll.h"
#include "network/server_libuv.h"
#include "network/server_threads.h"
#include "network/server_uring.h"
#include "support/slices.h"

namespace headroom {
namespace {

constexpr std::size_t kTogether = 16;  // requests that a connection has under way

// The answer to request `id` for `item`, as the text of the protocol says: not by the servers'
// code.
std::string right_answer(const std::string& id, const std::string& item) {
  return "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Request-Id: " + id +
         "\r\nContent-Length: " + std::to_string(item.size()) + "\r\n\r\n" + item;
}

struct Server {
  struct Input {
    std::string text;                 // all requests, one after the other
    std::vector<std::uint32_t> ends;  // where each begins, and the last ends
    std::string answers;              // the right ones, all of one length
    std::size_t answer_bytes = 0;
    Slices slices;
    serving::Items items;
    struct Call {
      const char* text;
      std::span<const std::uint32_t> requests;
      std::string_view answers;
      std::size_t answer_bytes;
    };
    Call at(std::size_t turn) const {
      const std::size_t first = slices.first(turn), n = slices.size();
      return {text.data(), std::span(ends).subspan(first, n + 1),
              std::string_view(answers).substr(first * answer_bytes, n * answer_bytes),
              answer_bytes};
    }
  };
  using Call = Input::Call;
  using Output = std::vector<char>;

  static Input make(const Setting& setting, Rng& rng);
  static void size(const Input& in, Output& out) { out.resize(in.slices.size() * in.answer_bytes); }
  static absl::Status same(const Call& call, const Output& want, const Output& got) {
    const absl::Status right = exact(Output(call.answers.begin(), call.answers.end()), want);
    return right.ok() ? exact(want, got) : right;
  }
};
using Input = Server::Input;
using Call = Server::Call;
using Output = Server::Output;

Input Server::make(const Setting& setting, Rng& rng) {
  // As browsers send them, some 500 bytes each. Their lengths differ, and with them what a parser
  // has to decide.
  constexpr std::string_view kAgents[] = {
      "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
      "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
      "Chrome/126.0.0.0 Safari/537.36",
      "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) "
      "Version/17.5 Safari/605.1.15",
      "okhttp/4.12.0"};
  constexpr std::string_view kLanguages[] = {"en", "en-GB,en;q=0.7", "de-DE,de;q=0.8,en;q=0.5"};
  constexpr std::string_view kAlways =
      "\r\nAccept: application/json, text/plain, */*\r\nAccept-Encoding: gzip, deflate, br\r\n"
      "Referer: https://shop.example/search?order=price\r\nSec-Fetch-Dest: empty\r\n"
      "Sec-Fetch-Mode: cors\r\nSec-Fetch-Site: same-origin\r\nConnection: keep-alive\r\n"
      "Cookie: session=";
  Input in;
  in.slices = Slices::covering(1 << 14, setting.n);
  in.ends.push_back(0);
  FastRng fast(rng());
  for (std::size_t i = 0; i < in.slices.items(); ++i) {
    const std::string item = std::to_string(bounded(fast, serving::kItems));
    const std::string number = std::to_string(i), id = std::string(8 - number.size(), '0') + number;
    in.text.append("GET /items/").append(item).append(" HTTP/1.1\r\nHost: shop.example\r\n");
    in.text.append("User-Agent: ").append(kAgents[bounded(fast, std::size(kAgents))]);
    in.text.append("\r\nAccept-Language: ");
    in.text.append(kLanguages[bounded(fast, std::size(kLanguages))]).append(kAlways);
    in.text.append(std::to_string(fast()))
        .append("\r\nX-Request-Id: ")
        .append(id)
        .append("\r\n\r\n");
    in.ends.push_back(static_cast<std::uint32_t>(in.text.size()));
    const std::string answer = right_answer(id, *in.items.find("/items/" + item));
    in.answer_bytes = answer.size();
    in.answers += answer;
  }
  return in;
}

#ifdef __linux__
// A server, and its clients, connected.
template <class Kind>
class Serving {
 public:
  Serving(const Input& in, const Setting& setting)
      : server_(in.items),
        clients_(server_.port(), static_cast<std::size_t>(setting.params["clients"]), kTogether) {}
  void ask(const Call& call, Output& out) {
    shares_.watch([&] { clients_.ask(call.text, call.requests, out.data(), call.answer_bytes); });
    asked_ += call.requests.size() - 1;
  }
  std::string refused() const { return shares_.refused(); }
  Quantities quantities() const {
    if (shares_.server() == 0) return {};
    const LatencyRecorder& latency = clients_.latency();
    Quantities all{{"p50", {static_cast<double>(latency.percentile(50)), "ns"}},
                   {"p99", {static_cast<double>(latency.percentile(99)), "ns"}},
                   {"client_cpu_share", {shares_.client(), "ratio"}},
                   {"server_cpu_share", {shares_.server(), "ratio"}}};
    if constexpr (requires { server_.system_calls(); })
      all["syscalls_per_request"] = {
          static_cast<double>(server_.system_calls()) / static_cast<double>(asked_), "1"};
    return all;
  }

 private:
  Kind server_;
  serving::Clients clients_;
  serving::Shares shares_;
  std::uint64_t asked_ = 0;
};

template <class Kind>
void ask(Serving<Kind>& serving, const Call& call, Output& out) {
  serving.ask(call, out);
}

constexpr auto kNaive = run<ask<serving::ThreadServer<serving::Leaves::kEach>>>;
constexpr auto kThreads = run<ask<serving::ThreadServer<serving::Leaves::kTogether>>>;
constexpr auto kEpoll = run<ask<serving::EpollServer<serving::Trigger::kLevel>>>;
constexpr auto kEpollEdge = run<ask<serving::EpollServer<serving::Trigger::kEdge>>>;
constexpr Need kNeeds[] = {kTwoCores, sockets::kTcp, serving::kDescriptors};
#if HEADROOM_URING_SERVER
constexpr auto kUring = run<ask<serving::UringServer>>;
#else
constexpr auto kUring = kNotBuilt;
#endif
#if HEADROOM_HAVE_LIBUV
constexpr auto kLibuvLoop = run<ask<serving::LibuvServer>>;
#else
constexpr auto kLibuvLoop = kNotBuilt;
#endif
#if HEADROOM_HAVE_ASIO
constexpr auto kAsioContext = run<ask<serving::AsioServer>>;
#else
constexpr auto kAsioContext = kNotBuilt;
#endif
constexpr Need kNeedsUring[] = {kTwoCores, sockets::kTcp, serving::kDescriptors,
                                serving::kUringServer};
constexpr Need kNeedsLibuv[] = {kLibuv, kTwoCores, sockets::kTcp, serving::kDescriptors};
constexpr Need kNeedsAsio[] = {kAsio, kTwoCores, sockets::kTcp, serving::kDescriptors};
#else
constexpr auto kNaive = kNotBuilt, kThreads = kNotBuilt, kEpoll = kNotBuilt, kEpollEdge = kNotBuilt,
               kUring = kNotBuilt, kLibuvLoop = kNotBuilt, kAsioContext = kNotBuilt;
constexpr Need kNeeds[] = {{"epoll", [] { return false; }, "Linux"}};
constexpr Need kNeedsUring[] = {kNeeds[0]}, kNeedsLibuv[] = {kNeeds[0]}, kNeedsAsio[] = {kNeeds[0]};
#endif

constexpr Variant<Server> kVariants[] = {
    {.name = "naive",
     .run = kNaive,
     .what = "a thread for each connection, and a write for each answer; TCP within this machine "
             "(no wire)",
     .needs = kNeeds},
    {.name = "threads",
     .run = kThreads,
     .what = "one write for all answers to what a read brought: a sixteenth of the segments",
     .needs = kNeeds},
    {.name = "epoll",
     .run = kEpoll,
     .what = "one thread that is told which connections are ready: no change of thread for each",
     .needs = kNeeds},
    {.name = "epoll_edge",
     .run = kEpollEdge,
     .what = "told only what is new: nobody looks twice at a connection",
     .needs = kNeeds},
    {.name = "uring",
     .run = kUring,
     .what = "reads that stand, writes handed in together: one system call for many connections",
     .needs = kNeedsUring},
    {.name = "libuv",
     .run = kLibuvLoop,
     .what = "the loop of node.js, with epoll",
     .role = Role::kPeer,
     .needs = kNeedsLibuv},
    {.name = "asio",
     .run = kAsioContext,
     .what = "an io_context for one thread, with epoll",
     .role = Role::kPeer,
     .needs = kNeedsAsio},
};

const Registrar kRegistrar({.name = "network/server",
                            .axis = Axis::kNetwork,
                            .technique = "many connections, few system calls",
                            .sizes = {1024, 8192},
                            .headline = {1024},
                            .params = {{.name = "clients", .values = {16, 128}}},
                            .clock = Clock::kWall,
                            .promise = Promise::kExact | Promise::kOrdered,
                            .demand =
                                [](const Setting& s) {
                                  const auto n = static_cast<double>(s.n);
                                  constexpr double kRequest = 500, kAnswer = 200;
                                  return Demand{.items = n,
                                                .bytes = n * (kRequest + kAnswer),
                                                .memory = static_cast<std::size_t>(
                                                              2 * n * (kRequest + kAnswer)) +
                                                          (64 << 20)};
                                },
                            .test_sizes = {1, 2, 15, 17, 300, 1000}},
                           kVariants);

}  // namespace
}  // namespace headroom
