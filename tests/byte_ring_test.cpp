// The ring of bytes in shared memory: nothing lost, doubled or reordered at any length of transfer,
// full and empty all the time; who waits sleeps, and is told of the end.
#include "network/byte_ring.h"

#include "catch.h"

#ifdef __linux__
#include <sys/wait.h>

#include <future>
#include <string>
#include <thread>
#include <vector>

#include "core/random.h"
#include "interleave.h"
#include "interrupted.h"

namespace headroom {
namespace {

using Bytes = std::vector<unsigned char>;

Bytes numbered(std::size_t bytes) {
  Bytes all(bytes);
  for (std::size_t i = 0; i < bytes; ++i) all[i] = static_cast<unsigned char>(i * 131 >> 3);
  return all;
}

// A ring in memory of one address, so that ThreadSanitizer sees both sides of it.
struct Plain {
  explicit Plain(std::size_t room, int looks = 0)
      : data(room),
        writer(control, data.data(), room, looks),
        reader(control, data.data(), room, looks) {}
  RingControl control;
  std::vector<std::byte> data;
  RingWriter writer;
  RingReader reader;
};

TEST_CASE("a byte ring loses, doubles and reorders nothing between two threads") {
  const std::size_t room = GENERATE(std::size_t{1}, std::size_t{64}, std::size_t{4096});
  const int looks = GENERATE(0, 100);
  CAPTURE(room, looks);
  Plain ring(room, looks);
  const Bytes all = numbered(300'000);
  Bytes got(all.size());
  std::atomic<std::size_t> sent{0};
  at_once(2, [&](int thread) {
    FastRng rng(static_cast<std::uint64_t>(thread));
    Until until(std::chrono::milliseconds(300));
    // Of all lengths, up to three times the ring's.
    const auto length = [&](std::size_t at) {
      return std::min(all.size() - at, 1 + bounded(rng, 3 * room));
    };
    std::size_t at = 0;
    if (thread == 0) {
      while (at < all.size() && !until.late()) {
        const std::size_t bytes = length(at);
        if (!ring.writer.write(&all[at], bytes)) return;
        at += bytes;
      }
      sent = at;
      ring.writer.end();
      return;
    }
    // Byte by byte at the end, which comes at any of them.
    for (std::size_t bytes; at < all.size(); at += bytes) {
      bytes = at + 3 * room < all.size() / 2 ? length(at) : 1;
      if (!ring.reader.read(&got[at], bytes)) break;
    }
  });
  // A machine with much else to do sends less, and where it ends the last read may be cut off.
  got.resize(sent);
  const std::size_t whole =
      sent == all.size() ? sent.load() : sent - std::min(sent.load(), 3 * room);
  CHECK(whole != 0);
  CHECK(std::equal(got.begin(), got.begin() + static_cast<std::ptrdiff_t>(whole), all.begin()));
}

TEST_CASE("a transfer goes round the end of a byte ring at every place") {
  Plain ring(16);
  const Bytes all = numbered(16);
  for (std::size_t bytes = 1; bytes <= 16; ++bytes)
    for (int place = 0; place < 17; ++place) {
      Bytes got(bytes);
      REQUIRE(ring.writer.write(all.data(), bytes));
      REQUIRE(ring.reader.read(got.data(), bytes));
      REQUIRE(std::equal(got.begin(), got.end(), all.begin()));
    }
}

TEST_CASE("a full byte ring holds its writer back") {
  const int looks = GENERATE(0, 1000);
  Plain ring(64, looks);
  const Bytes all = numbered(65);
  std::atomic<bool> done{false};
  std::thread writer([&] { done = ring.writer.write(all.data(), all.size()); });
  while (ring.control.written < 64) std::this_thread::yield();
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  CHECK_FALSE(done);
  CHECK(ring.control.written == 64);
  Bytes got(65);
  CHECK(ring.reader.read(got.data(), 65));
  writer.join();
  CHECK(done);
  CHECK((got == all));
}

TEST_CASE("what was written before a byte ring's end is read, and then no more") {
  Plain ring(64);
  const Bytes all = numbered(10);
  REQUIRE(ring.writer.write(all.data(), 10));
  ring.writer.end();
  CHECK_FALSE(ring.writer.write(all.data(), 1));
  Bytes got(10);
  CHECK(ring.reader.read(got.data(), 7));
  CHECK(std::equal(got.begin(), got.begin() + 7, all.begin()));
  CHECK_FALSE(ring.reader.read(got.data(), 4));  // a part of a message is none
}

TEST_CASE("who sleeps at a byte ring is told of its end") {
  const Bytes all = numbered(65);
  {
    Plain ring(64);
    std::future<bool> written =
        std::async(std::launch::async, [&] { return ring.writer.write(all.data(), 65); });
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    ring.reader.end();
    CHECK_FALSE(written.get());
  }
  Plain ring(64);
  unsigned char byte = 0;
  std::future<bool> read =
      std::async(std::launch::async, [&] { return ring.reader.read(&byte, 1); });
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  ring.writer.end();
  CHECK_FALSE(read.get());
}

TEST_CASE("an index that no side of ours would write ends a byte ring, and nothing is overrun") {
  Plain ring(64);
  Bytes bytes(65);
  ring.control.written = 65;
  CHECK_FALSE(ring.reader.read(bytes.data(), 65));
  Plain other(64);
  REQUIRE(other.writer.write(bytes.data(), 64));
  other.control.read = 65;
  CHECK_FALSE(other.writer.write(bytes.data(), 1));
}

double thread_cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

TEST_CASE("who waits at an idle byte ring sleeps, and wakes up over signals") {
  SharedRings rings(4096, 1000);
  double spent = 1;
  char got = 0;
  std::thread waiting([&] {
    const double before = thread_cpu_seconds();
    rings.far.receive(&got, 1);
    spent = thread_cpu_seconds() - before;
  });
  // For the thread that waits: this one blocks them.
  sigset_t alarm, before;
  sigemptyset(&alarm);
  sigaddset(&alarm, SIGALRM);
  pthread_sigmask(SIG_BLOCK, &alarm, &before);
  {
    const Interrupted interrupted;
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    CHECK(rings.near.send("x", 1));
    waiting.join();
    CHECK(Interrupted::ticks > 10);
    // One that is pending still finds its handler.
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }
  CHECK(got == 'x');
  CHECK(spent < 0.1);
}

TEST_CASE("a byte ring connects two processes, asleep and awake") {
  const int looks = GENERATE(0, 1000);
  SharedRings rings(256, looks);
  const pid_t child = fork();
  if (child == 0) {  // sends back what it gets, until the end
    alarm(60);
    char message[100];
    while (rings.far.receive(message, sizeof message))
      if (!rings.far.send(message, sizeof message)) break;
    rings.far.end();
    _exit(0);
  }
  REQUIRE(child > 0);
  const Bytes all = numbered(100 * 500);
  Bytes got(all.size());
  bool fine = true;
  for (std::size_t at = 0; at < all.size() && fine; at += 100) {
    fine = rings.near.send(&all[at], 100) && rings.near.receive(&got[at], 100);
    if (at == 1000) std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  CHECK(fine);
  CHECK((got == all));
  rings.near.end();
  int status = -1;
  CHECK(waitpid(child, &status, 0) == child);
  CHECK((WIFEXITED(status) && WEXITSTATUS(status) == 0));
}

}  // namespace
}  // namespace headroom
#endif
