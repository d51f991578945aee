// Who has taken over what: what a publisher knows of its messages, and what a consumer tells.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <stdexcept>
#include <string>

namespace headroom {

// Publishes are numbered 1, 2, ... A confirm is for one, or for all up to it; they come in any
// order.
class Confirms {
 public:
  void sent() { open_.push_back(true); }
  // Throws std::runtime_error for a number that was never sent.
  void confirmed(std::uint64_t number, bool multiple) {
    if (number < first_) return;
    if (number - first_ >= open_.size())
      throw std::runtime_error("a confirm for what was not published");
    const auto end = open_.begin() + static_cast<std::ptrdiff_t>(number - first_);
    for (auto at = multiple ? open_.begin() : end; at != end + 1; ++at) {
      confirmed_ += *at ? 1 : 0;
      *at = false;
    }
    for (; !open_.empty() && !open_.front(); ++first_) open_.pop_front();
  }
  // Messages that may still be lost.
  std::size_t open() const { return first_ - 1 + open_.size() - confirmed_; }

 private:
  std::deque<bool> open_;        // from first_ on
  std::uint64_t first_ = 1;      // all before it are confirmed
  std::uint64_t confirmed_ = 0;  // in all
};

// Publishes through a connection (RabbitMq's publish and next_confirm) and waits for confirms.
template <class Server>
class Publisher {
 public:
  explicit Publisher(Server& server) : server_(server) {}
  // A message has left in another way.
  void sent() { confirms_.sent(); }
  // Waits until at most `open` messages are not confirmed.
  void await(std::size_t open) {
    while (confirms_.open() > open) {
      const auto told = server_.next_confirm();
      confirms_.confirmed(told.tag, told.multiple);
    }
  }
  // With at most `window` messages that are not confirmed; when it returns, all are.
  void publish(const std::string& queue, std::span<const std::string> messages, std::size_t window,
               bool persistent) {
    for (const std::string& message : messages) {
      await(window - 1);
      server_.publish(queue, message, persistent);
      sent();
    }
    await(0);
  }

 private:
  Server& server_;
  Confirms confirms_;
};

// Hands `messages` messages of a consumer (RabbitMq's next and acknowledge) to `process`, and
// acknowledges every `every`-th with all before it: only what was processed, so whoever is killed
// in between loses nothing.
template <class Server, class Process>
void take(Server& server, std::size_t messages, std::size_t every, Process&& process) {
  for (std::size_t taken = 1; taken <= messages; ++taken) {
    const auto got = server.next();
    process(got);
    if (taken % every == 0 || taken == messages) server.acknowledge(got.tag, every > 1);
  }
}

}  // namespace headroom
