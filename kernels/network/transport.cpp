// network/transport: n messages to another core and back, each sent when the one before has been
// answered.
//
// Out: all answers, whole. No wire: both sides run on this machine, the client on core 0, the other
// side on core 1, each with a core to itself. What a round trip costs here is therefore what the
// system does for it: TCP makes segments, acknowledges them and checks them; any socket copies
// twice and calls the system four times; and whoever sleeps has to be woken, on another core, which
// costs more than all the rest. All variants are reliable and ordered.
//
// Params: message_bytes, the size of a message and of its answer.
#include "network/round_trips.h"

#include "core/kernel.h"
#include "network/byte_ring.h"

namespace headroom {
namespace {

struct Transport {
  struct Input {
    std::size_t words = 0;  // of a message
    std::vector<std::uint64_t> messages;
  };
  using Output = std::vector<std::uint64_t>;

  static Input make(const Setting& setting, Rng& rng) {
    Input in;
    in.words = static_cast<std::size_t>(setting.params["message_bytes"]) / sizeof(std::uint64_t);
    in.messages.resize(setting.n * in.words);
    FastRng fast(rng());
    for (std::uint64_t& word : in.messages) word = fast();
    return in;
  }
  static void size(const Input& in, Output& out) { out.resize(in.messages.size()); }
  static absl::Status same(const Input& in, const Output& want, const Output& got) {
    Output truth;
    for (std::size_t i = 0; i < in.messages.size(); ++i)
      truth.push_back(answer_to(in.messages[i], i % in.words));
    const absl::Status right = exact(truth, want);
    return right.ok() ? exact(want, got) : right;
  }
};
using Input = Transport::Input;
using Output = Transport::Output;

#ifdef __linux__

// How often a side looks for an answer before it sleeps: some 20 to 50 us, longer than an answer
// takes that nobody has to be woken for. Both sides have a core to themselves, so looking takes it
// from nobody; what it costs is told by the shares of the cores.
constexpr int kPolls = 100;              // system calls
constexpr int kLooks = 1000;             // loads
constexpr std::size_t kRoom = 16 << 10;  // of a ring: its lines stay in the cores' own caches

// TCP as a socket comes: Nagle's algorithm is on, and does no harm here, for nothing is on its way
// when a message is sent in one piece (network/small_writes has the other case).
struct Tcp : SocketEnds {
  Tcp() : SocketEnds(sockets::tcp_pair(false)) {}
};
struct TcpNoDelay : SocketEnds {
  TcpNoDelay() : SocketEnds(sockets::tcp_pair()) {}
};
struct TcpPolling : SocketEnds {
  TcpPolling() : SocketEnds(sockets::tcp_pair(), kPolls) {}
};
// The same calls; behind them no segments, acknowledgements, checksums and timers.
struct UnixStream : SocketEnds {
  UnixStream() : SocketEnds(sockets::unix_pair()) {}
};
struct UnixPackets : SocketEnds {
  UnixPackets() : SocketEnds(sockets::unix_packet_pair()) {}
};
struct UnixPolling : SocketEnds {
  UnixPolling() : SocketEnds(sockets::unix_pair(), kPolls) {}
};
// Memory that both sides have mapped. Without looks both sleep at once, as with sockets: what is
// left is one copy a side, and the two wake-ups.
struct RingSleeping : SharedRings {
  RingSleeping() : SharedRings(kRoom, 0) {}
};
// Nobody sleeps and nobody calls the system: a message is a few cache lines that change cores.
struct Ring : SharedRings {
  Ring() : SharedRings(kRoom, kLooks) {}
};

template <class Ends>
struct Over : Answered<Ends> {
  explicit Over(const Input& in) : Answered<Ends>(in.words) {}
};

// Every variant is this loop, over another connection.
template <class Ends>
void trips(Over<Ends>& connection, const Input& in, Output& out) {
  connection.trips(in.messages, out);
}

constexpr auto kNaive = run<trips<Tcp>>;
constexpr auto kNoDelay = run<trips<TcpNoDelay>>;
constexpr auto kTcpPolling = run<trips<TcpPolling>>;
constexpr auto kUnixStream = run<trips<UnixStream>>;
constexpr auto kUnixPackets = run<trips<UnixPackets>>;
constexpr auto kUnixPolling = run<trips<UnixPolling>>;
constexpr auto kRingSleeping = run<trips<RingSleeping>>;
constexpr auto kRing = run<trips<Ring>>;
#else
constexpr auto kNaive = kNotBuilt, kNoDelay = kNotBuilt, kTcpPolling = kNotBuilt,
               kUnixStream = kNotBuilt, kUnixPackets = kNotBuilt, kUnixPolling = kNotBuilt,
               kRingSleeping = kNotBuilt, kRing = kNotBuilt;
#endif

constexpr Need kNeedsTcp[] = {sockets::kTcp, kTwoCores};
constexpr Need kNeedsUnix[] = {sockets::kUnix, kTwoCores};
constexpr Need kNeedsPackets[] = {sockets::kUnixPackets, kTwoCores};
constexpr Need kNeedsRings[] = {kSharedRings, kTwoCores};

constexpr Variant<Transport> kVariants[] = {
    {.name = "naive",
     .run = kNaive,
     .what = "TCP on this machine (no wire), as a socket comes; both sides sleep until woken",
     .needs = kNeedsTcp},
    {.name = "nodelay",
     .run = kNoDelay,
     .what = "with TCP_NODELAY: no gain where a message is one write and waits for its answer",
     .needs = kNeedsTcp},
    {.name = "tcp_polling",
     .run = kTcpPolling,
     .what = "nobody sleeps: what is left is TCP",
     .needs = kNeedsTcp},
    {.name = "unix",
     .run = kUnixStream,
     .what = "a Unix stream socket: no segments, acknowledgements and timers",
     .needs = kNeedsUnix},
    {.name = "unix_packets",
     .run = kUnixPackets,
     .what = "a Unix SOCK_SEQPACKET socket: the system keeps messages apart",
     .needs = kNeedsPackets},
    {.name = "unix_polling",
     .run = kUnixPolling,
     .what = "a Unix stream socket, and nobody sleeps: what is left is four system calls",
     .needs = kNeedsUnix},
    {.name = "ring_sleeping",
     .run = kRingSleeping,
     .what = "a ring in shared memory, both sides asleep on a futex: what is left is two wake-ups",
     .promise_note = "the other side must end the ring before it goes: a kill is not noticed",
     .needs = kNeedsRings},
    {.name = "ring",
     .run = kRing,
     .what = "a ring in shared memory, polled, asleep only when idle: cache lines change cores",
     .promise_note = "the other side must end the ring before it goes: a kill is not noticed",
     .needs = kNeedsRings},
};

const Registrar kRegistrar(
    {.name = "network/transport",
     .axis = Axis::kNetwork,
     .technique = "a shorter way between two programs, and nobody to be woken",
     .sizes = {32, 128, 512},
     .headline = {32, 128},
     .params = {{.name = "message_bytes", .values = {64, 4096}, .headline = {64}}},
     // There and back, in whatever way: a line written by one core and seen by the other, twice.
     .ceiling = {.probe = "machine/core_to_core"},
     .clock = Clock::kWall,
     .warm = Warm::kEpoch,
     .promise = Promise::kExact | Promise::kOrdered,
     .demand =
         [](const Setting& s) {
           const auto n = static_cast<double>(s.n);
           const std::size_t message = static_cast<std::size_t>(s.params["message_bytes"]);
           const std::size_t all = s.n * message;
           return Demand{.items = n,
                         .bytes = 2 * n * static_cast<double>(message),
                         .accesses = n,
                         .working_set = 2 * all,
                         .memory = 16 * all + (std::size_t{16} << 20)};
         },
     .test_sizes = {0, 1, 2, 3, 33}},
    kVariants);

}  // namespace
}  // namespace headroom
