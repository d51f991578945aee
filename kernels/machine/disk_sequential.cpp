// machine/disk_sequential: n bytes of a file from one end to the other, in requests of 1 MiB.
//
// Inputs: read_direct and write_direct (O_DIRECT); read_cold, through the page cache, which is
// emptied before each call and proven to be empty by mincore(2); write_buffered, through the page
// cache, with an fdatasync at the end, so that the disk has it all. Writes go to a file whose space
// was allocated before. Each variant has a file of its own.
//
// The memory is a few pieces of 1 MiB, used again and again, as in a program that looks at each
// piece and goes on. Out: reads, a word of each block of 4 KiB, by which its place is known;
// writes, a hash of each block, read back untimed from the disk. Each write brings new bytes.
//
// Cold is cold for this system: in a virtual machine the host may still hold the file in its
// memory, and take writes into it.
//
// Links: uring
#include "core/kernel.h"
#include "support/disk.h"
#include "support/on_core.h"
#include "support/pages.h"
#include "support/ring.h"

namespace headroom {
namespace {

using disk::kBlock, disk::kRequest;

struct DiskSequential {
  static constexpr auto kInputs =
      inputs("read_direct", "read_cold", "write_direct", "write_buffered");
  struct Input {
    std::uint64_t seed = 0;
    std::size_t bytes = 0;  // whole blocks
    bool reads = true;
    bool direct = true;
    struct Call {
      const Input* in;
      std::size_t turn;
      // Reads find the same bytes again, writes bring new ones.
      std::uint64_t version() const { return in->reads ? 0 : turn + 1; }
    };
    Call at(std::size_t turn) const { return {this, turn}; }
  };
  using Call = Input::Call;
  using Output = std::vector<std::uint64_t>;

  static bool reads(InputName input) {
    return input == kInputs["read_direct"] || input == kInputs["read_cold"];
  }
  static Input make(const Setting& setting, Rng& rng) {
    return {rng(), disk::round_up(setting.n), reads(setting.input),
            setting.input == kInputs["read_direct"] || setting.input == kInputs["write_direct"]};
  }
  static absl::Status same(const Call& call, const Output& want, const Output& got) {
    const Input& in = *call.in;
    Output truth(in.bytes / kBlock);
    std::uint64_t block[disk::kWords];
    for (std::size_t i = 0; i < truth.size(); ++i) {
      truth[i] = disk::true_mark(in.seed, call.version(), i);
      if (in.reads) continue;
      disk::fill_block(block, in.seed);
      disk::mark_block(block, in.seed, call.version(), i);
      truth[i] = disk::hash_block(block);
    }
    if (absl::Status fine = exact(truth, want); !fine.ok()) return fine;
    return exact(truth, got);
  }
};
using Input = DiskSequential::Input;

// A file of full length, and memory for `kPieces` requests.
template <std::size_t kPieces, PageSize kPageSize>
struct Work {
  explicit Work(const Input& input)
      : in(input),
        fd(input.direct ? file.reopen(O_RDWR | disk::kDirect) : dup(file.fd())),
        pieces(touched_pages(kPieces * kRequest, kPageSize)),
        found(input.bytes / kBlock) {
    disk::require(fd >= 0, "open");
    for (std::size_t i = 0; i < kPieces * kRequest / kBlock; ++i)
      disk::fill_block(pieces.words() + i * disk::kWords, in.seed);
    for (std::size_t r = 0; r < requests(); ++r) {
      load(r, 0);
      disk::write_at(fd, piece(0), bytes(r), r * kRequest);
    }
    disk::require(fsync(fd) == 0, "fsync");
  }
  ~Work() { close(fd); }
  Work(const Work&) = delete;

  void refill(const DiskSequential::Call& call) {
    version = call.version();
    std::fill(found.begin(), found.end(), 0);
    disk::require_cold(file.fd(), in.bytes);
  }
  void answer(DiskSequential::Output& out) const {
    out = found;
    if (in.reads) return;
    disk::require_cold(file.fd(), in.bytes);
    const Mapping back = touched_pages(in.bytes);
    disk::read_at(file.fd(), back.data(), in.bytes, 0);
    out = disk::hash_blocks(back.words(), in.bytes / kBlock);
  }

  std::size_t requests() const { return (in.bytes + kRequest - 1) / kRequest; }
  std::size_t bytes(std::size_t request) const {
    return std::min(kRequest, in.bytes - request * kRequest);
  }
  unsigned char* piece(std::size_t slot) { return pieces.data() + slot * kRequest; }
  std::uint64_t* block(std::size_t slot, std::size_t i) {
    return pieces.words() + slot * kRequest / sizeof(std::uint64_t) + i * disk::kWords;
  }
  // Puts into a piece what `request` writes.
  void load(std::size_t request, std::size_t slot) {
    for (std::size_t i = 0; i < bytes(request) / kBlock; ++i)
      disk::mark_block(block(slot, i), in.seed, version, request * (kRequest / kBlock) + i);
  }
  // Notes what `request` read.
  void note(std::size_t request, std::size_t slot) {
    for (std::size_t i = 0; i < bytes(request) / kBlock; ++i) {
      const std::size_t at = request * (kRequest / kBlock) + i;
      found[at] = disk::find_mark(block(slot, i), at);
    }
  }

  const Input& in;
  ScratchFile file;
  int fd;
  Mapping pieces;
  DiskSequential::Output found;
  std::uint64_t version = 0;
};

// One request at a time: what a loop of pread or pwrite gets.
template <PageSize kPageSize>
void one_by_one(Work<1, kPageSize>& work, DiskSequential::Output&) {
  const OnAnyCore anywhere;
  const Input& in = work.in;
  for (std::size_t r = 0; r < work.requests(); ++r) {
    if (in.reads) {
      disk::read_at(work.fd, work.piece(0), work.bytes(r), r * kRequest);
      work.note(r, 0);
    } else {
      work.load(r, 0);
      disk::write_at(work.fd, work.piece(0), work.bytes(r), r * kRequest);
    }
  }
  if (!in.reads && !in.direct) disk::require(fdatasync(work.fd) == 0, "fdatasync");
}

// O_DIRECT hands the device a list of the pieces that the memory is made of, and what takes that
// list (a virtual disk above all) may pay for each: one for a huge page, 256 for 1 MiB as malloc
// gives it.
constexpr auto* kHugePages = one_by_one<PageSize::kHuge>;
constexpr auto* kSmallPages = one_by_one<PageSize::kSmall>;

constexpr std::size_t kDepth = 8;
constexpr Pace kPace = Pace::kEach;

#if HEADROOM_HAVE_URING
struct Ringed : Work<kDepth, PageSize::kHuge> {
  explicit Ringed(const Input& input) : Work(input), ring(kDepth) {}
  Ring<kPace> ring;
};

// The disk never waits for the program to ask again.
void eight_at_once(Ringed& work, DiskSequential::Output&) {
  const OnAnyCore anywhere;
  const Input& in = work.in;
  work.ring.run(
      work.requests(),
      [&](io_uring_sqe* entry, std::size_t r, std::size_t slot) {
        unsigned char* const piece = work.piece(slot);
        const auto size = static_cast<unsigned>(work.bytes(r));
        if (in.reads) {
          io_uring_prep_read(entry, work.fd, piece, size, r * kRequest);
        } else {
          work.load(r, slot);
          io_uring_prep_write(entry, work.fd, piece, size, r * kRequest);
        }
      },
      [&](std::size_t r) { return work.bytes(r); },
      [&](std::size_t r, std::size_t slot) {
        if (in.reads) work.note(r, slot);
      });
  if (!in.reads && !in.direct) disk::require(fdatasync(work.fd) == 0, "fdatasync");
}
constexpr auto kEight = run<eight_at_once>;
#else
constexpr auto kEight = kNotBuilt;
#endif

constexpr Need kNeedsDisk[] = {disk::kDisk};
constexpr Need kNeedsRing[] = {disk::kDisk, kIoUring<kPace, kDepth>};

constexpr Variant<DiskSequential> kVariants[] = {
    {.name = "one_by_one",
     .run = run<kHugePages>,
     .what = "pread or pwrite of 1 MiB from a huge page, one after the other",
     .needs = kNeedsDisk},
    {.name = "small_pages",
     .run = run<kSmallPages>,
     .what = "the same with memory in pages of 4 KiB: each page a piece of the request",
     .needs = kNeedsDisk},
    {.name = "io_uring",
     .run = kEight,
     .what = "eight requests of 1 MiB in flight: the disk never waits for the next",
     .needs = kNeedsRing},
};

const Registrar kRegistrar({.name = "machine/disk_sequential",
                            .axis = Axis::kStorageSequential,
                            .technique = "what the disk delivers and takes at most",
                            .sizes = {16 << 20},
                            .headline = {16 << 20},
                            .clock = Clock::kWall,
                            .warm = Warm::kNone,
                            .unit = "B/s",
                            .demand =
                                [](const Setting& s) {
                                  const std::size_t bytes = disk::round_up(s.n);
                                  const bool writes = !DiskSequential::reads(s.input);
                                  return Demand{.items = static_cast<double>(bytes / kBlock),
                                                .bytes = static_cast<double>(bytes),
                                                .working_set = bytes,
                                                .memory = 3 * bytes + (std::size_t{64} << 20),
                                                .scratch = 3 * bytes,
                                                .written = writes ? bytes : 0};
                                },
                            .test_sizes = {1, 4096, 4097, (1 << 20) + 4096}},
                           kVariants);

}  // namespace
}  // namespace headroom
