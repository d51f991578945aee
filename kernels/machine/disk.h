// What the disk's probes share: blocks that can be recognised, memory that O_DIRECT takes, and a
// page cache that is proven to be empty.
#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>
#include <string>
#include <system_error>
#include <vector>

#include "core/need.h"
#include "core/random.h"
#include "core/scratch.h"
#include "machine/partner.h"

#if HEADROOM_HAVE_URING
#include <liburing.h>
#endif

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

// Memory aligned for O_DIRECT, touched. Huge pages, where the system has them, are one piece for
// the device where small ones are a piece for each 4 KiB: that can triple what O_DIRECT delivers.
enum class PageSize { kSmall, kHuge };

class Pages {
 public:
  explicit Pages(std::size_t bytes, PageSize page_size = PageSize::kHuge)
      : size_(bytes), mapped_(round_up(bytes) + kHugePage) {
    void* const map =
        mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED) throw std::bad_alloc();
    map_ = static_cast<unsigned char*>(map);
#ifdef MADV_HUGEPAGE
    madvise(map, mapped_, page_size == PageSize::kHuge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
#endif
    data_ = map_ + (kHugePage - reinterpret_cast<std::uintptr_t>(map) % kHugePage) % kHugePage;
    std::memset(data_, 0, size_);
  }
  ~Pages() { munmap(map_, mapped_); }
  Pages(const Pages&) = delete;
  Pages& operator=(const Pages&) = delete;
  unsigned char* data() { return data_; }
  std::uint64_t* words() { return reinterpret_cast<std::uint64_t*>(data_); }
  const std::uint64_t* words() const { return reinterpret_cast<const std::uint64_t*>(data_); }
  std::size_t size() const { return size_; }

 private:
  static constexpr std::size_t kHugePage = std::size_t{2} << 20;
  std::size_t size_, mapped_;
  unsigned char* map_;
  unsigned char* data_;
};

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

// Lets the calling thread run on every core while it lives. A disk may interrupt one core only, and
// a thread pinned to another waits for that core to wake its own: a third of the latency on a
// virtual disk. The scheduler finds the right one.
class OnAnyCore {
#ifdef __linux__
  OnCore cores_{cpus_of_all_cores()};
#endif
 public:
  OnAnyCore() {}
};

// Flushes a file and drops its pages from the page cache; true if mincore(2) then finds none of
// them.
inline bool drop_cache(int fd, std::size_t bytes) {
#ifdef __linux__
  if (bytes == 0) return true;
  require(fdatasync(fd) == 0, "fdatasync");
  require(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0, "posix_fadvise");
  void* const map = mmap(nullptr, bytes, PROT_READ, MAP_SHARED, fd, 0);
  require(map != MAP_FAILED, "mmap");
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  std::vector<unsigned char> resident((bytes + page - 1) / page);
  const bool told = mincore(map, bytes, resident.data()) == 0;
  munmap(map, bytes);
  require(told, "mincore");
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
    if (!internal::has_direct_io()) return false;
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

#if HEADROOM_HAVE_URING
// Keeps up to `depth` requests under way.
class Ring {
 public:
  explicit Ring(unsigned depth) : requests_(depth) {
    if (const int error = io_uring_queue_init(depth, &ring_, 0); error < 0) fail(error);
  }
  ~Ring() { io_uring_queue_exit(&ring_); }
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;

  // Runs requests 0 .. count-1. prepare(entry, request, slot) fills in one, done(request, slot)
  // follows when it has transferred all its bytes(request); no two under way have the same slot.
  template <class Prepare, class Bytes, class Done>
  void run(std::size_t count, Prepare prepare, Bytes bytes, Done done) {
    std::size_t next = 0, left = count;
    const auto start = [&](std::size_t slot) {
      io_uring_sqe* const entry = io_uring_get_sqe(&ring_);
      require(entry != nullptr, "io_uring entry");
      requests_[slot] = next;
      prepare(entry, next++, slot);
      io_uring_sqe_set_data(entry, reinterpret_cast<void*>(slot));
    };
    for (std::size_t slot = 0; slot < requests_.size() && next < count; ++slot) start(slot);
    while (left != 0) {
      if (const int error = io_uring_submit_and_wait(&ring_, 1); error < 0 && error != -EINTR)
        fail(error);
      for (io_uring_cqe* entry; io_uring_peek_cqe(&ring_, &entry) == 0;) {
        const auto slot = reinterpret_cast<std::size_t>(io_uring_cqe_get_data(entry));
        const int result = entry->res;
        io_uring_cqe_seen(&ring_, entry);
        const std::size_t request = requests_[slot];
        if (result != static_cast<int>(bytes(request))) fail(result < 0 ? result : -EIO);
        done(request, slot);
        --left;
        if (next == count) continue;
        start(slot);
        // At once, not with the others: requests in bursts leave the disk idle between them.
        if (const int error = io_uring_submit(&ring_); error < 0) fail(error);
      }
    }
  }

 private:
  [[noreturn]] static void fail(int error) {
    throw std::system_error(-error, std::generic_category(),
                            "io_uring in scratch folder " + scratch_folder());
  }
  io_uring ring_;
  std::vector<std::size_t> requests_;  // by slot
};
#endif

}  // namespace headroom::disk
