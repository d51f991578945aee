// Copies near those who ask (caching/near_copies.h), and caching/cache_aside's servers: how stale
// an answer can be. What needs servers is skipped without them; tests/tools/test_servers.py runs it
// with both.
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <unordered_map>

#include "caching/aside.h"
#include "caching/near_copies.h"
#include "catch.h"
#include "core/random.h"

namespace headroom {
namespace {

using namespace std::chrono_literals;
using Clock = NearCopies::Clock;

// A source whose values change, and a plain model of what may be handed out: the value of the last
// fetch since which nothing was forgotten, for its time.
TEST_CASE("near copies are what was fetched last, until they are forgotten or too old") {
  NearCopies copies(100ms);
  FastRng rng(1);
  struct Held {
    std::string value;
    Clock::time_point until;
  };
  std::unordered_map<std::int32_t, Held> model;
  Clock::time_point now{};
  std::size_t wrong = 0, hits = 0, asked = 0;
  for (int step = 0; step < 100'000; ++step) {
    now += std::chrono::microseconds(bounded(rng, 1000));
    const auto key = static_cast<std::int32_t>(bounded(rng, 50));
    const std::uint64_t what = bounded(rng, 1000);
    if (what == 0) {
      copies.forget_all();
      model.clear();
    } else if (what < 50) {
      copies.forget(key);
      model.erase(key);
    } else {
      const auto held = model.find(key);
      const bool hit = held != model.end() && now < held->second.until;
      const std::string fresh = std::to_string(step);
      const std::string want = hit ? held->second.value : fresh;
      if (!hit) model[key] = {fresh, now + 100ms};
      wrong += copies.get(
                   key, [&] { return fresh; }, now) != want
                   ? 1
                   : 0;
      hits += hit ? 1 : 0;
      ++asked;
    }
  }
  CHECK(wrong == 0);
  CHECK(hits > 10'000);
  CHECK(copies.hit_ratio() == static_cast<double>(hits) / static_cast<double>(asked));
}

TEST_CASE("near copies do not keep what was forgotten while it was fetched") {
  NearCopies copies(1h);
  const auto get = [&](const char* value) { return copies.get(7, [&] { return value; }); };
  CHECK(copies.get(7, [&] {
    copies.forget(7);
    return "old";
  }) == "old");
  CHECK(get("new") == "new");
  CHECK(get("newer") == "new");
  CHECK(copies.get(8, [&] {
    copies.forget_all();
    return "old";
  }) == "old");
  CHECK(copies.get(8, [] { return "new"; }) == "new");
  copies.stop();
  CHECK(get("one") == "one");
  CHECK(get("two") == "two");
}

#if HEADROOM_HAVE_LIBPQ && HEADROOM_HAVE_HIREDIS

// Replies as hiredis makes them.
redisReply text(std::string& of) {
  redisReply reply{};
  reply.type = REDIS_REPLY_STRING;
  reply.str = of.data();
  reply.len = of.size();
  return reply;
}
template <std::size_t kCount>
redisReply array(redisReply* (&of)[kCount]) {
  redisReply reply{};
  reply.type = REDIS_REPLY_ARRAY;
  reply.elements = kCount;
  reply.element = of;
  return reply;
}

TEST_CASE("near copies forget the keys that a message names, and all where it names none") {
  NearCopies copies(1h);
  int fetched = 0;
  const auto fetches = [&](std::int32_t key) {
    const int before = fetched;
    copies.get(key, [&] { return std::to_string(++fetched); });
    return fetched != before;
  };
  for (const std::int32_t key : {1, 2, 3, 4}) fetches(key);
  std::string kind = "message", channel = "__redis__:invalidate";
  std::string keys_told[] = {"they:3", "us:2", "us:4x", "us:99"};
  redisReply first = text(kind), second = text(channel);
  redisReply told[] = {text(keys_told[0]), text(keys_told[1]), text(keys_told[2]),
                       text(keys_told[3])};
  redisReply* elements[] = {&told[0], &told[1], &told[2], &told[3]};
  redisReply keys = array(elements), none{};
  none.type = REDIS_REPLY_NIL;
  redisReply* some[] = {&first, &second, &keys};
  redisReply* all[] = {&first, &second, &none};
  forget_as_told(array(some), "us:", copies);
  CHECK_FALSE(fetches(1));
  CHECK(fetches(2));
  CHECK_FALSE(fetches(3));
  CHECK_FALSE(fetches(4));
  forget_as_told(array(all), "us:", copies);
  for (const std::int32_t key : {1, 2, 3, 4}) CHECK(fetches(key));
}

// A reader with all its caches, and a writer with connections of its own.
struct Programs {
  explicit Programs(std::chrono::milliseconds believed)
      : prefix("headroom:test:" + std::to_string(getpid()) + ":" + std::to_string(++number) + ":"),
        redis(prefix, believed),
        copies(believed),
        told(redis.server(), prefix, copies) {}
  std::string ask(std::int32_t customer) {
    return copies.get(customer, [&] {
      return redis.get(customer, [&](std::int32_t missing) { return query.answer(missing); });
    });
  }
  // Returns when the new amount is committed.
  void update(std::int32_t customer, int amount) {
    writer.execute(("UPDATE " + orders.name() + " SET amount = " + std::to_string(amount) +
                    " WHERE customer = " + std::to_string(customer))
                       .c_str());
  }
  static std::string answer(int amount) {
    return std::to_string(aside::kOrders) + "|" + std::to_string(amount * aside::kOrders) + "|" +
           std::to_string(aside::kOrders - 1);
  }
  // How long the old answer was handed out yet, in this moment's new state; up to a minute.
  Clock::duration stale_for(std::int32_t customer, const std::string& fresh) {
    const Clock::time_point start = Clock::now();
    while (ask(customer) != fresh && Clock::now() - start < 1min) std::this_thread::yield();
    return Clock::now() - start;
  }
  static inline int number = 0;  // what an earlier test left in Redis is not this one's
  const std::string prefix;
  aside::Orders orders;
  Postgres writer;
  Redis writers_redis{Redis::Via::kSocket};
  aside::Query query{orders};
  aside::Copies redis;
  NearCopies copies;
  Invalidations told;
};

bool servers() { return postgres_answers() && redis_socket_answers(); }

TEST_CASE("cache-aside: answers are stale until the writer's message arrives, and no longer") {
  if (!servers()) return;
  Programs programs(1min);
  for (std::int32_t customer = 0; customer < 5; ++customer)
    CHECK(programs.ask(customer) == aside::first_answer(customer));
  Clock::duration longest{};
  for (int amount = 1; amount <= 50; ++amount) {
    const std::int32_t customer = amount % 5;
    programs.ask(customer);
    programs.update(customer, amount);
    programs.writers_redis.command({"DEL", programs.prefix + std::to_string(customer)});
    longest = std::max(longest, programs.stale_for(customer, Programs::answer(amount)));
  }
  INFO("at most " << std::chrono::duration<double>(longest).count() << " s");
  CHECK(longest < 5s);  // a tenth of a millisecond, but for a machine that does something else
  CHECK(programs.copies.hit_ratio() > 0);
  // What nobody has written is a copy still.
  const double before = programs.copies.hit_ratio();
  for (int i = 0; i < 1000; ++i) programs.ask(3);
  CHECK(programs.copies.hit_ratio() > before);
}

TEST_CASE("cache-aside: where the writer dies before it tells, answers are as stale as stated") {
  if (!servers()) return;
  constexpr auto kBelieved = 300ms;
  Programs programs(kBelieved);
  Clock::duration longest{};
  // Until it was seen at all: on a busy machine a commit may take as long as a copy is believed.
  for (int amount = 1; amount <= 20 && (amount <= 3 || longest < 1ms); ++amount) {
    programs.ask(1);
    programs.update(1, amount);
    longest = std::max(longest, programs.stale_for(1, Programs::answer(amount)));
  }
  CHECK(longest > 1ms);
  CHECK(longest < 2 * kBelieved + 5s);
  CHECK(programs.redis.computed() >= 3);
}

TEST_CASE("cache-aside: where nobody tells any more, every answer is asked for") {
  if (!servers()) return;
  Programs programs(1min);
  programs.ask(4);
  // What the server does to a connection that it drops.
  const Redis::Reply info = programs.redis.server().command({"CLIENT", "TRACKINGINFO"});
  const std::string listening = std::to_string(info->element[3]->integer);  // after "redirect"
  CHECK(programs.writers_redis.command({"CLIENT", "KILL", "ID", listening})->integer == 1);
  const Clock::time_point start = Clock::now();
  const auto fetches = [&] {
    const std::uint64_t before = programs.copies.misses();
    programs.ask(4);
    return programs.copies.misses() != before;
  };
  while (!(fetches() && fetches()) && Clock::now() - start < 30s) std::this_thread::yield();
  for (int i = 0; i < 5; ++i) CHECK(fetches());
}
#endif

}  // namespace
}  // namespace headroom
