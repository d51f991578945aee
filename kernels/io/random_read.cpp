// io/random_read: read n blocks of 4 KiB from random places of a file.
//
// Out: a checksum of each block, in the order of the requests, compared with that of what was
// written.
//
// Cold: every read and the writing of the file too goes past the page cache (O_DIRECT), so that the
// disk answers and not memory. No block is asked for twice before its whole region has been read,
// and each variant at work has a region of its own (with the same content), so that no variant is
// served from what another one left in the disk's cache. In a virtual machine: cold for the guest.
//
// A disk is a machine with many servers: one request at a time sees its latency, a hundred at once
// its throughput. What differs between the variants is how a hundred requests are kept waiting, and
// what that costs the processor. io_uring: Axboe, "Efficient IO with io_uring" (2019).
//
// Links: uring
#include <algorithm>
#include <atomic>
#include <cstring>
#include <iterator>
#include <memory>
#include <numeric>

#include "core/kernel.h"
#include "core/scratch.h"
#include "support/block_readers.h"
#include "support/disk.h"
#include "support/on_core.h"
#include "support/pages.h"
#include "support/ring.h"
#include "support/slices.h"

namespace headroom {
namespace {

using disk::checksum, disk::kBlock;

constexpr std::size_t kRegion = 2048;  // blocks
// One for each variant; 80 MiB in all, written by each process.
constexpr std::size_t kRegions = 10;

// The file, written once a process: its content depends on nothing.
struct Disk {
  Disk() : file(disk::kDirect), sums(kRegion) {
    const Mapping content = touched_pages(kRegion * kBlock);
    FastRng rng(4096);
    for (std::size_t i = 0; i < content.size() / 8; ++i) content.words()[i] = rng();
    for (std::size_t b = 0; b < kRegion; ++b) sums[b] = checksum(content.data() + b * kBlock);
    // Allocated in one piece, then written.
    errno = posix_fallocate(file.fd(), 0, kRegions * content.size());
    disk::require(errno == 0, "fallocate");
    for (std::size_t r = 0; r < kRegions; ++r)
      disk::write_at(file.fd(), content.data(), content.size(), r * content.size());
  }
  ScratchFile file;
  std::vector<std::uint64_t> sums;  // of each block of a region
  std::atomic<std::size_t> next_region{0};
};

struct RandomRead {
  struct Call {
    std::span<const std::uint32_t> blocks;  // which to read, counted in a region
    std::size_t lap;                        // how many regions this variant has read before
    const Disk* disk;
    std::size_t size() const { return blocks.size(); }
  };
  struct Input {
    std::shared_ptr<Disk> disk;
    Buffer<std::uint32_t> blocks;  // all of a region, shuffled
    Slices slices;
    Call at(std::size_t turn) const {
      return {slices.of(blocks, turn), slices.lap(turn), disk.get()};
    }
  };
  using Output = Buffer<std::uint64_t>;

  static Input make(const Setting& setting, Rng& rng) {
    static std::shared_ptr<Disk> disk;
    if (disk == nullptr && disk::on_disk()) disk = std::make_shared<Disk>();
    Input in{disk, Buffer<std::uint32_t>(kRegion), Slices::within(kRegion, setting.n)};
    std::iota(in.blocks.begin(), in.blocks.end(), 0u);
    shuffle(std::span<std::uint32_t>(in.blocks.data(), in.blocks.size()), rng);
    return in;
  }
  static void size(const Input& in, Output& out) { out = Output(in.slices.size()); }
  static absl::Status same(const Call& in, const Output& want, const Output& got) {
    for (std::size_t i = 0; i < in.size(); ++i) {
      if (want[i] != in.disk->sums[in.blocks[i]])
        return differ("the baseline at index " + std::to_string(i) + ": ", "what was written",
                      "other content");
    }
    return exact(want, got);
  }
};
using Input = RandomRead::Input;
using Call = RandomRead::Call;
using Output = RandomRead::Output;

// Where a variant starts, and a descriptor that goes past the page cache.
struct Region {
  explicit Region(const Input& in) : fd(in.disk->file.fd()), first(in.disk->next_region++) {}
  std::size_t offset(const Call& in, std::size_t i) const {
    return ((first + in.lap) % kRegions * kRegion + in.blocks[i]) * kBlock;
  }
  // Reads the block of request i and waits for it.
  void read(const Call& in, std::size_t i, unsigned char* to) const {
    disk::read_at(fd, to, kBlock, offset(in, i));
  }
  const int fd;
  const std::size_t first;
};

struct One : Region {
  using Region::Region;
  Mapping block = touched_pages(kBlock);
};

void naive(One& state, const Call& in, Output& out) {
  const OnAnyCore anywhere;
  for (std::size_t i = 0; i < in.size(); ++i) {
    state.read(in, i, state.block.data());
    out[i] = checksum(state.block.data());
  }
}

// A disk with a head travels less. One without doesn't care, and still sees one request at a time.
void sorted(One& state, const Call& in, Output& out) {
  const OnAnyCore anywhere;
  std::vector<std::pair<std::uint32_t, std::uint32_t>> order(in.size());  // block, index
  for (std::uint32_t i = 0; i < in.size(); ++i) order[i] = {in.blocks[i], i};
  std::sort(order.begin(), order.end());
  for (const auto& [block, i] : order) {
    state.read(in, i, state.block.data());
    out[i] = checksum(state.block.data());
  }
}

template <int kThreads>
struct Pool : Region {
  using Region::Region;
  disk::BlockReaders readers{kThreads};
};

// As many requests under way as there are threads; each costs two switches of context.
template <int kThreads>
void threads_read(Pool<kThreads>& pool, const Call& in, Output& out) {
  const OnAnyCore anywhere;
  pool.readers.run(in.size(), [&](std::size_t i, unsigned char* block) {
    pool.read(in, i, block);
    out[i] = checksum(block);
  });
}

#if HEADROOM_HAVE_URING
template <Pace kPace, unsigned kDepth, bool kRegistered>
struct Reader : Region {
  explicit Reader(const Input& in) : Region(in) {
    if (!kRegistered) return;
    ring.register_memory(blocks.data(), blocks.size());
    ring.register_file(fd);
  }
  unsigned char* block(std::size_t slot) const { return blocks.data() + slot * kBlock; }
  Mapping blocks = touched_pages(kDepth * kBlock);  // one for each slot
  Ring<kPace> ring{kDepth};
};

// One thread keeps kDepth requests under way. How many a system call hands in, and when answers are
// worked off, is the ring's pace (support/ring.h).
template <Pace kPace, unsigned kDepth, bool kRegistered>
void uring(Reader<kPace, kDepth, kRegistered>& state, const Call& in, Output& out) {
  const OnAnyCore anywhere;
  state.ring.run(
      in.size(),
      [&](io_uring_sqe* entry, std::size_t i, std::size_t slot) {
        if constexpr (kRegistered) {
          io_uring_prep_read_fixed(entry, 0, state.block(slot), kBlock, state.offset(in, i), 0);
          entry->flags |= IOSQE_FIXED_FILE;
        } else {
          io_uring_prep_read(entry, state.fd, state.block(slot), kBlock, state.offset(in, i));
        }
      },
      [](std::size_t) { return kBlock; },
      [&](std::size_t i, std::size_t slot) { out[i] = checksum(state.block(slot)); });
}
template <Pace kPace, unsigned kDepth, bool kRegistered = false>
constexpr auto kUring = run<uring<kPace, kDepth, kRegistered>>;
#else
template <Pace kPace, unsigned kDepth, bool kRegistered = false>
constexpr auto kUring = kNotBuilt;
#endif

constexpr Need kNeedsDisk[] = {disk::kDisk};
template <Pace kPace, unsigned kDepth, bool kRegistered = false>
constexpr Need kNeedsUring[] = {disk::kDisk, kIoUring<kPace, kDepth, kRegistered>};

constexpr Variant<RandomRead> kVariants[] = {
    {.name = "naive",
     .run = run<naive>,
     .what = "pread one at a time: the disk's latency, n times",
     .needs = kNeedsDisk},
    {.name = "sorted",
     .run = run<sorted>,
     .what = "by offset: helps a disk with a head; a solid-state one still serves one at a time",
     .needs = kNeedsDisk},
    {.name = "threads_8",
     .run = run<threads_read<8>>,
     .what = "eight preads under way",
     .needs = kNeedsDisk},
    {.name = "threads_32",
     .run = run<threads_read<32>>,
     .what = "32 preads under way; the switches of context begin to cost",
     .needs = kNeedsDisk},
    {.name = "uring_4",
     .run = kUring<Pace::kTogether, 4>,
     .what = "io_uring, four reads under way from one thread",
     .needs = kNeedsUring<Pace::kTogether, 4>},
    {.name = "uring_32",
     .run = kUring<Pace::kTogether, 32>,
     .what = "io_uring, 32 reads under way: one system call serves many",
     .needs = kNeedsUring<Pace::kTogether, 32>},
    {.name = "uring_128",
     .run = kUring<Pace::kTogether, 128>,
     .what = "io_uring, 128 reads under way: the disk is never without work",
     .needs = kNeedsUring<Pace::kTogether, 128>},
    {.name = "uring_32_deferred",
     .run = kUring<Pace::kDeferred, 32>,
     .what = "32, each handed in at once; answers are worked off when the one thread that uses the "
             "ring asks for them, not by interrupting it",
     .needs = kNeedsUring<Pace::kDeferred, 32>},
    {.name = "uring_128_deferred",
     .run = kUring<Pace::kDeferred, 128>,
     .what = "128 under way, handed in and worked off so",
     .needs = kNeedsUring<Pace::kDeferred, 128>},
    {.name = "uring_128_registered",
     .run = kUring<Pace::kDeferred, 128, true>,
     .what = "and memory pinned and file looked up once, not for each read",
     .needs = kNeedsUring<Pace::kDeferred, 128, true>},
};

static_assert(std::size(kVariants) <= kRegions);

const Registrar kRegistrar({.name = "io/random_read",
                            .axis = Axis::kStorageRandom,
                            .technique = "keep many requests under way",
                            .sizes = {16, 64, 256, 2048},
                            .headline = {64, 256},
                            .one_group = true,
                            .ceiling = {"machine/disk_random", "qd128"},
                            .clock = Clock::kWall,
                            .warm = Warm::kNone,
                            .demand =
                                [](const Setting& s) {
                                  return Demand{.items = static_cast<double>(s.n),
                                                .bytes = static_cast<double>(s.n * kBlock),
                                                .accesses = static_cast<double>(s.n),
                                                .working_set = kRegion * kBlock,
                                                .memory = std::size_t{80} << 20,
                                                .scratch = kRegions * kRegion * kBlock};
                                },
                            .test_sizes = {0, 1, 2, 3, 5, 31, 33, 127, 128, 129, 300}},
                           kVariants);

}  // namespace
}  // namespace headroom
