// machine/loopback: 64 bytes to another thread through a socket, and back; n round trips a call.
//
// What a request costs before anybody has done anything for it: two sends, two receives, two
// wake-ups. On one core the threads take turns; on two cores each wake-up is an interrupt to the
// other core, which in a virtual machine costs more than all the rest; when both poll nobody
// sleeps, and what is left is the protocol. Out: how many answers were right, byte for byte; all n.
//
// Inputs: tcp (127.0.0.1, TCP_NODELAY) and unix (a stream socket pair).
#include <array>
#include <stdexcept>
#include <thread>

#include "core/kernel.h"
#include "support/on_core.h"
#include "support/sockets.h"

namespace headroom {
namespace {

struct Loopback {
  static constexpr auto kInputs = inputs("tcp", "unix");
  struct Input {
    bool tcp = true;
    std::size_t trips = 0;
    std::uint64_t first = 0;  // the first message's first word
  };
  using Output = std::size_t;

  static Input make(const Setting& setting, Rng& rng) {
    return {setting.input != kInputs["unix"], setting.n, rng()};
  }
  static absl::Status same(const Input& in, const Output& want, const Output& got) {
    if (want != in.trips) return exact(in.trips, want);
    return exact(want, got);
  }
};

#ifdef __linux__
using Message = std::array<std::uint64_t, 8>;
static_assert(sizeof(Message) == 64);

// The partner sends back what it gets, with each word's bits flipped, from core kSlot. Both ask
// kPolls times (some 100 ns each) before they sleep.
template <int kSlot, int kPolls>
class Echo {
 public:
  explicit Echo(const Loopback::Input& in)
      : core_(cpus_of_core(0)),
        next_(in.first),
        connection_(in.tcp ? sockets::tcp_pair() : sockets::unix_pair()),
        partner_([this] { answer(); }) {}
  ~Echo() {
    connection_.near.shut();
    partner_.join();
  }
  Echo(const Echo&) = delete;

  std::size_t play(std::size_t trips) {
    const OnCore here(core_);
    std::size_t right = 0;
    for (std::size_t i = 0; i < trips; ++i) {
      Message sent, got;
      for (std::uint64_t& word : sent) word = next_++;
      const int fd = connection_.near.fd();
      if (!sockets::send_all(fd, &sent, sizeof sent) ||
          !sockets::receive_all(fd, &got, sizeof got, kPolls))
        throw std::runtime_error("loopback: the other end has gone");
      for (std::uint64_t& word : got) word = ~word;
      right += got == sent;
    }
    return right;
  }

 private:
  void answer() {
    pin_to_core(kSlot);
    Message message;
    const int fd = connection_.far.fd();
    while (sockets::receive_all(fd, &message, sizeof message, kPolls)) {
      for (std::uint64_t& word : message) word = ~word;
      if (!sockets::send_all(fd, &message, sizeof message)) return;
    }
  }

  const CpuMask core_;
  std::uint64_t next_;
  const sockets::Pair connection_;
  std::thread partner_;
};

template <int kSlot, int kPolls>
void echo(Echo<kSlot, kPolls>& players, const Loopback::Input& in, std::size_t& out) {
  out = players.play(in.trips);
}
constexpr auto kSameCore = run<echo<0, 0>>;
constexpr auto kTwo = run<echo<1, 0>>;
constexpr auto kPolling = run<echo<1, 2000>>;
#else
constexpr auto kSameCore = kNotBuilt;
constexpr auto kTwo = kNotBuilt;
constexpr auto kPolling = kNotBuilt;
#endif

constexpr Need kSockets[] = {sockets::kTcp};
constexpr Need kNeeds[] = {sockets::kTcp, kTwoCores};

constexpr Variant<Loopback> kVariants[] = {
    {.name = "same_core",
     .run = kSameCore,
     .what = "both threads sleep and wake on core 0",
     .needs = kSockets},
    {.name = "two_cores",
     .run = kTwo,
     .what = "on cores 0 and 1: each wake-up is an interrupt to a core that may be idle",
     .needs = kNeeds},
    {.name = "polling",
     .run = kPolling,
     .what = "on cores 0 and 1, nobody sleeps: what is left is the protocol",
     .needs = kNeeds},
};

const Registrar kRegistrar(
    {.name = "machine/loopback",
     .axis = Axis::kNetwork,
     .technique = "the least that a request to another thread costs through a socket",
     .sizes = {16},
     .headline = {16},
     .clock = Clock::kWall,
     .warm = Warm::kCall,
     .unit = "ns",
     .demand =
         [](const Setting& s) {
           return Demand{.items = static_cast<double>(s.n),
                         .bytes = 128.0 * static_cast<double>(s.n),
                         .working_set = 64 << 10};
         },
     .test_sizes = {1, 2, 33}},
    kVariants);

}  // namespace
}  // namespace headroom
