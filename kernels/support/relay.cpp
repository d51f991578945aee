#include "support/relay.h"

#ifdef __linux__
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <deque>
#include <exception>
#include <functional>
#include <queue>
#include <system_error>
#include <thread>
#include <unordered_map>
#include <vector>

#include "core/cpu.h"
#include "support/sockets.h"

namespace headroom {
namespace {

using sockets::Socket;
using Clock = std::chrono::steady_clock;
using Time = Clock::time_point;

constexpr std::size_t kPiece = std::size_t{64} << 10;  // taken from a socket at once
// A thread that sleeps wakes up late. By as much, up to this, the timer is set early; what then is
// not due yet is waited for awake, which is a few microseconds at a time.
constexpr std::chrono::nanoseconds kMostEarly = std::chrono::microseconds(50);

void require(bool fine, const char* what) {
  if (!fine) throw std::system_error(errno, std::generic_category(), what);
}

// What one side has sent, and when the other is to get it.
struct Sent {
  enum class What { kBytes, kEnd, kReset };
  Time due;
  What what = What::kBytes;
  std::vector<char> bytes = {};
  std::size_t cost() const { return sizeof *this + bytes.size(); }
};

// One direction of a connection. Sockets are told of by edges, so what was told last is kept here.
struct Flow {
  int from = -1, to = -1;
  std::deque<Sent> held = {};
  std::size_t cost = 0;  // of all that is held
  std::size_t sent = 0;  // bytes of the first one that are through
  bool readable = true;  // for all that is known
  bool writable = true;  // the same
  bool ended = false;    // its last thing is held, or through
  bool through = false;  // the receiver was told of the end
  Time not_before = {};  // what comes earlier counts as sent then
  Time last_due = {};    // order is kept, whatever clocks say
};

// How long ago the system took in what a recvmsg() gave: this thread may have been woken up late. 0
// where it doesn't say.
std::chrono::nanoseconds age_of(msghdr& message) {
  for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr; part = CMSG_NXTHDR(&message, part))
    if (part->cmsg_level == SOL_SOCKET && part->cmsg_type == SCM_TIMESTAMPNS) {
      timespec then, now;
      std::memcpy(&then, CMSG_DATA(part), sizeof then);
      clock_gettime(CLOCK_REALTIME, &now);
      return std::chrono::seconds(now.tv_sec - then.tv_sec) +
             std::chrono::nanoseconds(now.tv_nsec - then.tv_nsec);
    }
  return {};
}

struct Connection {
  Socket client, server;
  Flow up, down;  // to the server; to the client
  bool connecting = true;
};

// What has to be done, at its time. Of a connection that is over nothing is found any more.
struct Due {
  enum class What { kConnect, kUp, kDown, kAccept };
  Time when;
  std::uint64_t connection;
  What what;
  friend bool operator>(const Due& a, const Due& b) { return a.when > b.when; }
};

}  // namespace

class Relay::Work {
 public:
  explicit Work(const Options& options)
      : options_(options),
        listener_(sockets::listen_tcp(SOMAXCONN)),
        epoll_(epoll_create1(EPOLL_CLOEXEC)),
        timer_(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)),
        stop_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
    require(epoll_ && timer_ && stop_, "relay");
    require(fcntl(listener_.fd(), F_SETFL, O_NONBLOCK) == 0, "relay");
    watch(listener_.fd(), EPOLLIN, kListener);
    watch(timer_.fd(), EPOLLIN, kTimer);
    watch(stop_.fd(), EPOLLIN, kStop);
    thread_ = std::thread([this] { run(); });
  }
  ~Work() {
    const std::uint64_t one = 1;
    while (write(stop_.fd(), &one, sizeof one) < 0 && errno == EINTR) {
    }
    thread_.join();
  }
  Work(const Work&) = delete;
  std::uint16_t port() const { return sockets::port_of(listener_); }

 private:
  // Of epoll's events; a connection's are 2 * its number, and one more for its server's side.
  enum : std::uint64_t { kListener = 0, kTimer = 1, kStop = 2, kFirst = 4 };

  void watch(int fd, std::uint32_t events, std::uint64_t which) {
    epoll_event event{};
    event.events = events;
    event.data.u64 = which;
    require(epoll_ctl(epoll_.fd(), EPOLL_CTL_ADD, fd, &event) == 0, "relay");
  }
  void later(Time when, std::uint64_t connection, Due::What what) {
    agenda_.push({when, connection, what});
  }

  void run() {
    if (options_.core >= 0) pin_to_core(options_.core);
    try {
      while (turn()) {
      }
    } catch (const std::exception&) {  // no memory: nobody is to wait for what never comes
    }
    listener_.shut();
    for (auto& [number, connection] : connections_) reset(connection);
    connections_.clear();
  }

  // Sleeps until something comes or is due, and does it; false at the end.
  bool turn() {
    now_ = Clock::now();
    set_timer();
    std::array<epoll_event, 64> events;
    const bool soon = !agenda_.empty() && agenda_.top().when <= now_ + early_;
    const int count =
        epoll_wait(epoll_.fd(), events.data(), static_cast<int>(events.size()), soon ? 0 : -1);
    now_ = Clock::now();
    for (int i = 0; i < count; ++i) {
      const std::uint64_t which = events[static_cast<std::size_t>(i)].data.u64;
      if (which == kStop) return false;
      if (which == kListener) accept_all();
      if (which == kTimer) timer_came();
      if (which >= kFirst) look_at(which / 2, which % 2 != 0, events[static_cast<std::size_t>(i)]);
    }
    while (!agenda_.empty() && agenda_.top().when <= now_) {
      const Due due = agenda_.top();
      agenda_.pop();
      act(due);
      now_ = Clock::now();
    }
    return true;
  }

  void set_timer() {
    Time next = Time::max();
    if (!agenda_.empty() && agenda_.top().when > now_ + early_) next = agenda_.top().when - early_;
    if (next == timer_is_for_) return;
    timer_is_for_ = next;
    itimerspec setting{};  // never
    if (next != Time::max()) {
      // Zero would be never too; the clock's beginning is long past.
      const auto since = std::max<std::int64_t>(1, next.time_since_epoch() / kNanosecond);
      setting.it_value.tv_sec = since / 1'000'000'000;
      setting.it_value.tv_nsec = since % 1'000'000'000;
    }
    require(timerfd_settime(timer_.fd(), TFD_TIMER_ABSTIME, &setting, nullptr) == 0, "relay");
  }

  // How late it is usually: the lower quartile, so that it is seldom early.
  void timer_came() {
    if (timer_is_for_ < now_) {
      constexpr std::chrono::nanoseconds kStep = std::chrono::microseconds(1);
      early_ += now_ - timer_is_for_ > early_ ? kStep : -3 * kStep;
      early_ = std::clamp(early_, std::chrono::nanoseconds(0), kMostEarly);
    }
    timer_is_for_ = Time::min();  // to be set anew, which makes it silent
  }

  void accept_all() {
    for (;;) {
      Socket client(accept4(listener_.fd(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
      if (!client) {
        if (errno == EINTR || errno == ECONNABORTED) continue;
        if (errno == EAGAIN) return;
        // Too many files are open, say: the listener would wake us again and again.
        epoll_ctl(epoll_.fd(), EPOLL_CTL_DEL, listener_.fd(), nullptr);
        return later(now_ + std::chrono::milliseconds(10), 0, Due::What::kAccept);
      }
      const std::uint64_t number = next_++;
      Connection& made = connections_[number];
      made.client = std::move(client);
      sockets::no_delay(made.client);
      tell_when(made.client);
      made.up.from = made.down.to = made.client.fd();
      made.up.writable = made.down.readable = false;  // there is no server's side yet
      made.up.not_before = now_ + 2 * options_.one_way;
      made.down.not_before = now_ + 3 * options_.one_way;
      watch(made.client.fd(), EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, 2 * number);
      later(now_ + options_.one_way, number, Due::What::kConnect);
    }
  }

  // Has the system note when bytes come. Where it won't, they count as come when they are read.
  static void tell_when(const Socket& socket) {
    const int on = 1;
    setsockopt(socket.fd(), SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
  }

  void act(const Due& due) {
    if (due.what == Due::What::kAccept) {
      watch(listener_.fd(), EPOLLIN, kListener);
      return;
    }
    const auto found = connections_.find(due.connection);
    if (found == connections_.end()) return;
    Connection& connection = found->second;
    if (due.what == Due::What::kConnect) connect(due.connection, connection);
    if (due.what == Due::What::kUp) move(due.connection, connection.up, Due::What::kUp);
    if (due.what == Due::What::kDown) move(due.connection, connection.down, Due::What::kDown);
    forget_if_over(found);
  }

  void connect(std::uint64_t number, Connection& connection) {
    connection.server = Socket(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    const int fd = connection.server.fd();
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(options_.to);
    connection.up.to = connection.down.from = fd;
    if (fd < 0 || (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 &&
                   errno != EINPROGRESS))
      return refuse(number, connection);
    sockets::no_delay(connection.server);
    tell_when(connection.server);
    watch(fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, 2 * number + 1);
  }

  // The server's no is with the client one way later.
  void refuse(std::uint64_t number, Connection& connection) {
    connection.connecting = false;
    connection.down.not_before = {};
    end(number, connection.down, Due::What::kDown, Sent::What::kReset);
  }

  void look_at(std::uint64_t number, bool at_server, const epoll_event& event) {
    const auto found = connections_.find(number);
    if (found == connections_.end()) return;
    Connection& connection = found->second;
    if (at_server && connection.connecting) {
      int error = 0;
      socklen_t size = sizeof error;
      getsockopt(connection.server.fd(), SOL_SOCKET, SO_ERROR, &error, &size);
      if (error != 0) return refuse(number, connection);
      if ((event.events & EPOLLOUT) == 0) return;
      connection.connecting = false;
    }
    Flow& out = at_server ? connection.down : connection.up;
    Flow& in = at_server ? connection.up : connection.down;
    const Due::What out_is = at_server ? Due::What::kDown : Due::What::kUp;
    const Due::What in_is = at_server ? Due::What::kUp : Due::What::kDown;
    if ((event.events & ~static_cast<std::uint32_t>(EPOLLOUT)) != 0) {
      out.readable = true;
      take(number, out, out_is);
    }
    if ((event.events & EPOLLOUT) != 0) {
      in.writable = true;
      move(number, in, in_is);
    }
    forget_if_over(found);
  }

  // Takes what `flow`'s sender has sent, as much as may be held.
  void take(std::uint64_t number, Flow& flow, Due::What which) {
    while (flow.readable && !flow.ended && flow.cost < options_.most_held) {
      iovec room{piece_.data(), piece_.size()};
      alignas(cmsghdr) std::array<char, 256> beside;
      msghdr message{};
      message.msg_iov = &room;
      message.msg_iovlen = 1;
      message.msg_control = beside.data();
      message.msg_controllen = beside.size();
      const ssize_t got = recvmsg(flow.from, &message, 0);
      if (got > 0) {
        hold(number, flow, which, Sent::What::kBytes,
             {piece_.begin(), piece_.begin() + static_cast<std::ptrdiff_t>(got)}, age_of(message));
      } else if (got == 0) {
        end(number, flow, which, Sent::What::kEnd);
      } else if (errno == EAGAIN) {
        flow.readable = false;
      } else if (errno != EINTR) {
        end(number, flow, which, Sent::What::kReset);
      }
    }
  }

  void end(std::uint64_t number, Flow& flow, Due::What which, Sent::What how) {
    flow.ended = true;
    hold(number, flow, which, how, {});
  }

  void hold(std::uint64_t number, Flow& flow, Due::What which, Sent::What what,
            std::vector<char> bytes, std::chrono::nanoseconds age = {}) {
    const Time came = Clock::now() - std::clamp(age, {}, options_.one_way);
    const Time due = std::max(flow.last_due, std::max(came, flow.not_before) + options_.one_way);
    flow.last_due = due;
    flow.held.push_back({due, what, std::move(bytes)});
    flow.cost += flow.held.back().cost();
    later(due, number, which);
  }

  // Hands on what is due, as much as the receiver takes, and then takes what there was no room for.
  void move(std::uint64_t number, Flow& flow, Due::What which) {
    while (!flow.held.empty() && flow.held.front().due <= now_ && flow.writable && !flow.through) {
      const Sent& first = flow.held.front();
      if (first.what == Sent::What::kBytes) {
        const ssize_t sent = send(flow.to, first.bytes.data() + flow.sent,
                                  first.bytes.size() - flow.sent, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0 && errno == EAGAIN) {
          flow.writable = false;
          break;
        }
        if (sent < 0) return gone(number, which);
        flow.sent += static_cast<std::size_t>(sent);
        if (flow.sent != first.bytes.size()) continue;
      } else if (first.what == Sent::What::kEnd) {
        shutdown(flow.to, SHUT_WR);
        flow.through = true;
      } else {
        return reset(connections_.at(number));
      }
      flow.cost -= first.cost();
      flow.sent = 0;
      flow.held.pop_front();
    }
    take(number, flow, which);
  }

  // The receiver of a flow takes no more: nor is there any use for what is held, and its sender is
  // told one way later.
  void gone(std::uint64_t number, Due::What which) {
    Connection& connection = connections_.at(number);
    Flow& dead = which == Due::What::kUp ? connection.up : connection.down;
    Flow& back = which == Due::What::kUp ? connection.down : connection.up;
    dead.held.clear();
    dead.cost = 0;
    dead.ended = dead.through = true;
    back.through = false;
    end(number, back, which == Due::What::kUp ? Due::What::kDown : Due::What::kUp,
        Sent::What::kReset);
  }

  // Both sides get a reset when their sockets close.
  static void reset(Connection& connection) {
    const linger at_once{1, 0};
    for (const Socket* side : {&connection.client, &connection.server})
      if (*side) setsockopt(side->fd(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    connection.up.through = connection.down.through = true;
    connection.up.ended = connection.down.ended = true;
  }

  void forget_if_over(std::unordered_map<std::uint64_t, Connection>::iterator found) {
    if (found->second.up.through && found->second.down.through) connections_.erase(found);
  }

  static constexpr std::chrono::nanoseconds kNanosecond{1};

  const Options options_;
  Socket listener_, epoll_, timer_, stop_;
  std::unordered_map<std::uint64_t, Connection> connections_;
  std::priority_queue<Due, std::vector<Due>, std::greater<>> agenda_;
  std::uint64_t next_ = kFirst / 2;
  Time now_ = {};
  Time timer_is_for_ = Time::max();
  std::chrono::nanoseconds early_{0};
  std::array<char, kPiece> piece_;
  std::thread thread_;
};

Relay::Relay(const Options& options) : work_(std::make_unique<Work>(options)) {}
Relay::~Relay() = default;
std::uint16_t Relay::port() const { return work_->port(); }

}  // namespace headroom
#endif
