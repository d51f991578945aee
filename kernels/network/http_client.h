// Many clients in one thread: connections that each send several requests at a time and wait for
// all their answers, as a gateway or a load generator does that pipelines.
//
// It has to be cheaper than any server, or a figure would be its own. So its requests lie ready,
// its answers go where they stay, and it is woken once for all answers of a connection
// (SO_RCVLOWAT), in whatever pieces the server sends them.
#pragma once

#ifdef __linux__
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "network/server_uring.h"
#include "support/latency.h"
#include "support/on_core.h"
#include "support/sockets.h"

namespace headroom::serving {

// A connection with requests under way.
struct Client {
  sockets::Socket socket;
  char* into = nullptr;      // where the rest of its answers goes
  std::size_t expected = 0;  // and how long that is
  std::size_t wakes_at = 1;
  std::uint64_t asked = 0;  // when
};

// What both kinds of clients have: connections, and who sends what next.
class Asking {
 public:
  Asking(std::uint16_t port, std::size_t connections, std::size_t together)
      : together_(together), all_(connections) {
    for (Client& one : all_) {
      one.socket = sockets::connect_tcp(port);
      sockets::no_delay(one.socket);
    }
  }
  // From when the requests of a connection left until their last answer was there.
  const LatencyRecorder& latency() const { return latency_; }

 protected:
  struct Requests {
    const char* text;
    std::span<const std::uint32_t> places;  // one is text[places[i], places[i + 1])
    char* answers;
    std::size_t answer_bytes;
    std::size_t count() const { return places.size() - 1; }
  };
  // Gives the next requests to a connection that has none under way, and returns their text.
  std::string_view give(Client& one, const Requests& all) {
    const std::size_t some = std::min(together_, all.count() - next_);
    const char* const begin = all.text + all.places[next_];
    const std::size_t bytes = all.places[next_ + some] - all.places[next_];
    one.into = all.answers + next_ * all.answer_bytes;
    one.expected = some * all.answer_bytes;
    one.asked = now();
    wake_at_all(one);
    next_ += some;
    ++waiting_;
    return {begin, bytes};
  }
  // So many bytes came; whether that was all. Seldom it isn't, though asked for: the system wakes
  // early where it is short of memory.
  bool took(Client& one, std::size_t bytes, std::uint64_t at) {
    one.into += bytes;
    one.expected -= bytes;
    if (one.expected != 0) {
      wake_at_all(one);
      return false;
    }
    --waiting_;
    latency_.record(at - one.asked);
    return true;
  }
  static std::uint64_t now() {
    timespec time{};
    clock_gettime(CLOCK_MONOTONIC, &time);
    return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000 +
           static_cast<std::uint64_t>(time.tv_nsec);
  }
  static constexpr const char* kEnded = "the server ended a connection";
  static constexpr const char* kSilent = "the server did not answer in 10 s";

  static void wake_at_all(Client& one) {
    if (one.wakes_at == one.expected) return;
    const int least = static_cast<int>(one.expected);
    setsockopt(one.socket.fd(), SOL_SOCKET, SO_RCVLOWAT, &least, sizeof least);
    one.wakes_at = one.expected;
  }

  static constexpr int kPatience = 10;  // seconds
  const std::size_t together_;
  std::vector<Client> all_;
  std::size_t next_ = 0;     // the first request that nobody has
  std::size_t waiting_ = 0;  // connections with requests under way
  LatencyRecorder latency_;
};

// Clients that are told by epoll which connections have all their answers.
class EpollClients : public Asking {
 public:
  EpollClients(std::uint16_t port, std::size_t connections, std::size_t together)
      : Asking(port, connections, together), ready_(epoll_create1(EPOLL_CLOEXEC)) {
    for (std::size_t i = 0; i < all_.size(); ++i) {
      epoll_event event{};
      event.events = EPOLLIN;
      event.data.u64 = i;
      if (epoll_ctl(ready_.fd(), EPOLL_CTL_ADD, all_[i].socket.fd(), &event) != 0)
        throw std::system_error(errno, std::generic_category(), "epoll_ctl");
    }
  }
  void ask(const char* text, std::span<const std::uint32_t> places, char* answers,
           std::size_t bytes) {
    const Requests all{text, places, answers, bytes};
    next_ = waiting_ = 0;
    const auto begin = [&](Client& one) {
      const std::string_view requests = give(one, all);
      if (!sockets::send_all(one.socket.fd(), requests.data(), requests.size()))
        throw std::runtime_error(kEnded);
    };
    for (Client& one : all_)
      if (next_ < all.count()) begin(one);
    std::array<epoll_event, 256> events;
    while (waiting_ != 0) {
      const int come = epoll_wait(ready_.fd(), events.data(), events.size(), kPatience * 1000);
      if (come < 0 && errno == EINTR) continue;
      if (come <= 0) throw std::runtime_error(kSilent);
      const std::uint64_t at = now();
      for (int i = 0; i < come; ++i) {
        Client& one = all_[events[static_cast<std::size_t>(i)].data.u64];
        // Where nothing is expected it is the end, or an answer too many.
        const std::size_t got =
            one.expected == 0 ? 0 : sockets::receive_some(one.socket.fd(), one.into, one.expected);
        if (got == 0) throw std::runtime_error(kEnded);
        if (took(one, got, at) && next_ < all.count()) begin(one);
      }
    }
  }

 private:
  sockets::Socket ready_;
};

#if HEADROOM_URING_SERVER
// Clients that send and receive through io_uring, half of the connections at a time: one
// system call, and one wake-up, for all of them. Used by the thread that made it.
class UringClients : public Asking {
 public:
  UringClients(std::uint16_t port, std::size_t connections, std::size_t together)
      : Asking(port, connections, together) {
    io_uring_params params{};
    params.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN;
    // Each connection has at most a send and a receive under way.
    check(io_uring_queue_init_params(static_cast<unsigned>(2 * connections + 2), &ring_, &params));
    io_uring_register_ring_fd(&ring_);
  }
  ~UringClients() { io_uring_queue_exit(&ring_); }
  UringClients(const UringClients&) = delete;
  UringClients& operator=(const UringClients&) = delete;

  void ask(const char* text, std::span<const std::uint32_t> places, char* answers,
           std::size_t bytes) {
    const Requests all{text, places, answers, bytes};
    next_ = waiting_ = 0;
    failed_ = nullptr;
    for (Client& one : all_)
      if (next_ < all.count()) begin(one, all);
    while (waiting_ != 0) turn(all);
    if (failed_ != nullptr) throw std::runtime_error(failed_);
  }

 private:
  static void check(int result) {
    if (result < 0 && result != -EINTR)
      throw std::system_error(-result, std::generic_category(), "io_uring of the clients");
  }
  void begin(Client& one, const Requests& all) {
    const std::string_view requests = give(one, all);
    io_uring_sqe* entry = io_uring_get_sqe(&ring_);
    io_uring_prep_send(entry, one.socket.fd(), requests.data(), requests.size(),
                       MSG_NOSIGNAL | MSG_WAITALL);
    entry->flags |= IOSQE_CQE_SKIP_SUCCESS;
    io_uring_sqe_set_data64(entry, 0);
    receive(one);
  }
  // When enough is there, not before: a part that was taken would leave less than what wakes.
  void receive(Client& one) {
    io_uring_sqe* const entry = io_uring_get_sqe(&ring_);
    io_uring_prep_recv(entry, one.socket.fd(), one.into, one.expected, 0);
    entry->ioprio |= IORING_RECVSEND_POLL_FIRST;
    io_uring_sqe_set_data(entry, &one);
  }
  void turn(const Requests& all) {
    io_uring_cqe* answer = nullptr;
    __kernel_timespec patience{kPatience, 0};
    const std::size_t some = std::clamp<std::size_t>(all_.size() / 2, 1, waiting_);
    const int result = io_uring_submit_and_wait_timeout(
        &ring_, &answer, static_cast<unsigned>(some), &patience, nullptr);
    if (result == -ETIME) fail(kSilent);
    if (result != -ETIME) check(result);
    const std::uint64_t at = now();
    unsigned head, answers = 0;
    io_uring_for_each_cqe(&ring_, head, answer) {
      ++answers;
      auto* const one = static_cast<Client*>(io_uring_cqe_get_data(answer));
      if (one == nullptr) continue;  // a send that failed: its receive tells
      if (answer->res <= 0) {
        --waiting_;
        fail(kEnded);
      } else if (!took(*one, static_cast<std::size_t>(answer->res), at)) {
        receive(*one);
      } else if (failed_ == nullptr && next_ < all.count()) {
        begin(*one, all);
      }
    }
    io_uring_cq_advance(&ring_, answers);
  }
  // What is under way refers to memory of the caller's: it ends before the call does.
  void fail(const char* why) {
    if (failed_ != nullptr) return;
    failed_ = why;
    for (const Client& one : all_) one.socket.shut();
  }

  io_uring ring_;
  const char* failed_ = nullptr;
};
#endif

// As many connections, in the way that costs least here: io_uring where it is to be had. Without it
// the servers that have none of it either leave the clients room enough.
class Clients {
 public:
  Clients(std::uint16_t port, std::size_t connections, std::size_t together) {
#if HEADROOM_URING_SERVER
    if (has_uring_server()) {
      uring_.emplace(port, connections, together);
      return;
    }
#endif
    epoll_.emplace(port, connections, together);
  }
  // Sends places.size() - 1 requests, which are text[places[i], places[i + 1]), and puts their
  // answers of `bytes` each into `answers`, in the same order. A connection that has all answers to
  // its last requests takes the next, so the fast ones don't wait for the slow. Throws where a
  // connection ends or no answer comes.
  void ask(const char* text, std::span<const std::uint32_t> places, char* answers,
           std::size_t bytes) {
#if HEADROOM_URING_SERVER
    if (uring_) return uring_->ask(text, places, answers, bytes);
#endif
    epoll_->ask(text, places, answers, bytes);
  }
  const LatencyRecorder& latency() const {
#if HEADROOM_URING_SERVER
    if (uring_) return uring_->latency();
#endif
    return epoll_->latency();
  }

 private:
  std::optional<EpollClients> epoll_;
#if HEADROOM_URING_SERVER
  std::optional<UringClients> uring_;
#endif
};

// How much of a core the clients' thread and all others of this process, the server's, used.
class Shares {
 public:
  // More than this, and what was measured may be the clients' own speed.
  static constexpr double kMost = 0.8;

  // Runs `calls` on core 0.
  template <class Call>
  void watch(Call call) {
    const OnCore here(core_);
    const double process = now(CLOCK_PROCESS_CPUTIME_ID), own = now(CLOCK_THREAD_CPUTIME_ID),
                 begin = now(CLOCK_MONOTONIC);
    call();
    const double wall = now(CLOCK_MONOTONIC) - begin, used = now(CLOCK_THREAD_CPUTIME_ID) - own,
                 all = now(CLOCK_PROCESS_CPUTIME_ID) - process;
    last_ = used / wall;
    if (calls_++ == 0) return;  // finds caches cold
    wall_ += wall;
    client_ += used;
    server_ += all - used;
  }
  std::string refused() const {
    if (last_ <= kMost) return {};
    return "the clients used " + std::to_string(static_cast<int>(last_ * 100 + 0.5)) +
           "% of their core: the figure may be theirs, not the server's";
  }
  double client() const { return wall_ == 0 ? 0 : client_ / wall_; }
  double server() const { return wall_ == 0 ? 0 : server_ / wall_; }

 private:
  static double now(clockid_t clock) {
    timespec time{};
    clock_gettime(clock, &time);
    return static_cast<double>(time.tv_sec) * 1e9 + static_cast<double>(time.tv_nsec);
  }
  const CpuMask core_ = cpus_of_core(0);
  std::uint64_t calls_ = 0;
  double last_ = 0, wall_ = 0, client_ = 0, server_ = 0;
};

}  // namespace headroom::serving
#endif
