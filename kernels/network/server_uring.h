// One thread for all connections, that doesn't ask which are ready: it leaves standing requests
// with io_uring, and hands in all its answers, and takes up all that came, in one system call.
#pragma once

#ifndef HEADROOM_HAVE_URING
#define HEADROOM_HAVE_URING 0
#endif
#if defined(__linux__) && HEADROOM_HAVE_URING
#include <liburing.h>
#endif

// liburing 2.3: what is older lacks a receive that stands, or work that is deferred.
#if defined(IORING_RECV_MULTISHOT) && defined(IORING_SETUP_DEFER_TASKRUN)
#define HEADROOM_URING_SERVER 1
#include <cstdlib>
#include <future>
#include <memory>
#include <new>
#include <string>
#include <system_error>
#include <unordered_map>

#include "network/serving.h"
#include "support/far_side.h"

namespace headroom::serving {

// A ring with buffers that the system fills, for the one thread that made it.
class ReceivingRing {
 public:
  static constexpr unsigned kEntries = 512, kAnswers = 4096, kBuffers = 256;

  ReceivingRing() {
    io_uring_params params{};
    params.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE;
    params.cq_entries = kAnswers;
    check(io_uring_queue_init_params(kEntries, &ring_, &params), "io_uring_queue_init_params");
    try {
      memory_.reset(static_cast<char*>(std::aligned_alloc(4096, kBuffers * kRead)));
      places_.reset(static_cast<io_uring_buf_ring*>(
          std::aligned_alloc(4096, std::max<std::size_t>(4096, kBuffers * sizeof(io_uring_buf)))));
      if (memory_ == nullptr || places_ == nullptr) throw std::bad_alloc();
      io_uring_buf_ring_init(places_.get());
      io_uring_buf_reg registered{};
      registered.ring_addr = reinterpret_cast<std::uintptr_t>(places_.get());
      registered.ring_entries = kBuffers;
      check(io_uring_register_buf_ring(&ring_, &registered, 0), "io_uring_register_buf_ring");
      for (unsigned short i = 0; i < kBuffers; ++i) give_back(i, i);
      io_uring_buf_ring_advance(places_.get(), kBuffers);
      // Saves looking up the ring's descriptor in each call; no matter where it can't be had.
      io_uring_register_ring_fd(&ring_);
    } catch (...) {
      io_uring_queue_exit(&ring_);
      throw;
    }
  }
  ~ReceivingRing() { io_uring_queue_exit(&ring_); }
  ReceivingRing(const ReceivingRing&) = delete;
  ReceivingRing& operator=(const ReceivingRing&) = delete;

  // A request to fill in. Where the queue is full it is handed in first.
  io_uring_sqe* request() {
    for (;;) {
      if (io_uring_sqe* const entry = io_uring_get_sqe(&ring_)) return entry;
      check(io_uring_submit(&ring_), "io_uring_submit");
    }
  }
  // Hands in all requests, and calls done(answer) for all answers, at least one. The buffers in
  // them are given back afterwards.
  template <class Done>
  void turn(Done done) {
    check(io_uring_submit_and_wait(&ring_, 1), "io_uring_submit_and_wait");
    unsigned head, answers = 0;
    int given = 0;
    io_uring_cqe* answer;
    io_uring_for_each_cqe(&ring_, head, answer) {
      ++answers;
      done(*answer);
      if ((answer->flags & IORING_CQE_F_BUFFER) != 0)
        give_back(static_cast<unsigned short>(answer->flags >> IORING_CQE_BUFFER_SHIFT), given++);
    }
    io_uring_buf_ring_advance(places_.get(), given);
    io_uring_cq_advance(&ring_, answers);
  }
  std::string_view received(const io_uring_cqe& answer) const {
    return {memory_.get() + (answer.flags >> IORING_CQE_BUFFER_SHIFT) * kRead,
            static_cast<std::size_t>(answer.res)};
  }

 private:
  struct Free {
    void operator()(void* memory) const { std::free(memory); }
  };
  static void check(int result, const char* call) {
    if (result < 0 && result != -EINTR)
      throw std::system_error(-result, std::generic_category(), call);
  }
  void give_back(unsigned short number, int place) {
    io_uring_buf_ring_add(places_.get(), memory_.get() + number * kRead, kRead, number,
                          io_uring_buf_ring_mask(kBuffers), place);
  }

  io_uring ring_;
  std::unique_ptr<char, Free> memory_;
  std::unique_ptr<io_uring_buf_ring, Free> places_;
};

class UringServer {
 public:
  // Throws where there is no such ring to be had.
  explicit UringServer(const Items& items) : items_(items), loop_([this] { serve(); }) {
    started_.get_future().get();
  }
  ~UringServer() { listener_.shut(); }
  std::uint16_t port() const { return listener_.port(); }
  std::uint64_t system_calls() const { return calls_.made(); }

 private:
  // What came while an answer was under way, at most: then it is not read from until that is sent.
  static constexpr std::size_t kMostWaiting = 4 * kRead;
  enum Kind : std::uint64_t { kAccept, kReceive, kSend, kCancel, kMask = 7 };
  struct alignas(8) Known : Connection {
    using Connection::Connection;
    std::string waiting;
    bool receiving = false, stopping = false, sending = false, ended = false;
  };

  void serve() {
    std::unique_ptr<ReceivingRing> ring;
    try {
      ring = std::make_unique<ReceivingRing>();
    } catch (...) {
      started_.set_exception(std::current_exception());
      return;
    }
    ring_ = ring.get();
    accept();
    started_.set_value();
    // Requests refer to connections: all have ended before the ring does.
    while (!shut_ || !all_.empty()) {
      calls_.count();
      ring_->turn([this](const io_uring_cqe& answer) { done(answer); });
    }
  }
  void ask(Kind kind, Known* of, io_uring_sqe* entry) {
    io_uring_sqe_set_data64(entry, reinterpret_cast<std::uintptr_t>(of) | kind);
  }
  void accept() {
    io_uring_sqe* const entry = ring_->request();
    io_uring_prep_multishot_accept(entry, listener_.fd(), nullptr, nullptr, SOCK_CLOEXEC);
    ask(kAccept, nullptr, entry);
  }
  // Stands until it is cancelled, the stream ends, or no buffer is left.
  void receive(Known& one) {
    io_uring_sqe* const entry = ring_->request();
    io_uring_prep_recv_multishot(entry, one.socket.fd(), nullptr, 0, 0);
    entry->flags |= IOSQE_BUFFER_SELECT;
    entry->buf_group = 0;
    ask(kReceive, &one, entry);
    one.receiving = true;
    one.stopping = false;
  }
  void stop_receiving(Known& one) {
    if (!one.receiving || std::exchange(one.stopping, true)) return;
    io_uring_sqe* const entry = ring_->request();
    io_uring_prep_cancel64(entry, reinterpret_cast<std::uintptr_t>(&one) | kReceive, 0);
    ask(kCancel, nullptr, entry);
  }
  // One write for all that is unsent. The memory stays as it is until it is done: nothing is
  // answered meanwhile.
  void send(Known& one) {
    io_uring_sqe* const entry = ring_->request();
    const std::string_view unsent = one.talk.unsent();
    io_uring_prep_send(entry, one.socket.fd(), unsent.data(), unsent.size(),
                       MSG_NOSIGNAL | MSG_WAITALL);
    ask(kSend, &one, entry);
    one.sending = true;
  }

  void done(const io_uring_cqe& answer) {
    auto* const one = reinterpret_cast<Known*>(answer.user_data & ~std::uint64_t{kMask});
    switch (static_cast<Kind>(answer.user_data & kMask)) {
      case kAccept:
        return accepted(answer);
      case kReceive:
        received(*one, answer);
        break;
      case kSend:
        sent(*one, answer.res);
        break;
      default:
        return;
    }
    // Not before the last request that refers to it.
    if (one->ended && !one->receiving && !one->sending) all_.erase(one);
  }
  void accepted(const io_uring_cqe& answer) {
    if (answer.res >= 0) {
      Listener::at_once(answer.res);
      calls_.count();
      auto made = std::make_unique<Known>(answer.res, items_);
      if (shut_) return;
      receive(*made);
      all_.emplace(made.get(), std::move(made));
    } else if (answer.res == -EMFILE || answer.res == -ENFILE) {
      listener_.turn_away();
    } else if (answer.res == -EINVAL) {
      shut_ = true;
      for (const auto& [one, owner] : all_) one->socket.shut();
    }
    if ((answer.flags & IORING_CQE_F_MORE) == 0 && !shut_) accept();
  }
  void received(Known& one, const io_uring_cqe& answer) {
    if ((answer.flags & IORING_CQE_F_MORE) == 0) one.receiving = false;
    if (answer.res > 0) {
      const std::string_view bytes = ring_->received(answer);
      if (one.sending) {
        one.waiting += bytes;
        if (one.waiting.size() >= kMostWaiting) stop_receiving(one);
      } else {
        take(one, bytes);
      }
    } else if (answer.res != -ENOBUFS && answer.res != -ECANCELED) {
      one.ended = true;  // what came before is answered still
    }
    // No buffer was left: those of this turn are given back before the request is handed in.
    if (!one.receiving && !one.ended && one.waiting.size() < kMostWaiting) receive(one);
  }
  void take(Known& one, std::string_view bytes) {
    one.talk.take(bytes);
    if (!one.talk.unsent().empty()) send(one);
  }
  void sent(Known& one, int result) {
    one.sending = false;
    if (result < 0) {  // the client is gone
      one.ended = true;
      one.waiting.clear();
      one.socket.shut();
      return;
    }
    one.talk.sent(static_cast<std::size_t>(result));
    if (!one.talk.unsent().empty()) return send(one);
    if (!one.waiting.empty()) {
      take(one, one.waiting);
      one.waiting.clear();
      if (one.sending) return again(one);
    }
    if (one.talk.over() && !std::exchange(one.told, true)) shutdown(one.socket.fd(), SHUT_WR);
    again(one);
  }
  void again(Known& one) {
    if (!one.receiving && !one.ended) receive(one);
  }

  const Items& items_;
  Listener listener_;
  SystemCalls calls_;
  ReceivingRing* ring_ = nullptr;  // of the thread that serves
  std::unordered_map<Known*, std::unique_ptr<Known>> all_;
  bool shut_ = false;
  std::promise<void> started_;
  FarSide loop_;
};

// Whether such a server answers: what the variant does, once.
inline bool has_uring_server() {
  static const bool works = [] {
    try {
      const Items items;
      const UringServer server(items);
      const sockets::Socket client = sockets::connect_tcp(server.port());
      constexpr std::string_view kRequest = "GET /items/1 HTTP/1.1\r\nHost: a\r\n\r\n";
      char first = 0;
      return sockets::send_all(client.fd(), kRequest.data(), kRequest.size()) &&
             sockets::receive_all(client.fd(), &first, 1) && first == 'H';
    } catch (const std::exception&) {
      return false;
    }
  }();
  return works;
}

}  // namespace headroom::serving
#else
#define HEADROOM_URING_SERVER 0
namespace headroom::serving {
inline bool has_uring_server() { return false; }
}  // namespace headroom::serving
#endif

namespace headroom::serving {
inline constexpr Need kUringServer{
    "io_uring for sockets", has_uring_server,
    "build with liburing-dev 2.3 or later, on Linux 6.1 or later with io_uring allowed"};
}  // namespace headroom::serving
