// Brokers: what a publisher knows of its messages, and that nothing is lost or doubled beyond the
// promise when a consumer or the broker is killed. Where the environment names no server, what
// needs one asserts nothing; tests/tools/test_brokers.py starts servers and kills them.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "catch.h"
#include "database/amqp_frames.h"
#include "database/broker.h"
#include "database/confirms.h"
#include "database/records.h"
#include "database/streams.h"

namespace headroom {
namespace {

TEST_CASE("a publisher knows which of its messages are confirmed") {
  Confirms confirms;
  for (int i = 0; i < 5; ++i) confirms.sent();
  CHECK(confirms.open() == 5);
  confirms.confirmed(3, /*multiple=*/false);
  CHECK(confirms.open() == 4);
  confirms.confirmed(2, /*multiple=*/true);
  CHECK(confirms.open() == 2);
  confirms.confirmed(3, /*multiple=*/true);  // again
  CHECK(confirms.open() == 2);
  confirms.confirmed(5, /*multiple=*/true);
  CHECK(confirms.open() == 0);
  CHECK_THROWS(confirms.confirmed(6, false));
  confirms.sent();
  confirms.confirmed(6, false);
  CHECK(confirms.open() == 0);
}

TEST_CASE("confirms in any order leave what a set of numbers would") {
  FastRng fast(7);
  for (int round = 0; round < 200; ++round) {
    Confirms confirms;
    std::set<std::uint64_t> open;
    std::uint64_t sent = 0;
    for (int step = 0; step < 300; ++step) {
      if (bounded(fast, 3) != 0 || sent == 0) {
        confirms.sent();
        open.insert(++sent);
        continue;
      }
      const std::uint64_t number = 1 + bounded(fast, sent);
      const bool multiple = bounded(fast, 4) == 0;
      confirms.confirmed(number, multiple);
      if (multiple)
        open.erase(open.begin(), open.upper_bound(number));
      else
        open.erase(number);
      REQUIRE(confirms.open() == open.size());
    }
  }
}

TEST_CASE("the frames of a publish are the specification's") {
  std::string frames;
  amqp::append_publish(1, "q", "hi", frames);
  const std::string want(
      "\x01\x00\x01\x00\x00\x00\x0a"
      "\x00\x3c\x00\x28\x00\x00\x00\x01q\x00\xce"
      "\x02\x00\x01\x00\x00\x00\x0f"
      "\x00\x3c\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x10\x00\x02\xce"
      "\x03\x00\x01\x00\x00\x00\x02hi\xce",
      18 + 23 + 10);
  const bool same = frames == want;  // bytes that a terminal does not show
  CHECK(same);
  frames.clear();
  amqp::append_publish(1, "q", "", frames);
  CHECK(frames.size() == 18 + 23);
}

TEST_CASE("packed records come out as they went in, and malformed ones are refused") {
  Rng rng(3);
  Records records = make_records(20, rng);
  records.emplace_back();  // one of no bytes
  CHECK(std::set<std::string>(records.begin(), records.end()).size() == 21);
  std::string message;
  pack(records, message);
  Records got;
  unpack(message, got);
  CHECK(got == records);
  for (const std::size_t cut : {std::size_t{1}, std::size_t{3}, message.size() - 5}) {
    Records some;
    CHECK_THROWS(unpack(std::string_view(message).substr(0, cut), some));
  }
  std::vector<std::size_t> sizes;
  in_parts(records, 8, [&](std::span<const std::string> part) { sizes.push_back(part.size()); });
  CHECK(sizes == std::vector<std::size_t>{8, 8, 5});
}

// A server that notes what is done with it.
struct Noting {
  struct Told {
    std::uint64_t tag = 0;
    bool multiple = false;
  };
  void publish(const std::string&, const std::string& body, bool) {
    ++published;
    open = std::max(open, published - confirmed);
    log += body;
  }
  Told next_confirm() {
    confirmed = published;
    return {published, true};
  }
  Told next() { return {++given, false}; }
  void acknowledge(std::uint64_t tag, bool multiple) {
    log += (multiple ? " all to " : " ") + std::to_string(tag);
  }
  std::string log;
  std::uint64_t published = 0, confirmed = 0, given = 0, open = 0;
};

TEST_CASE("a publisher keeps its window, and returns when all is confirmed") {
  const std::vector<std::string> messages(10, "x");
  for (const std::size_t window : {1, 4, 64}) {
    Noting server;
    Publisher<Noting>(server).publish("q", messages, window, true);
    CHECK(server.published == 10);
    CHECK(server.confirmed == 10);
    CHECK(server.open == std::min<std::size_t>(window, 10));
  }
}

TEST_CASE("a consumer acknowledges only what it has processed") {
  Noting server;
  const auto process = [&](const Noting::Told& got) {
    server.log += " done " + std::to_string(got.tag);
  };
  take(server, 5, 2, process);
  CHECK(server.log == " done 1 done 2 all to 2 done 3 done 4 all to 4 done 5 all to 5");
  server = {};
  take(server, 2, 1, process);
  CHECK(server.log == " done 1 1 done 2 2");
}

// What a forked child wrote, line by line, until it was killed: `child` gets what writes a line.
[[maybe_unused]] std::vector<std::string> lines_of_killed(
    const std::function<void(const std::function<void(const std::string&)>&)>& child) {
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  const pid_t pid = fork();
  REQUIRE(pid >= 0);
  if (pid == 0) {
    try {
      child([&](const std::string& line) {
        const std::string text = line + "\n";
        if (write(ends[1], text.data(), text.size()) != static_cast<ssize_t>(text.size())) _exit(3);
      });
    } catch (...) {
      _exit(2);
    }
    _exit(1);
  }
  close(ends[1]);
  std::string all;
  char block[4096];
  for (ssize_t got; (got = read(ends[0], block, sizeof block)) > 0;)
    all.append(block, static_cast<std::size_t>(got));
  close(ends[0]);
  int status = 0;
  waitpid(pid, &status, 0);
  REQUIRE(WIFSIGNALED(status));
  REQUIRE(WTERMSIG(status) == SIGKILL);
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < all.size();) {
    const std::size_t end = all.find('\n', at);
    lines.push_back(all.substr(at, end - at));
    at = end + 1;
  }
  return lines;
}

[[maybe_unused]] std::vector<std::string> numbers(int count) {
  std::vector<std::string> all;
  for (int i = 0; i < count; ++i) all.push_back(std::to_string(i));
  return all;
}

// How many of `all` are in `first` and `second` together: never, and more than once.
struct Tally {
  std::size_t lost = 0, doubled = 0;
};
[[maybe_unused]] Tally tally(const std::vector<std::string>& all,
                             const std::vector<std::string>& first,
                             const std::vector<std::string>& second) {
  std::map<std::string, int> seen;
  for (const auto* part : {&first, &second})
    for (const std::string& one : *part) ++seen[one];
  Tally counted;
  for (const std::string& one : all) {
    counted.lost += seen[one] == 0 ? 1 : 0;
    counted.doubled += seen[one] > 1 ? 1 : 0;
  }
  return counted;
}

constexpr int kMessages = 1000;
constexpr int kKilledAt = 500;

#if HEADROOM_HAVE_RABBITMQ

// A consumer that dies in the middle of its 501st message, then one that takes what is there.
void kill_a_consumer(std::uint16_t prefetch, std::size_t every, bool automatic, Tally& counted,
                     std::size_t& redelivered) {
  Broker broker;
  const std::vector<std::string> all = numbers(kMessages);
  broker.publish(all, 256);
  const std::vector<std::string> first = lines_of_killed([&](const auto& write) {
    RabbitMq consumer;
    consumer.consume(broker.queue, prefetch, automatic);
    int seen = 0;
    const auto process = [&](const RabbitMq::Delivery& message) {
      if (++seen > kKilledAt) raise(SIGKILL);
      write(message.body);
    };
    if (automatic)
      for (;;) process(consumer.next());
    take(consumer, kMessages, every, process);
  });
  REQUIRE(first.size() == kKilledAt);
  std::vector<std::string> second;
  RabbitMq consumer;
  // The server takes note of the death when it finds the connection closed.
  std::uint32_t left = 0, before = 1;
  for (int quiet = 0; quiet < 5; quiet = left == before ? quiet + 1 : 0) {
    before = left;
    usleep(20'000);
    left = consumer.count(broker.queue);
  }
  redelivered = 0;
  consumer.consume(broker.queue, 64);
  take(consumer, left, 64, [&](const RabbitMq::Delivery& message) {
    redelivered += message.redelivered ? 1 : 0;
    second.push_back(message.body);
  });
  CHECK(consumer.count(broker.queue) == 0);
  counted = tally(all, first, second);
}

TEST_CASE("a RabbitMQ consumer that is killed loses nothing and doubles only what is open") {
  if (!rabbitmq_answers()) return;
  struct Way {
    std::uint16_t prefetch;
    std::size_t every;
  };
  for (const Way way : {Way{1, 1}, Way{256, 1}, Way{256, 64}}) {
    INFO("prefetch " << way.prefetch << ", acknowledged every " << way.every);
    Tally counted;
    std::size_t redelivered = 0;
    kill_a_consumer(way.prefetch, way.every, false, counted, redelivered);
    CHECK(counted.lost == 0);
    CHECK(counted.doubled <= way.prefetch);
    CHECK(redelivered >= counted.doubled);
    CHECK(redelivered <= way.prefetch);
    // 500 is no multiple of 64: what was processed since the last acknowledgement comes again.
    if (way.every == 64) CHECK(counted.doubled >= kKilledAt % 64);
  }
}

TEST_CASE("a RabbitMQ consumer without acknowledgements loses what it was sent") {
  if (!rabbitmq_answers()) return;
  Tally counted;
  std::size_t redelivered = 0;
  kill_a_consumer(0, 1, true, counted, redelivered);
  CHECK(counted.lost > 0);
  CHECK(counted.doubled == 0);
}

TEST_CASE("what a RabbitMQ refuses is one line without a name") {
  if (!rabbitmq_answers()) return;
  RabbitMq server;
  try {
    server.consume("headroom-no-such-queue", 1);
    FAIL("a queue that is not there was accepted");
  } catch (const std::runtime_error& error) {
    const std::string told = error.what();
    INFO(told);
    CHECK(told.find("NOT_FOUND") != std::string::npos);
    CHECK(told.find("no-such-queue") == std::string::npos);
    CHECK(told.find('\n') == std::string::npos);
  }
}
#endif

#if HEADROOM_HAVE_HIREDIS

TEST_CASE("a Redis consumer that is killed loses nothing and doubles only what is open") {
  if (!durable_redis_answers()) return;
  for (const std::size_t block : {std::size_t{1}, std::size_t{64}}) {
    INFO("blocks of " << block);
    Stream stream;
    stream.clear();
    const std::vector<std::string> all = numbers(kMessages);
    stream.add(all, 256);
    const std::vector<std::string> first = lines_of_killed([&](const auto& write) {
      // The connection is the parent's: the child has one of its own.
      Redis own(Redis::Via::kTcp, Redis::kDurable);
      std::swap(stream.server, own);
      int seen = 0;
      for (;;) {
        stream.ask(block);
        std::vector<std::string> ids;
        entries(*stream.server.reply(), [&](std::string_view id, std::string_view body) {
          if (++seen > kKilledAt) raise(SIGKILL);
          ids.emplace_back(id);
          write(std::string(body));
        });
        stream.acknowledge(ids);
        stream.server.reply();
      }
    });
    REQUIRE(first.size() == kKilledAt);
    // What the dead one was given and has not acknowledged is asked for by its name.
    std::vector<std::string> second;
    const Redis::Reply given =
        stream.server.command({"XREADGROUP", "GROUP", Stream::kGroup, Stream::kConsumer, "COUNT",
                               "1000", "STREAMS", stream.key, "0"});
    entries(*given, [&](std::string_view, std::string_view body) { second.emplace_back(body); });
    const std::size_t pending = second.size();
    stream.ask(kMessages);
    entries(*stream.server.reply(),
            [&](std::string_view, std::string_view body) { second.emplace_back(body); });
    const Tally counted = tally(all, first, second);
    CHECK(counted.lost == 0);
    CHECK(counted.doubled <= block);
    CHECK(pending <= block);
    if (block == 64) CHECK(counted.doubled == kKilledAt % 64);
  }
}
#endif

// The two halves of a test that kills the server in between: HEADROOM_TEST_LEDGER names a file with
// the queue and then what was confirmed, a number a line.
[[maybe_unused]] std::string ledger() {
  const char* const file = std::getenv("HEADROOM_TEST_LEDGER");
  REQUIRE(file != nullptr);
  return file;
}

constexpr int kOfRound = 16;

// Calls `publish(round)` and notes its numbers, until it throws.
[[maybe_unused]] void publish_until_it_dies(
    const std::string& queue, const std::function<void(const std::vector<std::string>&)>& publish) {
  std::ofstream out(ledger());
  out << queue << std::endl;
  for (int first = 0;; first += kOfRound) {
    std::vector<std::string> round;
    for (int i = first; i < first + kOfRound; ++i) round.push_back(std::to_string(i));
    try {
      publish(round);
    } catch (const std::runtime_error& error) {
      CHECK(std::string(error.what()).find('\n') == std::string::npos);
      return;
    }
    for (const std::string& number : round) out << number << '\n';
    out.flush();
  }
}

// What the ledger says is in `got`, each once and in order; what was on its way may be there too.
[[maybe_unused]] void check_ledger(const std::vector<std::string>& got) {
  std::ifstream in(ledger());
  std::string line;
  std::getline(in, line);
  std::vector<std::string> confirmed;
  while (std::getline(in, line)) confirmed.push_back(line);
  REQUIRE(confirmed.size() >= kOfRound);
  REQUIRE(got.size() >= confirmed.size());
  CHECK(got.size() <= confirmed.size() + kOfRound);
  for (std::size_t i = 0; i < got.size(); ++i) REQUIRE(got[i] == std::to_string(i));
}

#if HEADROOM_HAVE_RABBITMQ
TEST_CASE("a publisher notes what RabbitMQ confirms until it dies", "[.]") {
  Broker broker;
  publish_until_it_dies(broker.queue, [&](const std::vector<std::string>& round) {
    broker.publish(round, kOfRound);
  });
}

TEST_CASE("a RabbitMQ that was killed has what it confirmed", "[.]") {
  std::ifstream in(ledger());
  std::string queue;
  std::getline(in, queue);
  RabbitMq server;
  const std::uint32_t count = server.count(queue);
  std::vector<std::string> got;
  server.consume(queue, 0);
  take(server, count, 64, [&](const RabbitMq::Delivery& message) { got.push_back(message.body); });
  check_ledger(got);
  server.remove(queue);
}
#endif

#if HEADROOM_HAVE_HIREDIS
TEST_CASE("a publisher notes what Redis acknowledges until it dies", "[.]") {
  Stream stream;
  stream.clear();
  publish_until_it_dies(
      stream.key, [&](const std::vector<std::string>& round) { stream.add(round, kOfRound); });
}

TEST_CASE("a Redis that was killed has what it acknowledged", "[.]") {
  std::ifstream in(ledger());
  std::string key;
  std::getline(in, key);
  Redis server(Redis::Via::kTcp, Redis::kDurable);
  std::vector<std::string> got;
  entries_of(*server.command({"XRANGE", key, "-", "+"}),
             [&](std::string_view, std::string_view body) { got.emplace_back(body); });
  check_ledger(got);
  server.command({"DEL", key});
}
#endif

}  // namespace
}  // namespace headroom
