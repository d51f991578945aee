// What the kernels share that read and write a disk: blocks that can be recognised, whole
// transfers, and a page cache that is proven to be empty.
#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

#include "core/need.h"
#include "core/random.h"
#include "core/scratch.h"

namespace headroom::disk {

inline constexpr std::size_t kBlock = 4096;
inline constexpr std::size_t kWords = kBlock / sizeof(std::uint64_t);
inline constexpr std::size_t kSectors = 8;  // of a block
inline constexpr std::size_t kSectorWords = kWords / kSectors;
inline constexpr std::size_t kRequest = std::size_t{1} << 20;  // of sequential transfers

#ifdef O_DIRECT
inline constexpr int kDirect = O_DIRECT;
#else
inline constexpr int kDirect = 0;
#endif

inline void require(bool fine, const char* what) {
  if (fine) return;
  throw std::system_error(errno, std::generic_category(),
                          std::string(what) + " in scratch folder " + scratch_folder());
}

inline constexpr std::size_t round_up(std::size_t bytes) {
  return (bytes + kBlock - 1) / kBlock * kBlock;
}

// Fills a block with random words, so that no layer below can compress it.
inline void fill_block(std::uint64_t* words, std::uint64_t seed) {
  FastRng rng(seed);
  for (std::size_t i = 0; i < kWords; ++i) words[i] = rng();
}

// The first word of a sector, by which its place in the file and its version are known.
inline std::uint64_t mark(std::uint64_t seed, std::uint64_t version, std::size_t block,
                          std::size_t sector) {
  return (seed + version) * 0x9fb21c651e98df25 ^ (block * kSectors + sector) * 0x9e3779b97f4a7c15;
}
inline void mark_block(std::uint64_t* words, std::uint64_t seed, std::uint64_t version,
                       std::size_t block) {
  for (std::size_t s = 0; s < kSectors; ++s)
    words[s * kSectorWords] = mark(seed, version, block, s);
}
// One mark of a block, of another sector in each: what a timed reader keeps. Looking at all of it
// would cost a cache miss a line, on top of what the disk does.
inline std::uint64_t find_mark(const std::uint64_t* words, std::size_t block) {
  return words[block % kSectors * kSectorWords];
}
inline std::uint64_t true_mark(std::uint64_t seed, std::uint64_t version, std::size_t block) {
  return mark(seed, version, block, block % kSectors);
}

// An order-sensitive hash of a whole block.
inline std::uint64_t hash_block(const std::uint64_t* words) {
  std::uint64_t hash = 0;
  for (std::size_t i = 0; i < kWords; ++i)
    hash = (hash ^ words[i]) * 0x9fb21c651e98df25 + (hash >> 29);
  return hash;
}

inline std::vector<std::uint64_t> hash_blocks(const std::uint64_t* words, std::size_t blocks) {
  std::vector<std::uint64_t> all(blocks);
  for (std::size_t i = 0; i < blocks; ++i) all[i] = hash_block(words + i * kWords);
  return all;
}

// The same of any 4 KiB of memory, by eight chains at once, faster than a disk delivers: for
// readers that look at every byte while they are timed. Each word passes through a bijection of its
// lane.
inline std::uint64_t checksum(const unsigned char* block) {
  std::uint64_t lanes[8] = {1, 2, 3, 4, 5, 6, 7, 8};
  for (std::size_t i = 0; i < kBlock; i += 64) {
    std::uint64_t words[8];
    std::memcpy(words, block + i, 64);
    for (int j = 0; j < 8; ++j) lanes[j] = (lanes[j] ^ words[j]) * 0x9e3779b97f4a7c15u;
  }
  std::uint64_t sum = 0;
  for (const std::uint64_t lane : lanes) sum = (sum ^ lane ^ (lane >> 29)) * 0xbf58476d1ce4e5b9u;
  return sum;
}

// The whole of `bytes` at `offset`, in requests of at most kRequest.
inline void read_at(int fd, unsigned char* data, std::size_t bytes, std::size_t offset) {
  while (bytes != 0) {
    const ssize_t got = pread(fd, data, std::min(bytes, kRequest), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    require(got > 0, "read");
    data += got;
    offset += static_cast<std::size_t>(got);
    bytes -= static_cast<std::size_t>(got);
  }
}
// The same past the page cache: a descriptor with O_DIRECT takes whole blocks only, at aligned
// places of the file and of memory, which therefore has room for the whole last block. Of that the
// file may have a part. An error where memory or offset are not aligned and the disk minds.
inline void read_direct(int fd, unsigned char* data, std::size_t bytes, std::size_t offset) {
  while (bytes != 0) {
    const std::size_t asked = std::min(round_up(bytes), kRequest);
    const ssize_t got = pread(fd, data, asked, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    require(got > 0, "read");
    const auto done = static_cast<std::size_t>(got);
    if (done >= bytes) return;
    // What is asked for next must begin at a block: the rest of one that came in part comes again.
    const std::size_t whole = done / kBlock * kBlock;
    if (whole == 0) errno = EIO;
    require(whole != 0, "read");
    data += whole;
    offset += whole;
    bytes -= whole;
  }
}
inline void write_at(int fd, const unsigned char* data, std::size_t bytes, std::size_t offset) {
  while (bytes != 0) {
    const ssize_t put = pwrite(fd, data, std::min(bytes, kRequest), static_cast<off_t>(offset));
    if (put < 0 && errno == EINTR) continue;
    require(put > 0, "write");
    data += put;
    offset += static_cast<std::size_t>(put);
    bytes -= static_cast<std::size_t>(put);
  }
}

// Of each page of a file's first bytes whether it lies in the page cache, as mincore(2) tells it:
// in the lowest bit.
inline std::vector<unsigned char> residency(int fd, std::size_t bytes) {
#ifdef __linux__
  if (bytes == 0) return {};
  void* const map = mmap(nullptr, bytes, PROT_READ, MAP_SHARED, fd, 0);
  require(map != MAP_FAILED, "mmap");
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  std::vector<unsigned char> resident((bytes + page - 1) / page);
  const bool told = mincore(map, bytes, resident.data()) == 0;
  munmap(map, bytes);
  require(told, "mincore");
  return resident;
#else
  (void)fd, (void)bytes;
  return {};
#endif
}

// Flushes a file and drops its pages from the page cache; true if mincore(2) then finds none of
// them.
inline bool drop_cache(int fd, std::size_t bytes) {
#ifdef __linux__
  if (bytes == 0) return true;
  require(fdatasync(fd) == 0, "fdatasync");
  require(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0, "posix_fadvise");
  const std::vector<unsigned char> resident = residency(fd, bytes);
  return std::none_of(resident.begin(), resident.end(), [](unsigned char r) { return r & 1; });
#else
  (void)fd, (void)bytes;
  return false;
#endif
}

// drop_cache, or an error: a read that finds pages in memory would measure memory.
inline void require_cold(int fd, std::size_t bytes) {
  // Pages that were being read ahead or written back at that moment stay: try again.
  for (int attempt = 0; attempt < 5; ++attempt)
    if (drop_cache(fd, bytes)) return;
  throw std::runtime_error("the page cache keeps pages of a file in scratch folder " +
                           scratch_folder() + ": it can't be read cold");
}

// A scratch folder that lies on a disk: O_DIRECT works (since Linux 6.6 on tmpfs too), and what was
// written can be dropped from memory (on tmpfs it can't).
inline bool on_disk() {
  static const bool works = [] {
    if (!kDirectIo.met()) return false;
    try {
      const ScratchFile file;
      const std::vector<unsigned char> block(kBlock, 1);
      write_at(file.fd(), block.data(), kBlock, 0);
      return drop_cache(file.fd(), kBlock);
    } catch (const std::exception&) {
      return false;
    }
  }();
  return works;
}
inline constexpr Need kDisk{"disk", on_disk,
                            "choose a scratch folder on a disk, not in memory (--scratch)"};

}  // namespace headroom::disk
