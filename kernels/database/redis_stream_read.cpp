// database/redis_stream_read: take n records from a Redis stream as a consumer of a group, and
// acknowledge each after it.
//
// Redis remembers which consumer has which entry until that acknowledges it: both are changes, and
// with `appendfsync always` each answer waits for the disk. So a program that reads and
// acknowledges entry by entry waits for the disk twice for each. Out: the records in order, then
// how many entries are still to be acknowledged. No wire: the server is on this machine.
//
// Links: hiredis
#include "core/kernel.h"
#include "database/streams.h"

namespace headroom {
namespace {

struct RedisStreamRead {
  struct Input {
    std::vector<std::string> records;
  };
  using Output = std::vector<std::string>;

  static Input make(const Setting& setting, Rng& rng) { return {make_records(setting.n, rng)}; }
  static absl::Status same(const Input& in, const Output& want, const Output& got) {
    Output truth = in.records;
    truth.emplace_back("pending: 0");
    const absl::Status right = exact(truth, want);
    return right.ok() ? exact(want, got) : right;
  }
};
using Input = RedisStreamRead::Input;
using Output = RedisStreamRead::Output;

#if HEADROOM_HAVE_HIREDIS

constexpr std::size_t kFilling = 256;
constexpr std::size_t kBlock = 64;

// A stream with all records.
struct Consumer : Stream {
  explicit Consumer(const Input&) {}
  void refill(const Input& input) {
    in = &input;
    clear();
    add(input.records, kFilling);
  }
  void answer(Output& out) const {
    out = taken;
    Redis reader(Redis::Via::kTcp, Redis::kDurable);
    out.push_back("pending: " + std::to_string(pending(reader, key)));
  }
  void begin() {
    taken.clear();
    taken.reserve(in->records.size());
  }
  bool through() const { return taken.size() == in->records.size(); }
  // Puts the entries of the next reply into `taken` and their numbers into `ids`.
  void take() {
    ids.clear();
    entries(*server.reply(), [&](std::string_view id, std::string_view body) {
      ids.emplace_back(id);
      taken.emplace_back(body);
    });
    if (ids.empty()) throw std::runtime_error("redis: the stream ended too early");
  }
  const Input* in = nullptr;
  std::vector<std::string> ids, taken;
};

void one_by_one(Consumer& state, Output&) {
  const CpuShares::Exchange exchange(state.shares);
  state.begin();
  while (!state.through()) {
    state.ask(1);
    state.take();
    state.acknowledge(state.ids);
    state.server.reply();
  }
}

// One command gives 64 entries; each is still acknowledged alone.
void block(Consumer& state, Output&) {
  const CpuShares::Exchange exchange(state.shares);
  state.begin();
  while (!state.through()) {
    state.ask(kBlock);
    state.take();
    for (const std::string& id : state.ids) {
      state.acknowledge(std::span(&id, 1));
      state.server.reply();
    }
  }
}

// And one command acknowledges them.
void ack_many(Consumer& state, Output&) {
  const CpuShares::Exchange exchange(state.shares);
  state.begin();
  while (!state.through()) {
    state.ask(kBlock);
    state.take();
    state.acknowledge(state.ids);
    state.server.reply();
  }
}

// The acknowledgement of a block and the question for the next leave together: one round trip and
// one wait for the disk for 64 entries, not two.
void pipeline(Consumer& state, Output&) {
  const CpuShares::Exchange exchange(state.shares);
  state.begin();
  state.ask(kBlock);
  for (;;) {
    state.take();
    state.acknowledge(state.ids);
    const bool more = !state.through();
    if (more) state.ask(kBlock);
    state.server.reply();
    if (!more) return;
  }
}

// The server forgets an entry when it has given it.
void no_ack(Consumer& state, Output&) {
  const CpuShares::Exchange exchange(state.shares);
  state.begin();
  while (!state.through()) {
    state.ask(kBlock, /*acknowledged=*/true);
    state.take();
  }
}

constexpr auto kNaive = run<one_by_one>;
constexpr auto kOfBlock = run<block>;
constexpr auto kAckMany = run<ack_many>;
constexpr auto kPipeline = run<pipeline>;
constexpr auto kNoAck = run<no_ack>;
#else
constexpr auto kNaive = kNotBuilt, kOfBlock = kNotBuilt, kAckMany = kNotBuilt,
               kPipeline = kNotBuilt, kNoAck = kNotBuilt;
#endif

constexpr Need kNeeds[] = {kHiredis, kDurableRedis};

constexpr Variant<RedisStreamRead> kVariants[] = {
    {.name = "naive",
     .run = kNaive,
     .what = "XREADGROUP of one entry, then XACK: two waits for the disk for each",
     .promise_note = "one entry may come twice",
     .max_n = 100,
     .needs = kNeeds},
    {.name = "block",
     .run = kOfBlock,
     .what = "64 entries at a time, acknowledged one by one: one wait for each",
     .promise_note = "up to 64 entries may come twice",
     .max_n = 100,
     .needs = kNeeds},
    {.name = "ack_many",
     .run = kAckMany,
     .what = "and one XACK for the 64: two waits for all of them",
     .promise_note = "up to 64 entries may come twice",
     .needs = kNeeds},
    {.name = "pipeline",
     .run = kPipeline,
     .what = "and sent together with the next XREADGROUP: one wait for 64 entries",
     .promise_note = "up to 64 entries may come twice",
     .needs = kNeeds},
    {.name = "no_ack",
     .run = kNoAck,
     .what = "NOACK: what was given is forgotten, and lost with the consumer",
     .promise = Promise::kExact | Promise::kOrdered,
     .needs = kNeeds},
};

const Registrar kRegistrar({.name = "database/redis_stream_read",
                            .axis = Axis::kStorageSync,
                            .technique = "entries read and acknowledged in blocks",
                            .sizes = {1, 10, 100, 1000},
                            .headline = {10, 100},
                            .one_group = true,
                            .clock = Clock::kWall,
                            .warm = Warm::kNone,
                            .promise = Promise::kExact | Promise::kOrdered | Promise::kAtLeastOnce,
                            .fixtures = {"redis-durable"},
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
