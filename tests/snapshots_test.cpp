// Values that are replaced while others read them: never torn, never older than before, and freed
// when nobody has them any more, not earlier.
#include "concurrency/snapshots.h"

#include <memory>

#include "catch.h"
#include "interleave.h"

namespace headroom {
namespace {

// All words follow from the first.
struct Words {
  std::array<std::uint64_t, 24> words = {};
  Words() = default;
  explicit Words(std::uint64_t version) {
    for (std::size_t i = 0; i < words.size(); ++i) words[i] = version * (i + 1);
  }
  bool whole() const {
    for (std::size_t i = 0; i < words.size(); ++i)
      if (words[i] != words[0] * (i + 1)) return false;
    return true;
  }
};

TEMPLATE_TEST_CASE("a snapshot is whole and never older than the last, while it is replaced", "",
                   SeqLock<Words>, LeftRight<Words>, Qsbr<Words>) {
  constexpr std::uint64_t kWrites = 1'000'000;
  const auto store = std::make_unique<TestType>(Words(1));
  std::uint64_t written = 1;
  std::atomic<bool> done{false};
  std::atomic<int> torn{0}, backwards{0};
  std::uint64_t last_of_all[4] = {};
  at_once(4, [&](int thread) {
    Jitter meet(thread);
    store->online(thread);
    if (thread == 0) {
      // One thread writes at a time; it is also a reader.
      Until until(std::chrono::milliseconds(500));
      while (written < kWrites && !until.late()) {
        store->write(Words(++written));
        store->quiescent(thread);
        meet();
      }
      done = true;
    }
    std::uint64_t last = 0;
    for (bool again = true; again;) {
      again = !done.load();  // one more look after the last write
      const std::uint64_t version = store->read(thread, [&](const Words& words) {
        if (!words.whole()) ++torn;
        meet();
        if (!words.whole()) ++torn;  // while it is in use, too
        return words.words[0];
      });
      if (version < last) ++backwards;
      last = version;
      store->quiescent(thread);
    }
    last_of_all[thread] = last;
    store->offline(thread);
  });
  CHECK(torn == 0);
  CHECK(backwards == 0);
  for (const std::uint64_t last : last_of_all) CHECK(last == written);
}

TEST_CASE("a read in the middle of which the value is replaced is made again") {
  // At each load of the reader in turn a whole write comes in between, until a read has none left.
  int at = 0;
  for (bool stopped = true; stopped; ++at) {
    SeqLock<Words, SteppedWord> store(Words(1));
    int steps = 0;
    stopped = false;
    SteppedWord::each_step([&] {
      if (stopped || steps++ != at) return;
      stopped = true;  // the write's own steps are none of the reader's
      store.write(Words(2));
    });
    const Words got = store.read(0, [](const Words& words) { return words; });
    SteppedWord::each_step(nullptr);
    INFO("at load " << at);
    CHECK(got.whole());
    CHECK((got.words[0] == 1 || (stopped && got.words[0] == 2)));
  }
  CHECK(at > 24);  // all words and the turn, before and after
}

TEST_CASE("a read while the writer stands still gives a whole value, or waits for it") {
  // The writer stops at each of its loads and stores in turn, until a reader has been through all
  // words twice, or has gone.
  int at = 0;
  for (bool stopped = true; stopped; ++at) {
    SeqLock<Words, SteppedWord> store(Words(1));
    std::atomic<int> loads{0};
    std::atomic<bool> read{false};
    Words got;
    std::thread reader;
    int steps = 0;
    stopped = false;
    SteppedWord::each_step([&] {
      if (steps++ != at) return;
      stopped = true;
      reader = std::thread([&] {
        SteppedWord::each_step([&] { ++loads; });
        got = store.read(0, [](const Words& words) { return words; });
        read = true;
      });
      while (loads < 60 && !read) std::this_thread::yield();
    });
    store.write(Words(2));
    SteppedWord::each_step(nullptr);
    if (!stopped) break;
    reader.join();
    INFO("at step " << at);
    CHECK(got.whole());
    CHECK((got.words[0] == 1 || got.words[0] == 2));
  }
  CHECK(at > 24);
}

TEST_CASE("a value is kept while a thread may have it, and freed when all were quiescent") {
  Qsbr<Words> store(Words(1));
  store.online(0);
  store.online(1);
  store.write(Words(2));
  CHECK(store.waiting() == 1);
  store.quiescent(0);
  store.write(Words(3));
  CHECK(store.waiting() == 2);  // thread 1 may still have the first
  store.quiescent(1);
  store.write(Words(4));
  // Thread 1 has seen both go. Thread 0 said so after the first only.
  CHECK(store.waiting() == 2);
  store.quiescent(0);
  store.quiescent(1);
  store.write(Words(5));
  CHECK(store.waiting() == 1);
  store.offline(0);
  store.offline(1);
  store.write(Words(6));
  CHECK(store.waiting() == 0);  // nobody is there to have any
}

TEST_CASE("values don't pile up while all threads are quiescent now and then") {
  constexpr std::uint64_t kWrites = 20'000;
  Qsbr<Words> store(Words(1));
  std::atomic<bool> done{false};
  std::size_t left = kWrites;
  at_once(3, [&](int thread) {
    store.online(thread);
    if (thread == 0) {
      Until until(std::chrono::milliseconds(500));
      for (std::uint64_t version = 2; version <= kWrites && !until.late(); ++version) {
        store.write(Words(version));
        store.quiescent(thread);
      }
      done = true;
    }
    while (!done) {
      store.read(thread, [](const Words& words) { return words.words[0]; });
      store.quiescent(thread);
      std::this_thread::yield();
    }
    store.offline(thread);
  });
  store.write(Words(kWrites + 1));
  left = store.waiting();
  CHECK(left == 0);
}

TEST_CASE("a writer waits for a reader that has what it would change") {
  LeftRight<Words> store(Words(1));
  store.online(0);
  std::atomic<int> writes{0};
  std::uint64_t first = 0, again = 0;
  std::thread writer;
  store.read(0, [&](const Words& words) {
    first = words.words[0];
    writer = std::thread([&] {
      for (std::uint64_t version = 2; version <= 4; ++version) {
        store.write(Words(version));
        ++writes;
      }
    });
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
    again = words.words[0];
    return 0;
  });
  CHECK(first == 1);
  CHECK(again == 1);
  writer.join();
  CHECK(writes == 3);
  CHECK(store.read(0, [](const Words& words) { return words.words[0]; }) == 4);
}

TEST_CASE("a thread whose number has no slot is refused") {
  Qsbr<Words> store(Words(1));
  CHECK_THROWS_AS(store.online(kMostThreads), std::out_of_range);
}

}  // namespace
}  // namespace headroom
