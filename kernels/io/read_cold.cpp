// io/read_cold: read a file of n bytes from the disk, from one end to the other.
//
// Out: a checksum of each block of 4 KiB, compared with that of what was written: the program looks
// at every byte.
//
// Cold: before each call the file's pages are dropped from the page cache (POSIX_FADV_DONTNEED),
// and mincore(2) proves that none is left. All variants read one file. Cold is cold for this
// system: in a virtual machine the host may hold the file in its memory.
//
// Through the page cache the kernel reads ahead, so that even small reads mostly find their bytes;
// what they cost is the copy, and that read-ahead is one window of 128 KiB or so. A disk delivers
// most when it has several large requests at once, whose bytes go straight to where they are
// needed.
//
// Links: uring
#include <algorithm>
#include <cstring>
#include <memory>

#include "core/kernel.h"
#include "support/disk.h"
#include "support/files.h"
#include "support/on_core.h"
#include "support/pages.h"
#include "support/ring.h"

namespace headroom {
namespace {

using disk::kBlock, disk::kRequest;

struct ReadCold {
  struct Input {
    std::unique_ptr<ScratchFile> file;
    std::size_t bytes = 0;
    std::vector<std::uint64_t> sums;  // of what was written
  };
  using Output = std::vector<std::uint64_t>;

  static Input make(const Setting& setting, Rng& rng) {
    Input in;
    in.bytes = setting.n;
    in.sums.resize(disk::round_up(in.bytes) / kBlock);
    if (!disk::on_disk()) return in;
    in.file = std::make_unique<ScratchFile>();
    const Mapping part = touched_pages(kRequest);
    FastRng fast(rng());
    for (std::size_t at = 0; at < in.bytes; at += kRequest) {
      const std::size_t size = std::min(kRequest, in.bytes - at);
      for (std::size_t i = 0; i < kRequest / 8; ++i) part.words()[i] = fast();
      std::memset(part.data() + size, 0, kRequest - size);
      disk::write_at(in.file->fd(), part.data(), size, at);
      for (std::size_t b = 0; b < size; b += kBlock)
        in.sums[(at + b) / kBlock] = disk::checksum(part.data() + b);
    }
    files::require(fsync(in.file->fd()) == 0, "fsync");
    return in;
  }
  static void size(const Input& in, Output& out) { out.resize(in.sums.size()); }
  static absl::Status same(const Input& in, const Output& want, const Output& got) {
    if (absl::Status fine = exact(in.sums, want); !fine.ok()) return fine;
    return exact(in.sums, got);
  }
};
using Input = ReadCold::Input;
using Output = ReadCold::Output;

// A descriptor of the file, and the sums of a call. refill() makes the file cold.
template <int kFlags>
struct Cold {
  explicit Cold(const Input& input)
      : in(input), fd(in.file->reopen(O_RDONLY | kFlags)), sums(input.sums.size()) {}
  ~Cold() { close(fd); }
  Cold(const Cold&) = delete;
  void refill(const Input&) {
    std::fill(sums.begin(), sums.end(), 0);
    files::rewind(fd);
    disk::require_cold(in.file->fd(), in.bytes);
  }
  void answer(Output& out) const { out = sums; }

  std::size_t requests() const { return (in.bytes + kRequest - 1) / kRequest; }
  std::size_t bytes(std::size_t request) const {
    return std::min(kRequest, in.bytes - request * kRequest);
  }
  // Looks at `size` bytes that lie at `at` in the file, a block's start.
  void look(const unsigned char* data, std::size_t size, std::size_t at) {
    for (; size >= kBlock; data += kBlock, at += kBlock, size -= kBlock)
      sums[at / kBlock] = disk::checksum(data);
    if (size == 0) return;
    unsigned char last[kBlock] = {};
    std::memcpy(last, data, size);
    sums[at / kBlock] = disk::checksum(last);
  }
  const Input& in;
  const int fd;
  Output sums;
};

template <std::size_t kBytes>
struct Cached : Cold<0> {
  using Cold::Cold;
  Mapping buffer = touched_pages(kBytes);
};

template <std::size_t kBytes>
void cached(Cached<kBytes>& file, Output&) {
  const OnAnyCore anywhere;
  unsigned char* const buffer = file.buffer.data();
  for (std::size_t at = 0; at < file.in.bytes;) {
    const std::size_t got = files::read_full(file.fd, buffer, kBytes);
    files::require(got != 0, "read");
    file.look(buffer, got, at);
    at += got;
  }
}

// The kernel is told: it doubles its window of reading ahead.
void sequential(Cached<kRequest>& file, Output& out) {
  files::require(posix_fadvise(file.fd, 0, 0, POSIX_FADV_SEQUENTIAL) == 0, "posix_fadvise");
  cached<kRequest>(file, out);
}

// The kernel is told what will be wanted, far enough ahead that several large requests are under
// way: the advice returns when they are begun.
void willneed(Cached<kRequest>& file, Output&) {
  const OnAnyCore anywhere;
  constexpr std::size_t kAhead = 8;
  std::size_t asked = 0;
  for (std::size_t r = 0; r < file.requests(); ++r) {
    for (; asked < std::min(r + kAhead, file.requests()); ++asked)
      files::require(posix_fadvise(file.fd, static_cast<off_t>(asked * kRequest), kRequest,
                                   POSIX_FADV_WILLNEED) == 0,
                     "posix_fadvise");
    const std::size_t got = files::read_full(file.fd, file.buffer.data(), file.bytes(r));
    files::require(got == file.bytes(r), "read");
    file.look(file.buffer.data(), got, r * kRequest);
  }
}

// No copy out of the page cache; but each page that isn't there is a fault, and with faults alone
// the kernel reads ahead less.
void mapped(Cold<0>& file, Output&) {
  const OnAnyCore anywhere;
  const files::Map map(file.fd, file.in.bytes, files::Map::Pages::kAsTouched);
#ifdef MADV_SEQUENTIAL
  if (map.size() != 0) madvise(const_cast<unsigned char*>(map.data()), map.size(), MADV_SEQUENTIAL);
#endif
  map.read([&file, &map] { file.look(map.data(), map.size(), 0); });
}

template <unsigned kDepth>
struct Direct : Cold<disk::kDirect> {
  using Cold::Cold;
  Mapping pieces = touched_pages(kDepth * kRequest);
  unsigned char* piece(std::size_t slot) const { return pieces.data() + slot * kRequest; }
};

// Past the page cache: no copy, no pages to find; but nobody reads ahead either, and the disk waits
// while the program looks.
void direct(Direct<1>& file, Output&) {
  const OnAnyCore anywhere;
  for (std::size_t r = 0; r < file.requests(); ++r) {
    // O_DIRECT takes whole blocks; at the file's end the rest of the last one isn't there.
    disk::read_direct(file.fd, file.piece(0), file.bytes(r), r * kRequest);
    file.look(file.piece(0), file.bytes(r), r * kRequest);
  }
}

#if HEADROOM_HAVE_URING
template <unsigned kDepth, bool kRegistered>
struct Ringed : Direct<kDepth> {
  explicit Ringed(const Input& in) : Direct<kDepth>(in), ring(kDepth) {
    if (!kRegistered) return;
    ring.register_memory(this->pieces.data(), this->pieces.size());
    ring.register_file(this->fd);
  }
  Ring<Pace::kEach> ring;
};

// The disk never waits for the program: while it looks at one piece, seven others are under way.
template <unsigned kDepth, bool kRegistered>
void uring(Ringed<kDepth, kRegistered>& file, Output&) {
  const OnAnyCore anywhere;
  file.ring.run(
      file.requests(),
      [&](io_uring_sqe* entry, std::size_t r, std::size_t slot) {
        const auto size = static_cast<unsigned>(disk::round_up(file.bytes(r)));
        if constexpr (kRegistered) {
          io_uring_prep_read_fixed(entry, 0, file.piece(slot), size, r * kRequest, 0);
          entry->flags |= IOSQE_FIXED_FILE;
        } else {
          io_uring_prep_read(entry, file.fd, file.piece(slot), size, r * kRequest);
        }
      },
      [&](std::size_t r) { return file.bytes(r); },
      [&](std::size_t r, std::size_t slot) {
        file.look(file.piece(slot), file.bytes(r), r * kRequest);
      });
}
template <unsigned kDepth, bool kRegistered>
constexpr auto kUring = run<uring<kDepth, kRegistered>>;
#else
template <unsigned kDepth, bool kRegistered>
constexpr auto kUring = kNotBuilt;
#endif

constexpr unsigned kDepth = 8;
constexpr Need kNeedsDisk[] = {disk::kDisk};
constexpr Need kNeedsRing[] = {disk::kDisk, kIoUring<Pace::kEach, kDepth>};
constexpr Need kNeedsMemory[] = {disk::kDisk, kIoUring<Pace::kEach, kDepth, true, kRequest>};

constexpr Variant<ReadCold> kVariants[] = {
    {.name = "naive",
     .run = run<cached<kBlock>>,
     .what = "read(2) of 4 KiB; the kernel reads ahead, so most find their bytes in memory",
     .needs = kNeedsDisk},
    {.name = "read_1m",
     .run = run<cached<kRequest>>,
     .what = "1 MiB a system call: the copy and the page cache's work are what is left",
     .needs = kNeedsDisk},
    {.name = "sequential",
     .run = run<sequential>,
     .what = "POSIX_FADV_SEQUENTIAL: the kernel reads twice as far ahead",
     .needs = kNeedsDisk},
    {.name = "willneed",
     .run = run<willneed>,
     .what = "POSIX_FADV_WILLNEED 8 MiB ahead: several large requests under way",
     .needs = kNeedsDisk},
    {.name = "mapped",
     .run = run<mapped>,
     .what = "mmap and MADV_SEQUENTIAL: no copy, but a fault for each few pages",
     .needs = kNeedsDisk},
    {.name = "direct",
     .run = run<direct>,
     .what = "O_DIRECT, 1 MiB at a time: no page cache; the disk waits while the program looks",
     .needs = kNeedsDisk},
    {.name = "uring",
     .run = kUring<kDepth, false>,
     .what = "O_DIRECT and io_uring, eight requests of 1 MiB: the disk never waits",
     .needs = kNeedsRing},
    {.name = "uring_registered",
     .run = kUring<kDepth, true>,
     .what = "memory pinned and file looked up once, not for each request",
     .needs = kNeedsMemory},
};

const Registrar kRegistrar({.name = "io/read_cold",
                            .axis = Axis::kStorageSequential,
                            .technique = "keep the disk at work, and copy nothing",
                            .sizes = {1 << 20, 4 << 20, 16 << 20, 64 << 20},
                            .headline = {4 << 20, 16 << 20},
                            .one_group = true,
                            .ceiling = {"machine/disk_sequential", "read_direct"},
                            .clock = Clock::kWall,
                            .warm = Warm::kNone,
                            .demand =
                                [](const Setting& s) {
                                  return Demand{.items = static_cast<double>(s.n),
                                                .bytes = static_cast<double>(s.n),
                                                .working_set = s.n,
                                                .memory = s.n + (std::size_t{128} << 20),
                                                .scratch = s.n};
                                },
                            .test_sizes = {0, 1, 4095, 4096, 4097, 1 << 20, (1 << 20) + 1,
                                           12'345'678}},
                           kVariants);

}  // namespace
}  // namespace headroom
