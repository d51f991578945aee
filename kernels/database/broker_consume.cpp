// database/broker_consume: take n records from a RabbitMQ queue, and acknowledge each after it.
//
// The server sends messages before they are asked for, as many as the prefetch allows; what is not
// acknowledged is sent again to another when this consumer goes. So a prefetch of one is a round
// trip for each message, and an acknowledgement for each is a frame, a system call and work of the
// queue for each. Out: the records in order, then how many the queue still has when the consumer
// has gone. The records are in the queue, on the disk and in the server's memory, before the clock
// starts. No wire: the server is on this machine.
//
// Links: rabbitmq
#include "core/kernel.h"
#include "database/broker.h"

namespace headroom {
namespace {

struct BrokerConsume {
  struct Input {
    std::vector<std::string> records;
  };
  using Output = std::vector<std::string>;

  static Input make(const Setting& setting, Rng& rng) { return {make_records(setting.n, rng)}; }
  static absl::Status same(const Input& in, const Output& want, const Output& got) {
    Output truth = in.records;
    truth.emplace_back("left: 0");
    const absl::Status right = exact(truth, want);
    return right.ok() ? exact(want, got) : right;
  }
};
using Input = BrokerConsume::Input;
using Output = BrokerConsume::Output;

#if HEADROOM_HAVE_RABBITMQ

constexpr std::size_t kFilling = 256;
constexpr std::uint16_t kPrefetch = 256;
constexpr std::size_t kEvery = 64;
constexpr std::size_t kOfMessage = 16;

// A queue with all records, and a connection that will consume them.
template <bool kPacked>
struct Consumer : Broker {
  explicit Consumer(const Input&) {}
  void refill(const Input& input) {
    consumer.reset();  // it would be sent the next messages
    records = input.records.size();
    messages = input.records;
    if constexpr (kPacked) {
      messages.clear();
      in_parts(input.records, kOfMessage,
               [&](std::span<const std::string> part) { pack(part, messages.emplace_back()); });
    }
    server.purge(queue);
    publish(messages, kFilling);
    consumer = std::make_unique<RabbitMq>();
  }
  void answer(Output& out) const {
    out = taken;
    consumer.reset();  // what it has not acknowledged is in the queue again
    out.push_back("left: " + std::to_string(RabbitMq().count(queue)));
  }
  void begin() {
    taken.clear();
    taken.reserve(records);
  }
  std::size_t records = 0;
  std::vector<std::string> messages, taken;
  mutable std::unique_ptr<RabbitMq> consumer;  // until the answer
};

// When it returns, the server has the acknowledgements.
template <bool kPacked>
void consume(Consumer<kPacked>& state, std::uint16_t prefetch, std::size_t every) {
  const CpuShares::Exchange exchange(state.shares);
  state.begin();
  state.consumer->consume(state.queue, prefetch);
  take(*state.consumer, state.messages.size(), every, [&](const RabbitMq::Delivery& message) {
    if constexpr (kPacked)
      unpack(message.body, state.taken);
    else
      state.taken.push_back(message.body);
  });
  state.consumer->count(state.queue);
}

void one_at_a_time(Consumer<false>& state, Output&) { consume(state, 1, 1); }

// The next messages are here when one is done: no wait for each.
void prefetched(Consumer<false>& state, Output&) { consume(state, kPrefetch, 1); }

// One frame acknowledges all messages before it, and the queue settles them at once.
void batched(Consumer<false>& state, Output&) { consume(state, kPrefetch, kEvery); }

// And what a message costs is shared by its records.
void packed(Consumer<true>& state, Output&) { consume(state, kPrefetch, kEvery); }

// Nothing is acknowledged: the server forgets a message when it has sent it.
void automatic(Consumer<false>& state, Output&) {
  const CpuShares::Exchange exchange(state.shares);
  state.begin();
  state.consumer->consume(state.queue, 0, /*automatic=*/true);
  for (std::size_t i = 0; i < state.records; ++i)
    state.taken.push_back(state.consumer->next().body);
  state.consumer->count(state.queue);
}

constexpr auto kNaive = run<one_at_a_time>;
constexpr auto kPrefetched = run<prefetched>;
constexpr auto kBatched = run<batched>;
constexpr auto kPackedRecords = run<packed>;
constexpr auto kAutomatic = run<automatic>;
#else
constexpr auto kNaive = kNotBuilt, kPrefetched = kNotBuilt, kBatched = kNotBuilt,
               kPackedRecords = kNotBuilt, kAutomatic = kNotBuilt;
#endif

constexpr Need kNeeds[] = {kRabbitMq, kRabbitMqServer};

constexpr Variant<BrokerConsume> kVariants[] = {
    {.name = "naive",
     .run = kNaive,
     .what = "prefetch 1: each message is sent when the one before is acknowledged",
     .promise_note = "one message may come twice",
     .max_n = 100,
     .needs = kNeeds},
    {.name = "prefetch",
     .run = kPrefetched,
     .what = "up to 256 messages are sent ahead, each acknowledged: no wait for each",
     .promise_note = "up to 256 messages may come twice",
     .needs = kNeeds},
    {.name = "ack_many",
     .run = kBatched,
     .what = "and one acknowledgement for 64 messages (multiple)",
     .promise_note = "up to 256 messages may come twice",
     .needs = kNeeds},
    {.name = "packed",
     .run = kPackedRecords,
     .what = "and 16 records in each message, which share what a message costs",
     .promise_note = "up to 256 messages of 16 records may come twice",
     .needs = kNeeds},
    {.name = "auto_ack",
     .run = kAutomatic,
     .what = "no acknowledgements: what was sent is forgotten, and lost with the consumer",
     .promise = Promise::kExact | Promise::kOrdered,
     .needs = kNeeds},
};

const Registrar kRegistrar({.name = "database/broker_consume",
                            .axis = Axis::kNetwork,
                            .technique = "messages sent ahead, many acknowledged at once",
                            .sizes = {1, 10, 100, 1000},
                            .headline = {10, 100},
                            .clock = Clock::kWall,
                            .warm = Warm::kNone,
                            .promise = Promise::kExact | Promise::kOrdered | Promise::kAtLeastOnce,
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
