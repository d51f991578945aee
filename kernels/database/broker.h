// A queue of our own in RabbitMQ, and what producers and consumers do with it. A kernel that
// includes this has `// Links: rabbitmq`.
#pragma once

#include "support/rabbitmq.h"

#if HEADROOM_HAVE_RABBITMQ
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <span>

#include "database/confirms.h"
#include "database/records.h"

namespace headroom {

// A connection and a queue, which goes with it.
class Broker {
 public:
  explicit Broker(bool durable = true) {
    server.declare(queue, durable);
    server.confirm_publishes();
  }
  Broker(const Broker&) = delete;
  ~Broker() {
    try {
      server.remove(queue);
    } catch (const std::runtime_error&) {
      // The server has gone; where it hasn't, the queue goes by itself.
    }
  }

  void sent() { confirms_.sent(); }
  // Waits until at most `open` messages are not confirmed.
  void await(std::size_t open) {
    while (confirms_.open() > open) {
      const RabbitMq::Confirm told = server.next_confirm();
      confirms_.confirmed(told.tag, told.multiple);
    }
  }
  // Publishes, with at most `window` messages that are not confirmed; when it returns, all are.
  void publish(std::span<const std::string> messages, std::size_t window, bool persistent = true) {
    for (const std::string& message : messages) {
      await(window - 1);
      server.publish(queue, message, persistent);
      sent();
    }
    await(0);
  }

  RabbitMq server;
  const std::string queue = unique_name();

 private:
  static std::string unique_name() {
    static std::atomic<int> made = 0;
    return "headroom-" + std::to_string(getpid()) + "-" + std::to_string(++made);
  }
  Confirms confirms_;
};

// Hands `messages` messages of a consumer to `process`, and acknowledges every `every`-th with all
// before it: only what was processed, so whoever is killed in between loses nothing.
template <class Process>
void take(RabbitMq& server, std::size_t messages, std::size_t every, Process&& process) {
  for (std::size_t taken = 1; taken <= messages; ++taken) {
    const RabbitMq::Delivery got = server.next();
    process(got);
    if (taken % every == 0 || taken == messages) server.acknowledge(got.tag, every > 1);
  }
}

}  // namespace headroom
#endif
