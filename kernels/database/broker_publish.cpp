// database/broker_publish: hand n records to a RabbitMQ queue, and know that it has them on disk.
//
// A message that was sent may be lost until the server confirms it. It confirms a persistent
// message in a durable queue when it is on the disk, and it writes what came meanwhile together. So
// who waits for each confirm pays a round trip and a flush for each message; who waits for many
// pays them once. Out: the records in the queue, in order, read by a second consumer, after the
// call has returned. No wire: the server is on this machine.
//
// Links: rabbitmq
#include <optional>

#include "core/kernel.h"
#include "database/amqp_frames.h"
#include "database/broker.h"
#include "support/sockets.h"

namespace headroom {
namespace {

struct BrokerPublish {
  struct Input {
    std::vector<std::string> records;
  };
  using Output = std::vector<std::string>;

  static Input make(const Setting& setting, Rng& rng) { return {make_records(setting.n, rng)}; }
  static absl::Status same(const Input& in, const Output& want, const Output& got) {
    const absl::Status right = exact(in.records, want);
    return right.ok() ? exact(want, got) : right;
  }
};
using Input = BrokerPublish::Input;
using Output = BrokerPublish::Output;

#if HEADROOM_HAVE_RABBITMQ

constexpr std::size_t kWindow = 256;
constexpr std::size_t kAtOnce = 64;     // messages of one buffer
constexpr std::size_t kOfMessage = 16;  // records of one message
static_assert(kOfMessage * (4 + 223) <= amqp::kLargestBody);

// An empty queue; kDurable: it is on the disk.
template <bool kDurable>
struct Producer : Broker {
  explicit Producer(const Input&) : Broker(kDurable) {}
  void refill(const Input& input) {
    in = &input;
    server.purge(queue);
    there.reset();
  }
  // What is in the queue. To read it is to take it, and whoever compares may ask twice.
  void answer(Output& out) const {
    if (!there.has_value()) {
      there.emplace();
      read(*there);
    }
    out = *there;
  }
  void read(Output& out) const {
    RabbitMq reader;
    const std::uint32_t messages = reader.count(queue);
    reader.consume(queue, 0);
    take(reader, messages, kAtOnce, [&](const RabbitMq::Delivery& message) {
      if (packed)
        unpack(message.body, out);
      else
        out.push_back(message.body);
    });
    reader.count(queue);
  }
  const Input* in = nullptr;
  bool packed = false;
  mutable std::optional<Output> there;  // from the first answer() after a refill
};
using Durable = Producer<true>;

void confirm_each(Durable& state, Output&) {
  const CpuShares::Exchange exchange(state.shares);
  state.publish(state.in->records, 1);
}

// While a message is written to the disk, the next ones are on their way; the server writes what
// has come together, and one confirm is for many.
template <bool kDurable>
void window(Producer<kDurable>& state, Output&) {
  const CpuShares::Exchange exchange(state.shares);
  state.publish(state.in->records, kWindow, kDurable);
}

struct Gathered : Durable {
  using Durable::Durable;
  std::string frames;
};

// The frames of many messages in one buffer: a system call for 64 messages, not three for each, and
// the server reads as many at once.
void one_send(Gathered& state, Output&) {
  const CpuShares::Exchange exchange(state.shares);
  in_parts(state.in->records, kAtOnce, [&](std::span<const std::string> part) {
    state.frames.clear();
    for (const std::string& record : part) {
      amqp::append_publish(RabbitMq::kChannel, state.queue, record, state.frames);
      state.sent();
    }
    if (!sockets::send_all(state.server.fd(), state.frames.data(), state.frames.size()))
      throw std::runtime_error("rabbitmq: the connection is closed");
    state.await(kWindow - kAtOnce);
  });
  state.await(0);
}

struct Packed : Gathered {
  explicit Packed(const Input& input) : Gathered(input) { packed = true; }
  std::string message;
};

// What a message costs, in frames, routing, the queue's index and confirms, is shared by its
// records.
void packed_records(Packed& state, Output&) {
  const CpuShares::Exchange exchange(state.shares);
  state.frames.clear();
  in_parts(state.in->records, kOfMessage, [&](std::span<const std::string> part) {
    pack(part, state.message);
    amqp::append_publish(RabbitMq::kChannel, state.queue, state.message, state.frames);
    state.sent();
  });
  if (!sockets::send_all(state.server.fd(), state.frames.data(), state.frames.size()))
    throw std::runtime_error("rabbitmq: the connection is closed");
  state.await(0);
}

constexpr auto kNaive = run<confirm_each>;
constexpr auto kWindowed = run<window<true>>;
constexpr auto kOneSend = run<one_send>;
constexpr auto kPackedRecords = run<packed_records>;
constexpr auto kTransient = run<window<false>>;
#else
constexpr auto kNaive = kNotBuilt, kWindowed = kNotBuilt, kOneSend = kNotBuilt,
               kPackedRecords = kNotBuilt, kTransient = kNotBuilt;
#endif

constexpr Need kNeeds[] = {kRabbitMq, kRabbitMqServer};

constexpr Variant<BrokerPublish> kVariants[] = {
    {.name = "naive",
     .run = kNaive,
     .what = "publish a persistent message, wait for its confirm, publish the next; durable",
     .max_n = 100,
     .needs = kNeeds},
    {.name = "window",
     .run = kWindowed,
     .what = "up to 256 messages without a confirm: the server writes many at once; durable",
     .needs = kNeeds},
    {.name = "one_send",
     .run = kOneSend,
     .what = "and the frames of 64 messages in one send, not three for each message; durable",
     .needs = kNeeds},
    {.name = "packed",
     .run = kPackedRecords,
     .what = "and 16 records in each message, which share what a message costs; durable",
     .promise_note = "16 records are redelivered together",
     .needs = kNeeds},
    {.name = "transient",
     .run = kTransient,
     .what = "as window, kept in memory alone: lost when the server restarts",
     .promise = Promise::kExact | Promise::kOrdered,
     .needs = kNeeds},
};

const Registrar kRegistrar(
    {.name = "database/broker_publish",
     .axis = Axis::kStorageSync,
     .technique = "wait for many confirms at once, send many messages at once",
     .sizes = {1, 10, 100, 1000},
     .headline = {10, 100},
     .one_group = true,
     .clock = Clock::kWall,
     .warm = Warm::kNone,
     .promise = Promise::kExact | Promise::kOrdered | Promise::kDurable | Promise::kAtLeastOnce,
     .fixtures = {"rabbitmq"},
     .demand =
         [](const Setting& s) {
           const auto n = static_cast<double>(s.n);
           return Demand{.items = n,
                         .memory = s.n * 2048 + (16 << 20),
                         .scratch = 64 << 20,
                         .written = s.n * 512};
         },
     .test_sizes = {1, 2, 17, 300}},
    kVariants);

}  // namespace
}  // namespace headroom
