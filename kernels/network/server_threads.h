// A thread for each connection, which waits for its requests.
#pragma once

#ifdef __linux__
#include <condition_variable>
#include <list>
#include <mutex>
#include <system_error>
#include <thread>

#include "core/cpu.h"
#include "network/serving.h"

namespace headroom::serving {

// When answers leave: each by itself, or together with all that could be given at the time.
enum class Leaves { kEach, kTogether };

template <Leaves kLeaves>
class ThreadServer {
 public:
  explicit ThreadServer(const Items& items) : items_(items), acceptor_([this] { accept_all(); }) {}
  ~ThreadServer() {
    listener_.shut();
    acceptor_.join();
    {
      std::unique_lock lock(mutex_);
      for (const Worker& worker : live_) worker.socket.shut();
      one_ended_.wait(lock, [this] { return live_.empty(); });
    }
    join_ended();
  }
  std::uint16_t port() const { return listener_.port(); }
  std::uint64_t system_calls() const { return calls_.made(); }

 private:
  struct Worker {
    explicit Worker(int fd) : socket(fd) {}
    sockets::Socket socket;
    std::thread thread;
  };
  using Place = typename std::list<Worker>::iterator;

  void accept_all() {
    pin_to_core(1);  // and with it the threads that it starts
    for (;;) {
      const int fd = listener_.accept();
      if (fd == Listener::kShut) return;
      join_ended();
      const std::lock_guard lock(mutex_);
      const Place place = live_.emplace(live_.end(), fd);
      try {
        place->thread = std::thread([this, place] { serve(place); });
      } catch (const std::system_error&) {
        live_.erase(place);  // no more threads to be had: the client is turned away
      }
    }
  }
  void join_ended() {
    std::list<Worker> ended;
    {
      const std::lock_guard lock(mutex_);
      ended.splice(ended.end(), ended_);
    }
    for (Worker& worker : ended) worker.thread.join();
  }

  void serve(Place place) {
    converse(place->socket.fd());
    const std::lock_guard lock(mutex_);
    place->socket.close();
    ended_.splice(ended_.end(), live_, place);
    one_ended_.notify_one();
  }
  void converse(int fd) {
    Conversation talk(items_);
    char bytes[kRead];
    bool there = true;
    const auto send_answers = [&] {
      calls_.count();
      there = there && sockets::send_all(fd, talk.unsent().data(), talk.unsent().size());
      talk.sent(talk.unsent().size());
    };
    while (there) {
      calls_.count();
      const std::size_t got = sockets::receive_some(fd, bytes, sizeof bytes);
      if (got == 0) return;
      const bool before = talk.over();
      if constexpr (kLeaves == Leaves::kEach) {
        talk.take({bytes, got}, send_answers);
      } else {
        talk.take({bytes, got});
        if (!talk.unsent().empty()) send_answers();
      }
      if (talk.over() && !before) shutdown(fd, SHUT_WR);
    }
  }

  const Items& items_;
  Listener listener_;
  SystemCalls calls_;
  std::mutex mutex_;
  std::condition_variable one_ended_;
  std::list<Worker> live_, ended_;
  std::thread acceptor_;
};

}  // namespace headroom::serving
#endif
