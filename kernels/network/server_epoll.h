// One thread for all connections, which asks epoll which of them are ready.
#pragma once

#ifdef __linux__
#include <sys/epoll.h>

#include <array>
#include <memory>
#include <unordered_map>
#include <vector>

#include "network/serving.h"
#include "support/far_side.h"

namespace headroom::serving {

// Level: epoll names a connection as long as something can be done. Edge: once when that begins, so
// that nobody has to say when it is no longer of interest, and nothing is looked at twice.
enum class Trigger { kLevel, kEdge };

template <Trigger kTrigger>
class EpollServer {
 public:
  explicit EpollServer(const Items& items)
      : items_(items), ready_(epoll_create1(EPOLL_CLOEXEC)), loop_([this] { serve(); }) {}
  ~EpollServer() { listener_.shut(); }
  std::uint16_t port() const { return listener_.port(); }
  std::uint64_t system_calls() const { return calls_.made(); }

 private:
  static constexpr bool kEdge = kTrigger == Trigger::kEdge;
  static constexpr std::size_t kTogether = 256;
  struct Known : Connection {
    using Connection::Connection;
    bool waits_to_send = false;  // level: what epoll was asked for last
    bool again = false;          // edge: it is among again_
  };

  void serve() {
    fcntl(listener_.fd(), F_SETFL, O_NONBLOCK);
    watch(listener_.fd(), EPOLLIN, nullptr, EPOLL_CTL_ADD);
    std::array<epoll_event, kTogether> events;
    for (;;) {
      calls_.count();
      const int count = epoll_wait(ready_.fd(), events.data(), kTogether, again_.empty() ? -1 : 0);
      // A connection that had its turn and still has more to read.
      for (Known* one : std::exchange(again_, {})) {
        one->again = false;
        turn(*one, EPOLLIN | EPOLLOUT);
      }
      for (int i = 0; i < count; ++i) {
        const epoll_event& event = events[static_cast<std::size_t>(i)];
        if (event.data.ptr == nullptr) {
          if (!accept_all()) return;
        } else if (auto* const one = static_cast<Known*>(event.data.ptr); !ended_of(*one)) {
          turn(*one, event.events);
        }
      }
      ended_.clear();
    }
  }
  bool accept_all() {
    for (;;) {
      calls_.count();
      const int fd = listener_.accept(SOCK_NONBLOCK);
      if (fd == Listener::kShut) return false;
      if (fd == Listener::kNone) return true;
      auto made = std::make_unique<Known>(fd, items_);
      watch(fd, kEdge ? EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET : EPOLLIN, made.get(),
            EPOLL_CTL_ADD);
      all_.emplace(made.get(), std::move(made));
    }
  }
  void watch(int fd, std::uint32_t events, void* of, int operation) {
    epoll_event event{};
    event.events = events;
    event.data.ptr = of;
    calls_.count();
    epoll_ctl(ready_.fd(), operation, fd, &event);
  }

  // One read, and one write for all that it brought. Nothing is read while something is unsent.
  void turn(Known& one, std::uint32_t events) {
    if (!one.talk.unsent().empty() && !one.flush(calls_)) return end(one);
    if (one.talk.unsent().empty() && (events & ~std::uint32_t{EPOLLOUT}) != 0) {
      calls_.count();
      const ssize_t got = recv(one.socket.fd(), bytes_.data(), bytes_.size(), 0);
      if (got == 0 || (got < 0 && errno != EAGAIN)) return end(one);
      if (got > 0) {
        one.talk.take({bytes_.data(), static_cast<std::size_t>(got)});
        if (!one.flush(calls_)) return end(one);
      }
      if constexpr (kEdge) {
        // Less than was asked for means that no more was there (epoll(7)), but for the end of the
        // stream, which no further edge would tell.
        const bool more = got == static_cast<ssize_t>(bytes_.size()) ||
                          (got > 0 && (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0);
        if (more && one.talk.unsent().empty()) come_again(one);
      }
    } else if (kEdge && one.talk.unsent().empty()) {
      come_again(one);  // requests may have come while answers were unsent
    }
    if constexpr (!kEdge) {
      const bool waits = !one.talk.unsent().empty();
      if (waits != one.waits_to_send)
        watch(one.socket.fd(), waits ? EPOLLOUT : EPOLLIN, &one, EPOLL_CTL_MOD);
      one.waits_to_send = waits;
    }
  }
  void come_again(Known& one) {
    if (!std::exchange(one.again, true)) again_.push_back(&one);
  }
  // Kept until the events of this time are done: one of them may name it.
  void end(Known& one) {
    if (one.again) std::erase(again_, &one);
    const auto place = all_.find(&one);
    one.socket.close();
    ended_.push_back(std::move(place->second));
    all_.erase(place);
  }
  static bool ended_of(const Known& one) { return !one.socket; }

  const Items& items_;
  Listener listener_;
  SystemCalls calls_;
  sockets::Socket ready_;
  std::unordered_map<Known*, std::unique_ptr<Known>> all_;
  std::vector<std::unique_ptr<Known>> ended_;
  std::vector<Known*> again_;
  std::array<char, kRead> bytes_;
  FarSide loop_;
};

}  // namespace headroom::serving
#endif
