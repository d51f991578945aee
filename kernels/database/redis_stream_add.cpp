// database/redis_stream_add: append n records to a Redis stream, and know that they are on disk.
//
// The server appends each change to a log, and with `appendfsync always` waits for the disk before
// it answers, once for all that it has read from its clients in a turn. So a program that waits for
// each answer waits for the disk each time; one that sends many at once waits for it once. Out: the
// records in the stream, in order, read over another connection. No wire: the server is on this
// machine.
//
// Links: hiredis
#include "core/kernel.h"
#include "database/streams.h"

namespace headroom {
namespace {

struct RedisStreamAdd {
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
using Input = RedisStreamAdd::Input;
using Output = RedisStreamAdd::Output;

#if HEADROOM_HAVE_HIREDIS

constexpr std::size_t kWindow = 256;
constexpr std::size_t kOfEntry = 16;

// An empty stream.
struct Producer : Stream {
  explicit Producer(const Input&) {}
  void refill(const Input& input) {
    in = &input;
    clear();
  }
  void answer(Output& out) const {
    out.clear();
    Redis reader(Redis::Via::kTcp, Redis::kDurable);
    const Redis::Reply all = reader.command({"XRANGE", key, "-", "+"});
    entries_of(*all, [&](std::string_view, std::string_view body) {
      if (packed)
        unpack(body, out);
      else
        out.emplace_back(body);
    });
  }
  const Input* in = nullptr;
  bool packed = false;
};

void one_by_one(Producer& state, Output&) {
  const CpuShares::Exchange exchange(state.shares);
  state.add(state.in->records, 1);
}

// What the server finds in its socket it runs in one turn: one wait for the disk, one answer's
// system call.
void pipeline(Producer& state, Output&) {
  const CpuShares::Exchange exchange(state.shares);
  state.add(state.in->records, kWindow);
}

struct Packed : Producer {
  explicit Packed(const Input& input) : Producer(input) { packed = true; }
  std::vector<std::string> messages;
};

// The command, the entry's number and its node of the stream are shared by 16 records.
void packed_records(Packed& state, Output&) {
  const CpuShares::Exchange exchange(state.shares);
  state.messages.clear();
  in_parts(state.in->records, kOfEntry,
           [&](std::span<const std::string> part) { pack(part, state.messages.emplace_back()); });
  state.add(state.messages, kWindow);
}

constexpr auto kNaive = run<one_by_one>;
constexpr auto kPipeline = run<pipeline>;
constexpr auto kPackedRecords = run<packed_records>;
#else
constexpr auto kNaive = kNotBuilt, kPipeline = kNotBuilt, kPackedRecords = kNotBuilt;
#endif

constexpr Need kNeeds[] = {kHiredis, kDurableRedis};

constexpr Variant<RedisStreamAdd> kVariants[] = {
    {.name = "naive",
     .run = kNaive,
     .what = "XADD after XADD, each waiting for the disk and its answer; durable",
     .max_n = 100,
     .needs = kNeeds},
    {.name = "pipeline",
     .run = kPipeline,
     .what = "up to 256 sent before the first answer is read: one wait for the disk; durable",
     .needs = kNeeds},
    {.name = "packed",
     .run = kPackedRecords,
     .what = "and 16 records in each entry, which share what an entry costs; durable",
     .promise_note = "16 records are redelivered together",
     .needs = kNeeds},
};

const Registrar kRegistrar({.name = "database/redis_stream_add",
                            .axis = Axis::kStorageSync,
                            .technique = "many appends on their way at once, one wait for the disk",
                            .sizes = {1, 10, 100, 1000},
                            .headline = {10, 100},
                            .one_group = true,
                            .clock = Clock::kWall,
                            .warm = Warm::kNone,
                            .promise = Promise::kExact | Promise::kOrdered | Promise::kDurable |
                                       Promise::kAtLeastOnce,
                            .fixtures = {"redis-durable"},
                            .demand =
                                [](const Setting& s) {
                                  const auto n = static_cast<double>(s.n);
                                  return Demand{.items = n,
                                                .memory = s.n * 2048 + (16 << 20),
                                                .scratch = 64 << 20,
                                                .written = s.n * 256};
                                },
                            .test_sizes = {1, 2, 17, 300}},
                           kVariants);

}  // namespace
}  // namespace headroom
