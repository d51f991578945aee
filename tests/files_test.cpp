// Files (support/files.h, support/disk.h): whole transfers over what the system does to them on
// real calls, and mappings whose file is truncated.
#include "support/files.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <functional>
#include <future>
#include <string>
#include <thread>

#include "catch.h"
#include "interrupted.h"
#include "support/pages.h"

namespace headroom {
namespace {

std::vector<unsigned char> numbered(std::size_t bytes) {
  std::vector<unsigned char> all(bytes);
  for (std::size_t i = 0; i < bytes; ++i) all[i] = static_cast<unsigned char>(i * 131 >> 3);
  return all;
}

// A pipe takes and gives as much as there is room for: every transfer is short.
struct Pipe {
  Pipe() { REQUIRE(pipe(ends) == 0); }
  ~Pipe() {
    close(ends[0]);
    close(ends[1]);
  }
  int ends[2] = {-1, -1};
};

// Runs `body` on a thread that gets no signals, so that they interrupt the caller.
std::thread undisturbed(const std::function<void()>& body) {
  sigset_t alarm, before;
  sigemptyset(&alarm);
  sigaddset(&alarm, SIGALRM);
  pthread_sigmask(SIG_BLOCK, &alarm, &before);
  std::thread thread(body);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return thread;
}

void pause_now_and_then(std::size_t at) {
  if (at % 4 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(3));
}

TEST_CASE("all bytes are written through short transfers and interruptions") {
  const std::vector<unsigned char> sent = numbered(1'000'003);
  std::vector<unsigned char> got;
  Pipe pipe;
  fcntl(pipe.ends[1], F_SETPIPE_SZ, 65536);
  std::thread reader = undisturbed([&] {
    unsigned char part[40'000];
    std::size_t reads = 0;
    for (ssize_t size; (size = read(pipe.ends[0], part, sizeof part)) > 0; ++reads) {
      got.insert(got.end(), part, part + size);
      pause_now_and_then(reads);
    }
  });
  {
    const Interrupted interrupted;
    files::write_all(pipe.ends[1], sent.data(), sent.size());
  }
  close(std::exchange(pipe.ends[1], -1));
  reader.join();
  CHECK(Interrupted::ticks > 0);
  CHECK(got == sent);
}

TEST_CASE("all bytes are read through short transfers and interruptions") {
  const std::vector<unsigned char> sent = numbered(300'001);
  std::vector<unsigned char> got(sent.size() + 10);
  Pipe pipe;
  std::thread writer = undisturbed([&] {
    for (std::size_t at = 0; at < sent.size(); at += 10'000) {
      files::write_all(pipe.ends[1], sent.data() + at,
                       std::min<std::size_t>(10'000, sent.size() - at));
      pause_now_and_then(at / 10'000);
    }
    close(std::exchange(pipe.ends[1], -1));
  });
  std::size_t size = 0;
  {
    const Interrupted interrupted;
    size = files::read_full(pipe.ends[0], got.data(), got.size());
  }
  writer.join();
  CHECK(Interrupted::ticks > 0);
  REQUIRE(size == sent.size());
  got.resize(size);
  CHECK(got == sent);
}

std::string error_of(const std::function<void()>& body) {
  try {
    body();
  } catch (const std::exception& error) {
    return error.what();
  }
  return "";
}

TEST_CASE("a full disk is an error that says so") {
  const int full = open("/dev/full", O_RDWR);
  if (full < 0) return;
  const std::vector<unsigned char> block(4096);
  const std::string error = error_of([&] { files::write_all(full, block.data(), block.size()); });
  CHECK(error.find("No space left on device") != std::string::npos);
  CHECK(error.find(scratch_folder()) != std::string::npos);
  close(full);
}

TEST_CASE("what can't be read is an error, and a file that ends early no endless loop") {
  const ScratchFile file;
  const std::vector<unsigned char> content = numbered(5000);
  files::write_all(file.fd(), content.data(), content.size());
  std::vector<unsigned char> all;
  files::contents(file.fd(), all);
  CHECK(all == content);
  unsigned char byte = 0;
  CHECK(error_of([&] { files::read_some(-1, &byte, 1); }).find("Bad file") != std::string::npos);
  files::rewind(file.fd());
  all.assign(9000, 1);
  CHECK(files::read_full(file.fd(), all.data(), all.size()) == 5000);
  CHECK_FALSE(error_of([&] { disk::read_at(file.fd(), all.data(), 6000, 0); }).empty());
}

TEST_CASE(
    "O_DIRECT takes the last block in part, and refuses what isn't aligned, or reads it right") {
  if (!disk::on_disk()) return;
  const std::vector<unsigned char> content = numbered(3 * disk::kBlock + 777);
  const ScratchFile file;
  disk::write_at(file.fd(), content.data(), content.size(), 0);
  REQUIRE(fsync(file.fd()) == 0);
  const int fd = file.reopen(O_RDONLY | disk::kDirect);
  const Mapping memory = touched_pages(5 * disk::kBlock);
  disk::read_direct(fd, memory.data(), content.size(), 0);
  CHECK(std::equal(content.begin(), content.end(), memory.data()));
  // Past the end there is nothing to wait for.
  CHECK_FALSE(error_of([&] {
                disk::read_direct(fd, memory.data(), content.size() + disk::kBlock, 0);
              }).empty());
  for (const auto& at : {std::pair<std::size_t, std::size_t>{1, 0}, {0, 3}}) {
    const std::size_t shift = at.first, offset = at.second;  // clang 14 captures no binding
    std::memset(memory.data(), 0, memory.size());
    unsigned char* const to = memory.data() + shift;
    const std::string error = error_of([&] { disk::read_direct(fd, to, disk::kBlock, offset); });
    INFO(shift << " " << offset << " " << error);
    if (error.empty())
      CHECK(std::equal(to, to + disk::kBlock, content.data() + offset));
    else
      CHECK(error.find("Invalid argument") != std::string::npos);
  }
  close(fd);
}

TEST_CASE("the page cache is proven to hold a file, or not") {
  if (!disk::on_disk()) return;
  const ScratchFile file = files::hot_file(numbered(40'000));
  CHECK(error_of([&] { files::require_hot(file.fd(), 40'000); }).empty());
  CHECK(disk::drop_cache(file.fd(), 40'000));
  CHECK_FALSE(error_of([&] { files::require_hot(file.fd(), 40'000); }).empty());
  disk::require_cold(file.fd(), 40'000);
  // One page read makes it warm; its neighbours may be read ahead.
  unsigned char byte = 0;
  disk::read_at(file.fd(), &byte, 1, 20'000);
  const std::vector<unsigned char> resident = disk::residency(file.fd(), 40'000);
  CHECK(std::any_of(resident.begin(), resident.end(), [](unsigned char r) { return r & 1; }));
}

std::uint64_t sum(const files::Map& map) {
  std::uint64_t total = 0;
  map.read([&map, &total] {
    for (std::size_t i = 0; i < map.size(); ++i) total += map.data()[i];
  });
  return total;
}

#if !defined(HEADROOM_TSAN)  // it doesn't survive a jump out of a signal's handler
TEST_CASE("a mapped file that is truncated is an error, not the end of the program") {
  const std::vector<unsigned char> content(10 * disk::kBlock, 1);
  for (const auto pages : {files::Map::Pages::kAtOnce, files::Map::Pages::kAsTouched}) {
    const ScratchFile file = files::hot_file(content);
    const files::Map map(file.fd(), content.size(), pages);
    CHECK(sum(map) == content.size());
    REQUIRE(ftruncate(file.fd(), disk::kBlock) == 0);
    for (int again = 0; again < 2; ++again)
      CHECK(error_of([&] { sum(map); }).find("was truncated while it was read") !=
            std::string::npos);
    // On another thread too, and as good as new where the file is long enough.
    const auto other = [&] { return error_of([&] { sum(map); }); };
    CHECK_FALSE(std::async(std::launch::async, other).get().empty());
    const files::Map rest(file.fd(), disk::kBlock);
    CHECK(sum(rest) == disk::kBlock);
  }
  CHECK(sum(files::Map(-1, 0)) == 0);
}
#endif

}  // namespace
}  // namespace headroom
