// io_uring (support/ring.h): right bytes, and errors with the name of the call.
#include "support/ring.h"

#include "catch.h"

#if HEADROOM_HAVE_URING
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <string>
#include <system_error>
#include <vector>

#include "core/scratch.h"
#include "support/pages.h"

namespace headroom {
namespace {

constexpr std::size_t kBlock = 4096, kBlocks = 100;
constexpr unsigned kEntries = 8;

// Block b is full of b.
ScratchFile blocks() {
  ScratchFile file;
  for (std::size_t b = 0; b < kBlocks; ++b) {
    std::array<unsigned char, kBlock> block;
    block.fill(static_cast<unsigned char>(b));
    REQUIRE(pwrite(file.fd(), block.data(), kBlock, static_cast<off_t>(b * kBlock)) ==
            static_cast<ssize_t>(kBlock));
  }
  return file;
}

// Reads `count` blocks from the one with number `first` on, checks them, and returns how many came.
template <Pace kPace>
std::size_t read(Ring<kPace>& ring, int fd, bool registered, const Mapping& memory,
                 std::size_t first, std::size_t count) {
  std::vector<int> came(count);
  ring.run(
      count,
      [&](io_uring_sqe* entry, std::size_t i, std::size_t slot) {
        REQUIRE(slot < kEntries);
        unsigned char* const to = memory.data() + slot * kBlock;
        std::memset(to, 0xff, kBlock);
        if (registered) {
          io_uring_prep_read_fixed(entry, 0, to, kBlock, (first + i) * kBlock, 0);
          entry->flags |= IOSQE_FIXED_FILE;
        } else {
          io_uring_prep_read(entry, fd, to, kBlock, (first + i) * kBlock);
        }
      },
      [](std::size_t) { return kBlock; },
      [&](std::size_t i, std::size_t slot) {
        const unsigned char* const block = memory.data() + slot * kBlock;
        for (std::size_t b = 0; b < kBlock; ++b) REQUIRE(block[b] == first + i);
        ++came.at(i);
      });
  for (const int times : came) CHECK(times == 1);
  return came.size();
}

template <Pace kPace>
void check_reads() {
  const ScratchFile file = blocks();
  const Mapping memory = touched_pages(kEntries * kBlock);
  for (const bool registered : {false, true}) {
    Ring<kPace> ring(kEntries);
    if (registered) {
      ring.register_memory(memory.data(), memory.size());
      ring.register_file(file.fd());
    }
    for (std::size_t count : {0u, 1u, kEntries - 1, kEntries, kEntries + 1, 90u})
      CHECK(read(ring, file.fd(), registered, memory, 10, count) == count);
  }
}

template <Pace kPace>
void check_errors() {
  const ScratchFile file = blocks();
  const Mapping memory = touched_pages(kEntries * kBlock);
  Ring<kPace> ring(kEntries);
  const auto error_of = [&](int fd, std::size_t first) {
    try {
      read(ring, fd, false, memory, first, 20);
    } catch (const std::system_error& error) {
      CHECK(std::string(error.what()).find("io_uring request in scratch folder ") == 0);
      return error.code().value();
    }
    return 0;
  };
  CHECK(error_of(-1, 0) == EBADF);
  CHECK(error_of(file.fd(), kBlocks - 10) == EIO);  // ten blocks are past the file's end
  CHECK(error_of(file.fd(), 0) == 0);               // the ring is as good as new
}

template <Pace kPace>
void check_set_up() {
  try {
    const Ring<kPace> ring(0);
    FAIL("no error");
  } catch (const std::system_error& error) {
    CHECK(std::string(error.what()).find("io_uring_queue_init_params in ") == 0);
    CHECK(error.code().value() == EINVAL);
  }
  Ring<kPace> ring(kEntries);
  try {
    ring.register_memory(nullptr, kBlock);
    FAIL("no error");
  } catch (const std::system_error& error) {
    CHECK(std::string(error.what()).find("io_uring_register_buffers") == 0);
  }
  try {
    ring.register_file(1 << 20);
    FAIL("no error");
  } catch (const std::system_error& error) {
    CHECK(std::string(error.what()).find("io_uring_register_files in ") == 0);
    CHECK(error.code().value() == EBADF);
  }
}

TEST_CASE("a ring reads every block once, and right") {
  if (!kIoUring<Pace::kEach, kEntries, true>.met()) return;
  check_reads<Pace::kEach>();
  check_reads<Pace::kTogether>();
  if (kIoUring<Pace::kDeferred, kEntries>.met()) check_reads<Pace::kDeferred>();
}

TEST_CASE("a ring waits for what is under way, then throws the request's error") {
  if (!kIoUring<Pace::kEach, kEntries>.met()) return;
  check_errors<Pace::kEach>();
  check_errors<Pace::kTogether>();
  if (kIoUring<Pace::kDeferred, kEntries>.met()) check_errors<Pace::kDeferred>();
}

TEST_CASE("a ring that can't be set up says which call failed") {
  if (!kIoUring<Pace::kEach, kEntries>.met()) return;
  check_set_up<Pace::kEach>();
  check_set_up<Pace::kTogether>();
  if (kIoUring<Pace::kDeferred, kEntries>.met()) check_set_up<Pace::kDeferred>();
}

TEST_CASE("a ring is needed as it will be used") {
  if (!kIoUring<Pace::kEach, kEntries>.met()) return;
  // More entries than any kernel allows.
  CHECK_FALSE(kIoUring<Pace::kEach, 1u << 20>.met());
  CHECK_FALSE(kIoUring<Pace::kTogether, 1u << 20>.met());
  CHECK_FALSE(kIoUring<Pace::kDeferred, 1u << 20>.met());
}

}  // namespace
}  // namespace headroom
#else
TEST_CASE("without liburing no ring is to be had") {
  CHECK_FALSE(headroom::kIoUring<headroom::Pace::kEach, 8>.met());
}
#endif
