// machine/loopback: 64 bytes to another thread through a socket, and back; n round trips a call.
//
// What a request costs before anybody has done anything for it: two sends, two receives, two
// wake-ups. On one core the threads take turns; on two cores each wake-up is an interrupt to the
// other core, which in a virtual machine costs more than all the rest; when both poll nobody
// sleeps, and what is left is the protocol. Out: how many answers were right, byte for byte; all n.
//
// Inputs: tcp (127.0.0.1, TCP_NODELAY) and unix (a stream socket pair).
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>

#include "core/kernel.h"
#include "support/on_core.h"

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

void require(bool fine, const char* what) {
  if (!fine) throw std::system_error(errno, std::generic_category(), what);
}

// Both ends of a connection.
class Connection {
 public:
  explicit Connection(bool tcp) {
    if (!tcp) {
      require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends_) == 0, "socketpair");
      return;
    }
    const Socket listener(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    auto* const any = reinterpret_cast<sockaddr*>(&address);
    socklen_t length = sizeof address;
    require(bind(listener.fd, any, length) == 0 && listen(listener.fd, 1) == 0 &&
                getsockname(listener.fd, any, &length) == 0,
            "listen on 127.0.0.1");
    Socket near(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    require(connect(near.fd, any, length) == 0, "connect to 127.0.0.1");
    Socket far(accept4(listener.fd, nullptr, nullptr, SOCK_CLOEXEC));
    const int on = 1;
    for (const Socket* end : {&near, &far})
      require(setsockopt(end->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0, "TCP_NODELAY");
    ends_[0] = std::exchange(near.fd, -1);
    ends_[1] = std::exchange(far.fd, -1);
  }
  ~Connection() { close(ends_[0]), close(ends_[1]); }
  Connection(const Connection&) = delete;
  int near() const { return ends_[0]; }
  int far() const { return ends_[1]; }

 private:
  struct Socket {
    explicit Socket(int opened) : fd(opened) { require(fd >= 0, "socket on 127.0.0.1"); }
    Socket(const Socket&) = delete;
    ~Socket() {
      if (fd >= 0) close(fd);
    }
    int fd;
  };
  int ends_[2];
};

bool send_all(int fd, const Message& message) {
  const auto* data = reinterpret_cast<const char*>(message.data());
  for (std::size_t left = sizeof message; left != 0;) {
    const ssize_t sent = send(fd, data, left, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return false;
    data += sent;
    left -= static_cast<std::size_t>(sent);
  }
  return true;
}

// Asks `polls` times whether something has come before it sleeps.
bool receive_all(int fd, Message& message, int polls) {
  auto* data = reinterpret_cast<char*>(message.data());
  for (std::size_t left = sizeof message; left != 0;) {
    const ssize_t got = recv(fd, data, left, polls-- > 0 ? MSG_DONTWAIT : 0);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (got <= 0) return false;
    data += got;
    left -= static_cast<std::size_t>(got);
  }
  return true;
}

// The partner sends back what it gets, with each word's bits flipped, from core kSlot. Both ask
// kPolls times (some 100 ns each) before they sleep.
template <int kSlot, int kPolls>
class Echo {
 public:
  explicit Echo(const Loopback::Input& in)
      : core_(cpus_of_core(0)),
        next_(in.first),
        connection_(in.tcp),
        partner_([this] { answer(); }) {}
  ~Echo() {
    shutdown(connection_.near(), SHUT_RDWR);
    partner_.join();
  }
  Echo(const Echo&) = delete;

  std::size_t play(std::size_t trips) {
    const OnCore here(core_);
    std::size_t right = 0;
    for (std::size_t i = 0; i < trips; ++i) {
      Message sent, got;
      for (std::uint64_t& word : sent) word = next_++;
      require(send_all(connection_.near(), sent) && receive_all(connection_.near(), got, kPolls),
              "loopback socket");
      for (std::uint64_t& word : got) word = ~word;
      right += got == sent;
    }
    return right;
  }

 private:
  void answer() {
    pin_to_core(kSlot);
    Message message;
    while (receive_all(connection_.far(), message, kPolls)) {
      for (std::uint64_t& word : message) word = ~word;
      if (!send_all(connection_.far(), message)) return;
    }
  }

  const cpu_set_t core_;
  std::uint64_t next_;
  const Connection connection_;
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

constexpr Need kNeeds[] = {kTwoCores};

constexpr Variant<Loopback> kVariants[] = {
    {.name = "same_core", .run = kSameCore, .what = "both threads sleep and wake on core 0"},
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
