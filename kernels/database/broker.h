// A queue of our own in RabbitMQ, and its producer. A kernel that
// includes this has `// Links: rabbitmq`.
#pragma once

#include "database/records.h"
#include "support/cpu_shares.h"
#include "support/rabbitmq.h"

#if HEADROOM_HAVE_RABBITMQ
#include <unistd.h>

#include <atomic>
#include <span>

#include "database/confirms.h"

namespace headroom {

// A connection and a queue, which goes with it.
class Broker {
 public:
  explicit Broker(bool durable = true) {
    shares.add(server.process());
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

  // As Publisher's.
  void sent() { publisher_.sent(); }
  void await(std::size_t open) { publisher_.await(open); }
  void publish(std::span<const std::string> messages, std::size_t window, bool persistent = true) {
    publisher_.publish(queue, messages, window, persistent);
  }

  Quantities quantities() const { return shares.quantities(); }

  RabbitMq server;
  CpuShares shares;
  const std::string queue = unique_name();

 private:
  static std::string unique_name() {
    static std::atomic<int> made = 0;
    return "headroom-" + std::to_string(getpid()) + "-" + std::to_string(++made);
  }
  Publisher<RabbitMq> publisher_{server};
};

}  // namespace headroom
#endif
