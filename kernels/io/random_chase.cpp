// io/random_chase: n look-ups on a disk, each a chain of four blocks of 4 KiB.
//
// A block holds the number of the next one, as an index's page holds that of a page below it. Out:
// a checksum of each block of each chain, compared with that of what was written.
//
// Cold: O_DIRECT, past the page cache. A call starts at other blocks than the calls before it,
// until all of the file's blocks have been starts. In a virtual machine: cold for the guest.
//
// Within a chain nothing can be asked for before the answer has come, so one look-up takes four
// times the disk's latency, however many requests the disk could serve. Look-ups that don't depend
// on each other can be under way together.
//
// Links: uring
#include <cstring>
#include <memory>
#include <numeric>

#include "core/kernel.h"
#include "support/block_readers.h"
#include "support/disk.h"
#include "support/files.h"
#include "support/on_core.h"
#include "support/pages.h"
#include "support/ring.h"
#include "support/slices.h"

namespace headroom {
namespace {

using disk::checksum, disk::kBlock;

constexpr std::size_t kHops = 4;
constexpr std::size_t kBlocks = 8192;  // 32 MiB, written by each process

// The file, written once a process: its content depends on nothing.
struct Disk {
  Disk() : file(disk::kDirect), next(kBlocks), sums(kBlocks) {
    std::iota(next.begin(), next.end(), 0u);
    FastRng rng(8192);
    shuffle(std::span(next), rng);
    const Mapping part = touched_pages(disk::kRequest);
    constexpr std::size_t kTogether = disk::kRequest / kBlock;
    for (std::size_t b = 0; b < kBlocks; b += kTogether) {
      for (std::size_t i = 0; i < kTogether; ++i) {
        std::uint64_t* const words = part.words() + i * disk::kWords;
        disk::fill_block(words, rng());
        words[0] = next[b + i];
        sums[b + i] = checksum(part.data() + i * kBlock);
      }
      disk::write_at(file.fd(), part.data(), part.size(), b * kBlock);
    }
    files::require(fsync(file.fd()) == 0, "fsync");
  }
  ScratchFile file;
  std::vector<std::uint32_t> next;  // of each block
  std::vector<std::uint64_t> sums;
};

struct RandomChase {
  struct Call {
    std::span<const std::uint32_t> starts;
    const Disk* disk;
    std::size_t size() const { return starts.size(); }
  };
  struct Input {
    std::shared_ptr<Disk> disk;
    std::vector<std::uint32_t> starts;  // all blocks, shuffled
    Slices slices;
    Call at(std::size_t turn) const { return {slices.of(starts, turn), disk.get()}; }
  };
  using Output = Buffer<std::uint64_t>;  // kHops for each look-up

  static Input make(const Setting& setting, Rng& rng) {
    static std::shared_ptr<Disk> disk;
    if (disk == nullptr && disk::on_disk()) disk = std::make_shared<Disk>();
    Input in{disk, std::vector<std::uint32_t>(kBlocks), Slices::within(kBlocks, setting.n)};
    std::iota(in.starts.begin(), in.starts.end(), 0u);
    shuffle(std::span(in.starts), rng);
    return in;
  }
  static void size(const Input& in, Output& out) { out = Output(in.slices.size() * kHops); }
  static absl::Status same(const Call& in, const Output& want, const Output& got) {
    Output truth(in.size() * kHops);
    for (std::size_t i = 0; i < in.size(); ++i) {
      std::uint32_t block = in.starts[i];
      for (std::size_t hop = 0; hop < kHops; ++hop, block = in.disk->next[block])
        truth[i * kHops + hop] = in.disk->sums[block];
    }
    if (absl::Status fine = exact(truth, want); !fine.ok()) return fine;
    return exact(truth, got);
  }
};
using Input = RandomChase::Input;
using Call = RandomChase::Call;
using Output = RandomChase::Output;

std::uint32_t next_of(const unsigned char* block) {
  std::uint64_t word;
  std::memcpy(&word, block, sizeof word);
  return static_cast<std::uint32_t>(word);
}

// Look-up i, from its start to its end.
void look_up(const Call& in, std::size_t i, unsigned char* block, Output& out) {
  std::uint32_t at = in.starts[i];
  for (std::size_t hop = 0; hop < kHops; ++hop, at = next_of(block)) {
    disk::read_at(in.disk->file.fd(), block, kBlock, std::size_t{at} * kBlock);
    out[i * kHops + hop] = checksum(block);
  }
}

struct One {
  explicit One(const Input&) {}
  Mapping block = touched_pages(kBlock);
};

void naive(One& state, const Call& in, Output& out) {
  const OnAnyCore anywhere;
  for (std::size_t i = 0; i < in.size(); ++i) look_up(in, i, state.block.data(), out);
}

template <int kThreads>
struct Pool {
  explicit Pool(const Input&) {}
  disk::BlockReaders readers{kThreads};
};

// As many chains under way as there are threads; a block costs two switches of context.
template <int kThreads>
void threads(Pool<kThreads>& pool, const Call& in, Output& out) {
  const OnAnyCore anywhere;
  pool.readers.run(in.size(),
                   [&](std::size_t i, unsigned char* block) { look_up(in, i, block, out); });
}

#if HEADROOM_HAVE_URING
template <unsigned kDepth>
struct Levels {
  explicit Levels(const Input&) {}
  Mapping blocks = touched_pages(kDepth * kBlock);  // one for each slot
  std::vector<std::uint32_t> at;                    // the block that each look-up wants
  Ring<Pace::kTogether> ring{kDepth};
};

// All look-ups take their first step, then all their second: one thread has up to kDepth reads
// under way.
template <unsigned kDepth>
void levels(Levels<kDepth>& state, const Call& in, Output& out) {
  const OnAnyCore anywhere;
  state.at.assign(in.starts.begin(), in.starts.end());
  const auto block = [&state](std::size_t slot) { return state.blocks.data() + slot * kBlock; };
  for (std::size_t hop = 0; hop < kHops; ++hop) {
    state.ring.run(
        in.size(),
        [&](io_uring_sqe* entry, std::size_t i, std::size_t slot) {
          io_uring_prep_read(entry, in.disk->file.fd(), block(slot), kBlock,
                             std::size_t{state.at[i]} * kBlock);
        },
        [](std::size_t) { return kBlock; },
        [&](std::size_t i, std::size_t slot) {
          out[i * kHops + hop] = checksum(block(slot));
          state.at[i] = next_of(block(slot));
        });
  }
}
template <unsigned kDepth>
constexpr auto kLevels = run<levels<kDepth>>;
#else
template <unsigned kDepth>
constexpr auto kLevels = kNotBuilt;
#endif

constexpr Need kNeedsDisk[] = {disk::kDisk};
template <unsigned kDepth>
constexpr Need kNeedsRing[] = {disk::kDisk, kIoUring<Pace::kTogether, kDepth>};

constexpr Variant<RandomChase> kVariants[] = {
    {.name = "naive",
     .run = run<naive>,
     .what = "one look-up after the other: the disk's latency, four times n times",
     .needs = kNeedsDisk},
    {.name = "threads_8",
     .run = run<threads<8>>,
     .what = "eight look-ups under way, each in a thread that waits",
     .needs = kNeedsDisk},
    {.name = "threads_32",
     .run = run<threads<32>>,
     .what = "32 of them; the switches of context begin to cost",
     .needs = kNeedsDisk},
    {.name = "uring_16",
     .run = kLevels<16>,
     .what = "all look-ups take a step, then all the next: 16 reads under way from one thread",
     .needs = kNeedsRing<16>},
    {.name = "uring_64",
     .run = kLevels<64>,
     .what = "the same with 64 reads under way: the disk is hardly ever without work",
     .needs = kNeedsRing<64>},
};

const Registrar kRegistrar({.name = "io/random_chase",
                            .axis = Axis::kStorageRandom,
                            .technique = "follow many chains at once",
                            .sizes = {4, 16, 64, 256},
                            .headline = {16, 64},
                            .one_group = true,
                            .ceiling = {"machine/disk_random", "qd128"},
                            .clock = Clock::kWall,
                            .warm = Warm::kNone,
                            .demand =
                                [](const Setting& s) {
                                  const double reads = static_cast<double>(s.n * kHops);
                                  return Demand{.items = static_cast<double>(s.n),
                                                .bytes = reads * kBlock,
                                                .accesses = reads,
                                                .working_set = kBlocks * kBlock,
                                                .memory = std::size_t{32} << 20,
                                                .scratch = kBlocks * kBlock};
                                },
                            .test_sizes = {0, 1, 2, 3, 15, 17, 65, 100}},
                           kVariants);

}  // namespace
}  // namespace headroom
