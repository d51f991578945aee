// network/small_writes: n requests over TCP, each made of a header, a key and a value, and each
// waiting for its reply.
//
// Out: all replies, each with a hash of the whole request as the other side has it. No wire: both
// sides run on this machine, on a core each. Who writes the three parts one by one meets two
// algorithms that each mean well. Nagle's (RFC 896) holds a small segment back while an earlier one
// has not been acknowledged. The receiver's delays the acknowledgement (RFC 1122), hoping to send
// it along with the reply: by at least 40 ms on Linux. So the header leaves at once, key and value
// wait for its acknowledgement, and that waits for a reply which can't come yet.
//
// A new connection is acknowledged at once for its first few segments. Here a connection has been
// in use: the checks before the first round are over that.
#include "network/request_parts.h"

#include <algorithm>

#include "core/kernel.h"

namespace headroom {
namespace {

namespace small = small_writes;
using small::Connection;
using small::Reply;
using small::Request;

struct SmallWrites {
  struct Input {
    std::vector<unsigned char> bytes;  // of all keys and values
    std::vector<Request> requests;
  };
  using Output = std::vector<Reply>;

  static Input make(const Setting& setting, Rng& rng) {
    Input in;
    FastRng fast(rng());
    in.requests.resize(setting.n);
    std::size_t bytes = 0;
    for (Request& request : in.requests) {
      request.header = {fast(), 16 + static_cast<std::uint32_t>(bounded(fast, 17)),
                        100 + static_cast<std::uint32_t>(bounded(fast, 301))};
      bytes += request.header.key_bytes + request.header.value_bytes;
    }
    in.bytes.resize(bytes);
    for (unsigned char& byte : in.bytes) byte = static_cast<unsigned char>(fast() >> 56);
    const unsigned char* at = in.bytes.data();
    for (Request& request : in.requests) {
      request.key = {at, request.header.key_bytes};
      request.value = {at + request.key.size(), request.header.value_bytes};
      at += request.key.size() + request.value.size();
    }
    return in;
  }
  static void size(const Input& in, Output& out) { out.resize(in.requests.size()); }
  static absl::Status same(const Input& in, const Output& want, const Output& got) {
    Output truth;
    for (const Request& request : in.requests) truth.push_back(small::reply_to(request));
    const absl::Status right = exact(truth, want);
    return right.ok() ? exact(want, got) : right;
  }
};
using Input = SmallWrites::Input;
using Output = SmallWrites::Output;

#ifdef __linux__

struct Default : Connection {
  explicit Default(const Input&) : Connection({}) {}
};
struct QuickAck : Connection {
  explicit QuickAck(const Input&) : Connection({.quick_ack = true}) {}
};
struct NoDelay : Connection {
  explicit NoDelay(const Input&) : Connection({.no_delay = true}) {}
};

// Over a socket as it comes; the same with TCP_NODELAY, each part then a segment that leaves at
// once; and the same where the other side acknowledges at once.
template <class Connected>
void part_by_part(Connected& connection, const Input& in, Output& out) {
  connection.exchange(in.requests, out, [](int fd, const Request& request) {
    small::send(fd, small::bytes_of(request.header));
    small::send(fd, request.key);
    small::send(fd, request.value);
    return small::reply_from(fd);
  });
}

// From here on a request is one segment, and nothing is on its way that it would wait for: Nagle's
// algorithm stays on. (Who sends a request before the last one is answered needs TCP_NODELAY too.)
//
// The parts are copied together: some hundred bytes cost less than a system call.
void buffered(Default& connection, const Input& in, Output& out) {
  std::array<unsigned char, small::kMostBytes> buffer;
  connection.exchange(in.requests, out, [&](int fd, const Request& request) {
    unsigned char* to = buffer.data();
    for (const auto part : {small::bytes_of(request.header), request.key, request.value})
      to = std::copy(part.begin(), part.end(), to);
    small::send(fd, {buffer.data(), to});
    return small::reply_from(fd);
  });
}

// The system gathers the parts itself: one call, and no copy of the program's own.
void gathered(Default& connection, const Input& in, Output& out) {
  connection.exchange(in.requests, out, [](int fd, const Request& request) {
    sockets::send_parts(fd, std::array<sockets::Part, 3>{small::bytes_of(request.header),
                                                         request.key, request.value});
    return small::reply_from(fd);
  });
}

// Still three calls, two of which say that more is to come.
void more(Default& connection, const Input& in, Output& out) {
  connection.exchange(in.requests, out, [](int fd, const Request& request) {
    small::send(fd, small::bytes_of(request.header), MSG_MORE);
    small::send(fd, request.key, MSG_MORE);
    small::send(fd, request.value);
    return small::reply_from(fd);
  });
}

// For code that writes part by part and can't be changed: nothing short leaves until the cork is
// out. Two calls more.
void cork(Default& connection, const Input& in, Output& out) {
  connection.exchange(in.requests, out, [](int fd, const Request& request) {
    small::set(fd, TCP_CORK, true);
    small::send(fd, small::bytes_of(request.header));
    small::send(fd, request.key);
    small::send(fd, request.value);
    small::set(fd, TCP_CORK, false);
    return small::reply_from(fd);
  });
}

constexpr auto kNaive = run<part_by_part<Default>>;
constexpr auto kQuickAck = run<part_by_part<QuickAck>>;
constexpr auto kNoDelay = run<part_by_part<NoDelay>>;
constexpr auto kCork = run<cork>;
constexpr auto kMore = run<more>;
constexpr auto kGathered = run<gathered>;
constexpr auto kBuffered = run<buffered>;
#else
constexpr auto kNaive = kNotBuilt, kQuickAck = kNotBuilt, kNoDelay = kNotBuilt, kCork = kNotBuilt,
               kMore = kNotBuilt, kGathered = kNotBuilt, kBuffered = kNotBuilt;
#endif

constexpr Need kNeeds[] = {sockets::kTcp, kTwoCores};

constexpr Variant<SmallWrites> kVariants[] = {
    {.name = "naive",
     .run = kNaive,
     .what = "a write a part: the second waits for an acknowledgement, which the other side delays",
     .needs = kNeeds},
    {.name = "quickack",
     .run = kQuickAck,
     .what = "the other side's cure, TCP_QUICKACK with each read: acknowledged at once",
     .needs = kNeeds},
    {.name = "nodelay",
     .run = kNoDelay,
     .what = "TCP_NODELAY: each write leaves at once, as a segment of its own",
     .needs = kNeeds},
    {.name = "cork",
     .run = kCork,
     .what = "TCP_CORK around the writes: one segment, for two system calls more",
     .needs = kNeeds},
    {.name = "msg_more",
     .run = kMore,
     .what = "MSG_MORE with all writes but the last: one segment",
     .needs = kNeeds},
    {.name = "writev",
     .run = kGathered,
     .what = "one system call that gathers the parts: one segment",
     .needs = kNeeds},
    {.name = "buffered",
     .run = kBuffered,
     .what = "the parts copied together and sent at once: one system call, one segment",
     .needs = kNeeds},
};

const Registrar kRegistrar({.name = "network/small_writes",
                            .axis = Axis::kNetwork,
                            .technique = "one write per request, or no Nagle's algorithm",
                            // Few: a naive request takes 40 ms and more.
                            .sizes = {1, 2, 3},
                            .headline = {1, 2},
                            .clock = Clock::kWall,
                            .warm = Warm::kCall,
                            .promise = Promise::kExact | Promise::kOrdered,
                            .demand =
                                [](const Setting& s) {
                                  const std::size_t bytes = s.n * small::kMostBytes;
                                  return Demand{.items = static_cast<double>(s.n),
                                                .working_set = bytes,
                                                .memory = 16 * bytes + (std::size_t{8} << 20)};
                                },
                            .test_sizes = {0, 1, 2, 3, 5}},
                           kVariants);

}  // namespace
}  // namespace headroom
