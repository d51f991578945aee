// The parts of the contract: generators, buffers, agreement helpers, scratch files, ladders.
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <limits>
#include <map>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "bench/ladder.h"
#include "catch.h"
#include "core/agreement.h"
#include "core/cpu.h"

#include "core/scratch.h"
#include "faulty.h"

namespace headroom {
namespace {

// Golden values: inputs must be the same on every machine and standard library.
TEST_CASE("generators give the same numbers everywhere") {
  Rng rng(42);
  CHECK(rng() == 13930160852258120406u);
  FastRng fast(42);
  const std::vector<std::uint64_t> first = {fast(), fast(), fast()};
  CHECK(first == std::vector<std::uint64_t>{15021278609987233951u, 5881210131331364753u,
                                            18149643915985481100u});
  FastRng a(7);
  std::vector<std::uint64_t> draws;
  for (int i = 0; i < 5; ++i) draws.push_back(bounded(a, 1000));
  CHECK(draws == std::vector<std::uint64_t>{55, 172, 717, 427, 963});
  FastRng b(7);
  CHECK(uniform(b) == 0.055360436478333108);
  CHECK(normal(b) == -0.12434892340739001);
  FastRng c(7);
  const Zipf zipf(100, 0.99);
  std::vector<std::size_t> ranks;
  for (int i = 0; i < 8; ++i) ranks.push_back(zipf(c));
  CHECK(ranks == std::vector<std::size_t>{0, 0, 23, 4, 83, 5, 24, 2});
}

TEST_CASE("bounded draws stay in range and reach every value") {
  FastRng rng(1);
  CHECK(bounded(rng, 0) == 0);
  CHECK(bounded(rng, 1) == 0);
  std::map<std::uint64_t, int> seen;
  for (int i = 0; i < 10000; ++i) ++seen[bounded(rng, 7)];
  REQUIRE(seen.size() == 7);
  for (const auto& [value, count] : seen) CHECK(std::abs(count - 10000 / 7) < 200);
}

TEST_CASE("Zipf draws follow their law") {
  FastRng rng(3);
  const Zipf zipf(1000, 0.99);
  std::vector<int> count(1000);
  for (int i = 0; i < 100000; ++i) ++count[zipf(rng)];
  // P(0) / P(9) = 10^0.99 = 9.8.
  CHECK(static_cast<double>(count[0]) / count[9] > 8.0);
  CHECK(static_cast<double>(count[0]) / count[9] < 12.0);
}

TEST_CASE("shuffle is a permutation") {
  FastRng rng(5);
  std::vector<int> items(100);
  for (int i = 0; i < 100; ++i) items[i] = i;
  shuffle(std::span(items), rng);
  std::vector<int> sorted = items;
  std::sort(sorted.begin(), sorted.end());
  CHECK(items != sorted);
  for (int i = 0; i < 100; ++i) CHECK(sorted[i] == i);
}

TEST_CASE("buffers are zeroed, aligned, counted, and misaligned on request") {
  const std::size_t before = buffer_bytes_held();
  {
    const Buffer<float> small(100), large(1 << 20);
    CHECK(reinterpret_cast<std::uintptr_t>(small.data()) % 64 == 0);
    CHECK(buffer_bytes_held() - before == 400 + (4u << 20));
    CHECK(std::all_of(large.begin(), large.end(), [](float x) { return x == 0; }));
    const ScopedMisalignment misaligned(1);
    const Buffer<float> odd(100);
    CHECK(reinterpret_cast<std::uintptr_t>(odd.data()) % 64 == 4);
  }
  CHECK(buffer_bytes_held() == before);
  CHECK(Buffer<int>().empty());
  Buffer<int> copy = Buffer<int>{1, 2, 3};
  const Buffer<int> other = copy;
  copy[1] = 9;
  CHECK(other[1] == 2);
}

TEST_CASE(
    "a buffer is zeroed though its memory was used before, and lies at a line or a huge page") {
  for (const std::size_t bytes : {std::size_t{1000}, std::size_t{64} << 10, std::size_t{3} << 20}) {
    for (int turn = 0; turn < 8; ++turn) {
      Buffer<unsigned char> first(bytes), second(bytes);
      for (Buffer<unsigned char>* one : {&first, &second}) {
        REQUIRE(std::all_of(one->begin(), one->end(), [](int byte) { return byte == 0; }));
        const auto address = reinterpret_cast<std::uintptr_t>(one->data());
        CHECK(address % 64 == 0);
#if !defined(__SANITIZE_ADDRESS__)
        if (bytes >= 64u << 10) CHECK(address % (2u << 20) == 0);
#endif
        std::fill(one->begin(), one->end(), 0x5a);
      }
    }
  }
}

// malloc's own blocks lie at lines by chance, one in four.
TEST_CASE("buffers of all sizes lie at lines") {
  std::vector<Buffer<unsigned char>> held;
  for (std::size_t bytes = 1; bytes < 3000; bytes += 37) {
    held.emplace_back(bytes);
    CHECK(reinterpret_cast<std::uintptr_t>(held.back().data()) % 64 == 0);
  }
}

#if !defined(__SANITIZE_ADDRESS__)
TEST_CASE("buffers of a page or so start at pages of one mebibyte, each has its own") {
  // What other tests hold may have filled a block in part: at most one boundary is crossed.
  std::vector<Buffer<unsigned char>> held;
  std::map<std::uintptr_t, std::size_t> ends;  // by start
  std::set<std::uintptr_t> blocks;
  for (int i = 0; i < 24; ++i)
    for (const std::size_t bytes : {std::size_t{512}, std::size_t{4096}, std::size_t{8193}}) {
      held.emplace_back(bytes);
      const auto at = reinterpret_cast<std::uintptr_t>(held.back().data());
      CHECK(at % 4096 == 0);
      blocks.insert(at >> 20);
      blocks.insert((at + bytes - 1) >> 20);
      CHECK(ends.emplace(at, at + bytes).second);
    }
  CHECK(blocks.size() <= 2);
  std::uintptr_t last = 0;
  for (const auto& [start, end] : ends) {
    CHECK(start >= last);
    last = end;
  }
}

TEST_CASE("the pages of small buffers are used again, and are never short") {
  const auto address = [] { return Buffer<unsigned char>(60'000).data(); };
  const unsigned char* const first = address();
  for (int i = 0; i < 10'000; ++i) REQUIRE(address() == first);
  // More than several blocks hold, freed in another order, by several threads.
  std::vector<std::thread> threads;
  for (int seed = 0; seed < 4; ++seed)
    threads.emplace_back([seed] {
      Rng rng(static_cast<std::uint64_t>(seed));
      std::vector<Buffer<unsigned char>> held(100);
      for (int i = 0; i < 2'000; ++i) {
        Buffer<unsigned char>& one = held[bounded(rng, held.size())];
        if (!one.empty() && one[one.size() - 1] != one[0]) throw std::logic_error("torn");
        one = Buffer<unsigned char>(512 + bounded(rng, 65'000));
        std::fill(one.begin(), one.end(), static_cast<unsigned char>(i + seed));
      }
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(address() == first);
}
#endif

TEST_CASE("a buffer is misaligned only as long as that is asked for") {
  {
    const ScopedMisalignment misaligned(1);
    CHECK(reinterpret_cast<std::uintptr_t>(Buffer<float>(100).data()) % 64 == 4);
  }
  CHECK(reinterpret_cast<std::uintptr_t>(Buffer<float>(100).data()) % 64 == 0);
}

TEST_CASE("each axis has its word, and the placebo whose spread is its noise") {
  const std::map<std::string_view, std::string_view> expected = {{"scalar", "cpu"},
                                                                 {"simd", "cpu"},
                                                                 {"cache", "cpu"},
                                                                 {"memory-bandwidth", "dram"},
                                                                 {"memory-latency", "dram"},
                                                                 {"cores", "threads"},
                                                                 {"coherence", "threads"},
                                                                 {"network", "threads"},
                                                                 {"storage-sequential", "storage"},
                                                                 {"storage-random", "storage"},
                                                                 {"storage-sync", "storage"},
                                                                 {"syscall", "storage"}};
  std::map<std::string_view, std::string_view> found;
  for (int axis = 0; axis <= static_cast<int>(Axis::kCoherence); ++axis)
    found[name(static_cast<Axis>(axis))] = name(noise_class(static_cast<Axis>(axis)));
  CHECK(found == expected);
}

TEST_CASE("an input that only tests use is an input, and sources are told by folder and name") {
  Kernel kernel = describe(faulty::metadata("g/inputs"), faulty::kPair<faulty::naive>);
  const Setting asked{16, "hard", 1};
  CHECK(internal::with_known_input("g/k", {"easy"}, {"hard"}, asked).input.text() == "hard");
  CHECK_THROWS_AS(internal::with_known_input("g/k", {"easy"}, {}, asked), std::invalid_argument);
  CHECK(internal::last_folder_and_name("/a/b/simd/sum.cpp") == "simd/sum.cpp");
  CHECK(internal::last_folder_and_name("simd/sum.cpp") == "simd/sum.cpp");
  CHECK(internal::last_folder_and_name("sum.cpp") == "sum.cpp");
  CHECK(kernel.source == "tests/core_test.cpp");
}

TEST_CASE("agreement helpers see every difference") {
  using V = std::vector<float>;
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float inf = std::numeric_limits<float>::infinity();
  CHECK(exact(V{1, 2}, V{1, 2}).ok());
  CHECK_FALSE(exact(V{1, 2}, V{2, 1}).ok());
  CHECK_FALSE(exact(V{1, 2}, V{1, 2, 3}).ok());
  CHECK_FALSE(exact(V{1, 2, 3}, V{1, 2}).ok());
  CHECK_FALSE(exact(V{1, nan}, V{1, nan}).ok());
  CHECK(within(V{1, nan, inf}, V{1.01f, nan, inf}, 0.02).ok());
  CHECK_FALSE(within(V{1, nan}, V{1, 1}, 10).ok());
  CHECK_FALSE(within(V{inf}, V{-inf}, 1e30).ok());
  CHECK_FALSE(within(1.0f, 1.5f, 0.4).ok());
  CHECK(std::string(exact(std::string("a"), std::string("b")).message()) ==
        "want \"a\", got \"b\"");
}

TEST_CASE("poison changes every element") {
  Buffer<std::uint32_t> b(9);
  poison(b);
  for (std::uint32_t x : b) CHECK(x == 0xa5a5a5a5);
  std::vector<std::string> texts = {"abc", ""};
  poison(texts);
  CHECK(texts[0] != "abc");
  int number = 0;
  poison(number);
  CHECK(number != 0);
}

std::size_t entries(const std::string& folder) {
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) count += entry.exists();
  return count;
}

struct TemporaryScratch {
  std::string before = scratch_folder();
  std::string path = "scratch-test-" + std::to_string(getpid());
  TemporaryScratch() { set_scratch_folder(path); }
  ~TemporaryScratch() {
    std::filesystem::remove_all(path);
    set_scratch_folder(before);
  }
};

TEST_CASE("the free space for scratch is that of the folder's file system") {
  const TemporaryScratch scratch;
  const std::size_t free = scratch_free_bytes();
  const std::filesystem::space_info space = std::filesystem::space(scratch.path);
  // Others may write meanwhile: what root keeps for itself would be more than that on most disks.
  CHECK(free <= space.capacity);
  CHECK(std::abs(static_cast<double>(free) - static_cast<double>(space.available)) <
        0.01 * static_cast<double>(space.capacity));
}

TEST_CASE("scratch files have no name, scratch folders go away") {
  const TemporaryScratch scratch;
  {
    const ScratchFile file;
    CHECK(entries(scratch.path) == 0);
    CHECK(write(file.fd(), "x", 1) == 1);
    const int again = file.reopen(0);
    char c = 0;
    CHECK(read(again, &c, 1) == 1);
    CHECK(c == 'x');
    close(again);
#ifdef __linux__
    CHECK(file.path() == "/proc/self/fd/" + std::to_string(file.fd()));  // /dev/fd may be missing
#endif
    const ScratchFolder folder;
    CHECK(std::filesystem::is_directory(folder.path()));
  }
  CHECK(entries(scratch.path) == 0);
}

TEST_CASE("a program that is interrupted or killed leaves no scratch folder for long") {
  const TemporaryScratch scratch;
  for (int signal_number : {SIGINT, SIGTERM, SIGKILL}) {
    int ready[2];
    REQUIRE(pipe(ready) == 0);
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      const ScratchFolder folder;
      if (write(ready[1], "r", 1) != 1) _exit(1);
      for (;;) pause();
    }
    close(ready[1]);  // so that a child that dies is read as the end
    char c;
    REQUIRE(read(ready[0], &c, 1) == 1);
    CHECK(entries(scratch.path) == 1);
    kill(child, signal_number);
    int status = 0;
    waitpid(child, &status, 0);
    CHECK(WIFSIGNALED(status));
    CHECK(WTERMSIG(status) == signal_number);
    if (signal_number == SIGKILL) sweep_scratch();
    CHECK(entries(scratch.path) == 0);
    close(ready[0]);
  }
}

// Ends a child that lives in `body` by a signal, and says how it ended.
template <class Body>
int end_child(int signal_number, Body body) {
  int ready[2];
  REQUIRE(pipe(ready) == 0);
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    alarm(10);  // a handler that hangs ends as SIGALRM
    body([&] { return write(ready[1], "r", 1) == 1; });
    _exit(1);
  }
  close(ready[1]);  // so that a child that dies is read as the end
  char c;
  REQUIRE(read(ready[0], &c, 1) == 1);
  kill(child, signal_number);
  int status = 0;
  waitpid(child, &status, 0);
  close(ready[0]);
  return WIFSIGNALED(status) ? WTERMSIG(status) : -1;
}

TEST_CASE("an interrupt in the middle of an allocation still cleans up") {
  const TemporaryScratch scratch;
  for (int i = 0; i < 20; ++i) {
    const int ended = end_child(SIGINT, [](auto ready) {
      const ScratchFolder folder;
      std::filesystem::create_directory(folder.path() + "/inner");
      for (const char* name : {"/a", "/inner/b"}) std::ofstream(folder.path() + name) << "x";
      const auto allocate = [](bool forever) {
        for (std::size_t n = 0; forever || n < 100; ++n)
          std::vector<char>(100 + n * 977 % 5000)
              .swap(*std::make_unique<std::vector<char>>(n % 64));
      };
      std::thread other(allocate, true);
      allocate(false);
      ready();
      allocate(true);
    });
    CHECK(ended == SIGINT);
    CHECK(entries(scratch.path) == 0);
  }
}

TEST_CASE("a signal that was ignored stays ignored") {
  const TemporaryScratch scratch;
  const int ended = end_child(SIGHUP, [](auto ready) {
    signal(SIGHUP, SIG_IGN);  // as nohup does
    const ScratchFolder folder;
    ready();
    usleep(200'000);
    raise(SIGTERM);
  });
  CHECK(ended == SIGTERM);
  CHECK(entries(scratch.path) == 0);
}

TEST_CASE("sweeping removes what the dead left, and nothing of the living") {
  const TemporaryScratch scratch;
  std::filesystem::create_directories(scratch.path);
  const pid_t dead = fork();
  if (dead == 0) _exit(0);
  waitpid(dead, nullptr, 0);
  const std::string prefix = scratch.path + "/headroom-";
  std::ofstream(prefix + std::to_string(dead) + "-file-abc") << "x";
  std::filesystem::create_directories(prefix + std::to_string(dead) + "/0");
  std::ofstream(scratch.path + "/notes") << "x";
  const ScratchFolder mine;
  sweep_scratch();
  CHECK(entries(scratch.path) == 2);
  CHECK(std::filesystem::is_directory(mine.path()));
}

TEST_CASE("a scratch folder that can't be made is an error that names it") {
  const TemporaryScratch scratch;
  { std::ofstream file(scratch.path); }
  try {
    const ScratchFile file;
    FAIL("no error");
  } catch (const std::exception& error) {
    CHECK(std::string(error.what()).find(scratch.path) != std::string::npos);
  }
}

using faulty::kPair;
using faulty::metadata;
using faulty::naive;

TEST_CASE("cells are named by the kernel's coordinates") {
  Metadata meta = metadata("g/k");
  Kernel plain = describe(meta, kPair<naive>);
  CHECK(cell_name(plain, "naive", {16}) == "g/k/naive/n:16");
  plain.meta.inputs = {"random", "sorted"};
  plain.meta.sweeps_threads = true;
  CHECK(cell_name(plain, "", {16, "sorted", 1, 2, {{"clients", 8}}}) ==
        "g/k/n:16/input:sorted/threads:2/clients:8");
}

// A state that counts itself, for the grouping test.
struct State {
  explicit State(const faulty::Totals::Input&) {}
};
template <int kNumber>
void stateful(const State&, const faulty::Totals::Input& in, faulty::Totals::Output& out) {
  naive(in, out);
}
constexpr Variant<faulty::Totals> kMany[] = {
    {.name = "naive", .run = run<naive>, .what = "w", .max_n = 300},
    {.name = "a", .run = run<stateful<0>>, .what = "w"},
    {.name = "b", .run = run<stateful<1>>, .what = "w"},
    {.name = "c", .run = run<stateful<2>>, .what = "w"},
    {.name = "d", .run = run<stateful<3>>, .what = "w"},
    {.name = "e", .run = run<stateful<4>>, .what = "w"},
};

TEST_CASE("more than four stateful variants run as groups, each with the baseline") {
  const Kernel kernel = describe(metadata("g/many"), kMany);
  const std::vector<Ladder> all = ladders(kernel);
  REQUIRE(all.size() == 2);
  REQUIRE(all[0].groups.size() == 2);
  std::vector<std::string> names;
  for (const auto& group : all[0].groups)
    for (const Rung& rung : group) names.push_back(std::string(kernel.variants[rung.variant].name));
  CHECK(names == std::vector<std::string>{"naive", "a", "b", "c", "naive", "d", "e"});
  // Past the baseline's max_n the next variant is the reference.
  CHECK(kernel.variants[all[1].groups[0][0].variant].name == "a");
  CHECK(all[1].groups[1][0].variant == all[1].groups[0][0].variant);
  CHECK(all[0].headline);
}

constexpr Variant<faulty::Totals> kWithPeers[] = {
    {.name = "naive", .run = run<naive>, .what = "w"},
    {.name = "peer", .run = run<stateful<0>>, .what = "w", .role = Role::kPeer},
    {.name = "a", .run = run<stateful<1>>, .what = "w"},
    {.name = "absent", .run = kNotBuilt, .what = "w", .role = Role::kPeer},
    {.name = "b", .run = run<stateful<2>>, .what = "w"},
    {.name = "c", .run = run<naive>, .what = "w"},
};
constexpr Variant<faulty::Totals> kWithoutPeers[] = {
    {.name = "naive", .run = run<naive>, .what = "w"},
    {.name = "a", .run = run<stateful<1>>, .what = "w"},
    {.name = "b", .run = run<stateful<2>>, .what = "w"},
    {.name = "c", .run = run<naive>, .what = "w"},
};
constexpr Variant<faulty::Totals> kPurePeer[] = {
    {.name = "naive", .run = run<naive>, .what = "w"},
    {.name = "peer", .run = run<naive>, .what = "w", .role = Role::kPeer},
    {.name = "a", .run = run<naive>, .what = "w"},
};

using Groups = std::vector<std::vector<std::string>>;
Groups groups_of(const Kernel& kernel) {
  Groups all;
  const std::vector<Ladder> known = ladders(kernel);
  for (const auto& group : known.front().groups) {
    all.emplace_back();
    for (const Rung& rung : group) all.back().emplace_back(kernel.variants[rung.variant].name);
  }
  return all;
}

TEST_CASE("what our variants run beside doesn't depend on which peers are installed") {
  CHECK(groups_of(describe(metadata("g/peers"), kWithPeers)) ==
        Groups{{"naive", "a", "b", "c"}, {"naive", "peer"}});
  CHECK(groups_of(describe(metadata("g/peers"), kWithoutPeers)) ==
        Groups{{"naive", "a", "b", "c"}});
}

TEST_CASE("peers without a state are apart where the working set is large") {
  Metadata meta = metadata("g/pure");
  CHECK(groups_of(describe(meta, kPurePeer)) == Groups{{"naive", "peer", "a"}});
  meta.demand = [](const Setting&) { return Demand{.bytes = 1 << 20}; };
  CHECK(groups_of(describe(meta, kPurePeer)) == Groups{{"naive", "peer", "a"}});
  meta.demand = [](const Setting&) { return Demand{.bytes = (1 << 20) + 1}; };
  CHECK(groups_of(describe(meta, kPurePeer)) == Groups{{"naive", "a"}, {"naive", "peer"}});
  meta.demand = [](const Setting&) { return Demand{.bytes = 1, .working_set = 2 << 20}; };
  CHECK(groups_of(describe(meta, kPurePeer)) == Groups{{"naive", "a"}, {"naive", "peer"}});
}

TEST_CASE("variants that wait for a disk stay in one group") {
  Metadata meta = metadata("g/many");
  meta.one_group = true;
  const Kernel kernel = describe(meta, kMany);
  const std::vector<Ladder> all = ladders(kernel);
  REQUIRE(all[0].groups.size() == 1);
  CHECK(all[0].groups[0].size() == std::size(kMany));
}

TEST_CASE("thread sweeps include the one-thread naive") {
  Metadata meta = metadata("g/threads");
  meta.sweeps_threads = true;
  const Kernel kernel = describe(meta, kPair<naive>);
  for (const Ladder& ladder : ladders(kernel)) {
    if (!ladder.blocked.empty()) {
      CHECK(ladder.threads > core_count());
      continue;
    }
    const std::vector<Rung>& rungs = ladder.groups.front();
    const bool one = std::any_of(rungs.begin(), rungs.end(),
                                 [](const Rung& r) { return r.variant == 0 && r.threads == 1; });
    CHECK(one);
    CHECK(rungs.front().threads == ladder.threads);
  }
}

TEST_CASE("an input that a kernel doesn't declare is refused, and the message names those it has") {
  const Kernel kernel = describe(metadata("g/inputs"), kPair<naive>);
  try {
    kernel.bind({16, "sorted", 1});
    FAIL("no error");
  } catch (const std::invalid_argument& error) {
    CHECK(std::string(error.what()) == "g/inputs: no input sorted; it has default");
  }
}

TEST_CASE("params are coordinates: every combination is a ladder") {
  Metadata meta = metadata("g/params");
  meta.params = {{"clients", {1, 4, 16}, {4}}, {"value_bytes", {64, 128}}};
  const Kernel kernel = describe(meta, kPair<naive>);
  const std::vector<Ladder> all = ladders(kernel);
  REQUIRE(all.size() == 2 * 3 * 2);
  CHECK(all[1].params == Params{{"clients", 1}, {"value_bytes", 128}});
  std::size_t headline = 0;
  for (const Ladder& ladder : all) {
    if (ladder.headline) ++headline;
    CHECK(ladder.headline == (ladder.params["clients"] == 4));
    CHECK(ladder.setting(1).params == ladder.params);
  }
  CHECK(headline == 2 * 2);
  CHECK_THROWS_AS(all[0].params["ranks"], std::out_of_range);
}

TEST_CASE("promises: the stronger contain the weaker, and are told in words") {
  CHECK(keeps(Promise::kDurable, Promise::kConsistent));
  CHECK_FALSE(keeps(Promise::kConsistent, Promise::kDurable));
  CHECK(keeps(Promise::kExactlyOnce, Promise::kAtLeastOnce));
  using Words = std::vector<std::string_view>;
  CHECK(words(Promise::kExact | Promise::kDurable) == Words{"exact", "durable"});
  CHECK(words(Promise::kConsistent) == Words{"consistent"});
  CHECK(words(without(Promise::kExact | Promise::kDurable, Promise::kExact)) == Words{"durable"});
  CHECK(words(without(Promise::kDurable, Promise::kConsistent)) == Words{"durable"});
  CHECK(words(Promise::kExactlyOnce | Promise::kValidating | Promise::kOrdered | Promise::kFresh) ==
        Words{"ordered", "validating", "fresh", "exactly-once"});
  CHECK(words(Promise::kNone).empty());
}

TEST_CASE("a variant has the baseline's promise unless it says otherwise") {
  Metadata meta = metadata("g/promise");
  meta.promise = Promise::kExact | Promise::kDurable;
  static constexpr Variant<faulty::Totals> kTable[] = {
      {.name = "naive", .run = run<naive>, .what = "w"},
      {.name = "plain", .run = run<naive>, .what = "w", .role = Role::kStandard},
      {.name = "weak", .run = run<naive>, .what = "w", .promise = Promise::kExact},
  };
  const Kernel kernel = describe(meta, kTable);
  CHECK(kernel.variants[1].promise == meta.promise);
  CHECK(kernel.variants[1].role == "standard");
  CHECK(kernel.variants[2].promise == Promise::kExact);
}

// A rotating kernel and one whose Input has an at() of its own: only what is declared rotates.
struct Text {
  using Input = std::string;
  using Output = std::string;
  static Input make(const Setting& setting, Rng&) { return std::string(setting.n, 'x'); }
  static absl::Status same(const Input&, const Output& want, const Output& got) {
    return exact(want, got);
  }
};
void copy(const std::string& in, std::string& out) { out = in; }
constexpr Variant<Text> kCopies[] = {{.name = "naive", .run = run<copy>, .what = "w"},
                                     {.name = "copy", .run = run<copy>, .what = "w"}};

TEST_CASE("a string or a vector is an input like another") {
  const Kernel kernel = describe(metadata("g/text"), kCopies);
  const auto instance = kernel.bind({5});
  CHECK_FALSE(instance->arm(0, 1)->rotates());
  CHECK(check_agreement(kernel, {5}, 2).ok());
}

// Threads and params reach a variant through its setting, and a State through its constructor.
struct Seen {
  using Input = int;
  using Output = std::vector<std::int64_t>;
  static Input make(const Setting&, Rng&) { return 0; }
  static absl::Status same(const Input&, const Output& want, const Output& got) {
    return exact(want, got);
  }
};
std::int64_t seen = 0;
void look(const Setting& setting, const int&, Seen::Output& out) {
  seen = setting.threads * 100 + setting.params["clients"];
  out = {1};
}
struct Kept {
  Kept(const int&, const Setting& setting) : threads(setting.threads) {}
  void answer(Seen::Output& out) const { out = {1}; }
  int threads;
};
void keep(Kept& kept, const int&, Seen::Output&) { seen = kept.threads; }
constexpr Variant<Seen> kSeen[] = {{.name = "naive", .run = run<look>, .what = "w"},
                                   {.name = "state", .run = run<keep>, .what = "w"}};

TEST_CASE("threads and params come with the setting, answers out of a State") {
  const Kernel kernel = describe(metadata("g/seen"), kSeen);
  const auto instance = kernel.bind({1, "default", 1, 1, {{"clients", 7}}});
  const auto pure = instance->arm(0, 3), state = instance->arm(1, 2);
  run_turn(*pure, 0);
  CHECK(seen == 307);
  run_turn(*state, 0);
  CHECK(seen == 2);
  CHECK(state->agrees_with(*pure).ok());
  CHECK(pure->build_ns() == 0);
  CHECK(state->build_ns() > 0);
}

}  // namespace
}  // namespace headroom
