// caching/redis_get: n values of a Redis, each by its key.
//
// Redis finds a value in some hundred nanoseconds; what is waited for is the way there and back,
// once for each request. So the order of what helps is: a shorter way, all requests on their way
// before the first answer is read, one request for all of them, and at last no way at all. The
// server runs on this machine: over a wire each wait is longer, and so is what the last three save.
// Out: the values, whole. Warm: all keys are there, and the server keeps nothing on disk.
//
// Params: value_bytes, the size of a value.
//
// Links: hiredis
#include <chrono>

#include "absl/container/flat_hash_map.h"
#include "core/kernel.h"
#include "support/cpu_shares.h"
#include "support/redis.h"
#include "support/slices.h"

namespace headroom {
namespace {

constexpr std::size_t kKeys = 1000;  // what a service asks for again and again: 0.99-Zipf

struct RedisGet {
  struct Entry {
    std::string key;
    std::string value;
  };
  struct Call {
    std::span<const std::uint16_t> asked;  // indexes of entries
    const std::vector<Entry>* entries;
    const std::string& key(std::size_t i) const { return (*entries)[asked[i]].key; }
  };
  struct Input {
    std::vector<Entry> entries;
    std::vector<std::uint16_t> asked;
    Slices slices;
    Call at(std::size_t turn) const { return {slices.of(asked, turn), &entries}; }
  };
  using Output = std::vector<std::string>;

  static Input make(const Setting& setting, Rng& rng);
  static absl::Status same(const Call& call, const Output& want, const Output& got) {
    Output truth;
    for (const std::uint16_t i : call.asked) truth.push_back((*call.entries)[i].value);
    const absl::Status right = exact(truth, want);
    return right.ok() ? exact(want, got) : right;
  }
};
using Input = RedisGet::Input;
using Call = RedisGet::Call;
using Output = RedisGet::Output;

#if HEADROOM_HAVE_HIREDIS

void take(const redisReply& reply, std::string& into) {
  if (reply.type != REDIS_REPLY_STRING) throw std::runtime_error("redis: a key has no value");
  into.assign(reply.str, reply.len);
}

template <Redis::Via kVia>
struct Connected {
  explicit Connected(const Input&) { shares.add(server.process()); }
  Quantities quantities() const { return shares.quantities(); }
  Redis server{kVia};
  CpuShares shares;
};
using OverTcp = Connected<Redis::Via::kTcp>;

// Each request waits for its answer: two system calls and a wake-up on either side. The same
// function over a Unix socket leaves out TCP's segments, acknowledgements and checksums.
template <Redis::Via kVia>
void one_by_one(Connected<kVia>& state, const Call& call, Output& out) {
  const CpuShares::Exchange exchange(state.shares);
  out.resize(call.asked.size());
  for (std::size_t i = 0; i < out.size(); ++i)
    take(*state.server.command({"GET", call.key(i)}), out[i]);
}

// All requests leave in one buffer, and all answers come back in few: the server wakes up once.
void pipeline(OverTcp& state, const Call& call, Output& out) {
  const CpuShares::Exchange exchange(state.shares);
  out.resize(call.asked.size());
  for (std::size_t i = 0; i < out.size(); ++i) state.server.append({"GET", call.key(i)});
  for (std::string& value : out) take(*state.server.reply(), value);
}

// One command for all keys: the server's and the client's work for each command is done once.
class Many {
 public:
  // The values of these keys in one answer.
  template <class KeyOf>
  Redis::Reply ask(Redis& server, std::size_t count, KeyOf&& key_of) {
    words_.assign(1, "MGET");
    for (std::size_t i = 0; i < count; ++i) words_.push_back(key_of(i));
    Redis::Reply reply = server.command(words_);
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != count)
      throw std::runtime_error("redis: MGET gave another number of values");
    return reply;
  }

 private:
  std::vector<std::string_view> words_;
};

struct Batched : OverTcp {
  using OverTcp::OverTcp;
  Many many;
};

void mget(Batched& state, const Call& call, Output& out) {
  const CpuShares::Exchange exchange(state.shares);
  out.resize(call.asked.size());
  const Redis::Reply reply = state.many.ask(
      state.server, out.size(), [&](std::size_t i) -> std::string_view { return call.key(i); });
  for (std::size_t i = 0; i < out.size(); ++i) take(*reply->element[i], out[i]);
}

// Copies of values in this program's own memory, each believed for kTrust: what is changed
// meanwhile by another is not seen.
struct NearCache : Batched {
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::seconds kTrust{10};
  struct Copy {
    std::string value;
    Clock::time_point until;
  };

  // Filled: what it costs to begin with is its build cost.
  explicit NearCache(const Input& in) : Batched(in) {
    const Redis::Reply reply =
        many.ask(server, in.entries.size(),
                 [&](std::size_t i) -> std::string_view { return in.entries[i].key; });
    const Clock::time_point until = Clock::now() + kTrust;
    for (std::size_t i = 0; i < in.entries.size(); ++i) {
      Copy& copy = copies[in.entries[i].key];
      take(*reply->element[i], copy.value);
      copy.until = until;
    }
  }
  Quantities quantities() const {
    const double asked = static_cast<double>(hits + misses);
    Quantities all = Batched::quantities();
    all["hit_ratio"] = {asked == 0 ? 0 : static_cast<double>(hits) / asked, "ratio"};
    return all;
  }
  absl::flat_hash_map<std::string, Copy> copies;
  std::vector<std::size_t> missed;  // of the call
  std::size_t hits = 0;
  std::size_t misses = 0;
};

// Nobody is asked: a look-up in a hash map, a few nanoseconds. Copies that have aged come anew in
// one MGET. All keys fit; where they don't, the hit ratio decides.
void near_cache(NearCache& state, const Call& call, Output& out) {
  const CpuShares::Exchange exchange(state.shares);
  out.resize(call.asked.size());
  const NearCache::Clock::time_point now = NearCache::Clock::now();
  state.missed.clear();
  for (std::size_t i = 0; i < out.size(); ++i) {
    const auto copy = state.copies.find(call.key(i));
    if (copy != state.copies.end() && now < copy->second.until)
      out[i] = copy->second.value;
    else
      state.missed.push_back(i);
  }
  state.hits += out.size() - state.missed.size();
  state.misses += state.missed.size();
  if (state.missed.empty()) return;
  const Redis::Reply reply =
      state.many.ask(state.server, state.missed.size(),
                     [&](std::size_t i) -> std::string_view { return call.key(state.missed[i]); });
  for (std::size_t i = 0; i < state.missed.size(); ++i) {
    std::string& value = out[state.missed[i]];
    take(*reply->element[i], value);
    state.copies[call.key(state.missed[i])] = {value, now + NearCache::kTrust};
  }
}

// Puts all entries in. They go by themselves: the server may be somebody's own.
void fill(const std::vector<RedisGet::Entry>& entries) {
  Redis server(Redis::Via::kTcp);
  for (const RedisGet::Entry& entry : entries)
    server.append({"SET", entry.key, entry.value, "EX", "3600"});
  for (std::size_t i = 0; i < entries.size(); ++i) server.reply();
}

constexpr auto kNaive = run<one_by_one<Redis::Via::kTcp>>;
constexpr auto kUnixSocket = run<one_by_one<Redis::Via::kSocket>>;
constexpr auto kPipeline = run<pipeline>;
constexpr auto kMget = run<mget>;
constexpr auto kNearCache = run<near_cache>;
#else
void fill(const std::vector<RedisGet::Entry>&) {}
constexpr auto kNaive = kNotBuilt, kUnixSocket = kNotBuilt, kPipeline = kNotBuilt,
               kMget = kNotBuilt, kNearCache = kNotBuilt;
#endif

Input RedisGet::make(const Setting& setting, Rng& rng) {
  const auto bytes = static_cast<std::size_t>(setting.params["value_bytes"]);
  Input in;
  FastRng fast(rng());
  in.entries.resize(kKeys);
  // The seed and the size belong to the key: another input has other values.
  const std::string prefix =
      "headroom:" + std::to_string(setting.seed) + ":" + std::to_string(bytes) + ":";
  for (std::size_t i = 0; i < kKeys; ++i) {
    in.entries[i].key = prefix + std::to_string(i);
    in.entries[i].value.resize(bytes);
    for (char& c : in.entries[i].value) c = static_cast<char>(bounded(fast, 256));
  }
  const Zipf popular(kKeys, 0.99);
  in.slices = Slices::covering(1 << 16, setting.n);
  in.asked.resize(in.slices.items());
  for (std::uint16_t& entry : in.asked) entry = static_cast<std::uint16_t>(popular(fast));
  if (redis_answers()) fill(in.entries);
  return in;
}

constexpr Need kNeeds[] = {kHiredis, kRedis};
constexpr Need kNeedsSocket[] = {kHiredis, kRedis, kRedisSocket};

constexpr Variant<RedisGet> kVariants[] = {
    {.name = "naive",
     .run = kNaive,
     .what = "GET after GET over TCP on this machine (no wire), each waiting for its answer",
     .needs = kNeeds},
    {.name = "unix_socket",
     .run = kUnixSocket,
     .what = "the same over a Unix socket: no segments, acknowledgements and checksums",
     .needs = kNeedsSocket},
    {.name = "pipeline",
     .run = kPipeline,
     .what = "over TCP, all requests sent before the first answer is read: one wait",
     .needs = kNeeds},
    {.name = "mget",
     .run = kMget,
     .what = "one command for all keys: the work per command is done once",
     .needs = kNeeds},
    {.name = "near_cache",
     .run = kNearCache,
     .what = "copies in this program, each used for 10 s: a hash look-up, no server asked",
     .promise = Promise::kExact,
     .promise_note = "stale by up to 10 s",
     .needs = kNeeds},
};

const Registrar kRegistrar(
    {.name = "caching/redis_get",
     .axis = Axis::kNetwork,
     .technique = "fewer round trips",
     .sizes = {1, 16, 256},
     .headline = {16, 256},
     .params = {{.name = "value_bytes", .values = {64, 4096}, .headline = {64}}},
     .promise = Promise::kExact | Promise::kFresh,
     .fixtures = {"redis"},
     .demand =
         [](const Setting& s) {
           const auto n = static_cast<double>(s.n);
           const auto bytes = static_cast<double>(s.params["value_bytes"]);
           return Demand{.items = n,
                         .bytes = n * bytes,
                         .working_set = static_cast<std::size_t>(kKeys * bytes),
                         .memory = static_cast<std::size_t>(4 * kKeys * bytes) + (8 << 20)};
         },
     .test_sizes = {1, 2, 33}},
    kVariants);

}  // namespace
}  // namespace headroom
