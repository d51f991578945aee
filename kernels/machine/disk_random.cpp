// machine/disk_random: reads of 4 KiB at random places of a file, past the page cache (O_DIRECT).
//
// Inputs: qd1, one request at a time, which is the disk's latency; qd32 and qd128, so many under
// way at any time, which is what it can do in parallel. n requests a call (qd1: n / 8, since they
// take that much longer), from a file of n times 128 KiB, in the order of a random permutation of
// its blocks: no block comes twice before all have come. Out: a word of each block read, by which
// its place is known, in the order of the requests.
//
// In a virtual machine the host may hold the file in its memory; the file is 32 times what a call
// reads, but not larger than such a host's memory.
//
// Links: uring
#include <memory>
#include <numeric>

#include "core/kernel.h"
#include "support/block_readers.h"
#include "support/disk.h"
#include "support/on_core.h"
#include "support/pages.h"
#include "support/ring.h"

namespace headroom {
namespace {

using disk::kBlock;

constexpr Pace kPace = Pace::kEach;
constexpr unsigned kMostDepth = 128;

constexpr auto kDepths = inputs("qd1", "qd32", "qd128");

std::size_t depth(const Setting& s) {
  return s.input == kDepths["qd128"] ? kMostDepth : s.input == kDepths["qd32"] ? 32 : 1;
}
std::size_t requests(const Setting& s) {
  return depth(s) > 1 ? s.n : std::max<std::size_t>(1, s.n / 8);
}
std::size_t file_bytes(const Setting& s) { return s.n * (std::size_t{128} << 10); }

struct DiskRandom {
  static constexpr auto kInputs = kDepths;
  struct Input {
    std::unique_ptr<ScratchFile> file;
    std::uint64_t seed = 0;
    std::size_t requests = 0, depth = 0;
    std::vector<std::uint32_t> order;  // of the file's blocks
    struct Call {
      const Input* in;
      std::size_t first;
      std::size_t block(std::size_t i) const { return in->order[(first + i) % in->order.size()]; }
    };
    Call at(std::size_t turn) const { return {this, turn * requests % order.size()}; }
  };
  using Call = Input::Call;
  using Output = std::vector<std::uint64_t>;

  static Input make(const Setting& setting, Rng& rng) {
    Input in;
    in.seed = rng();
    in.requests = requests(setting);
    in.depth = depth(setting);
    in.order.resize(file_bytes(setting) / kBlock);
    std::iota(in.order.begin(), in.order.end(), 0u);
    FastRng fast(rng());
    shuffle(std::span(in.order), fast);
    if (!disk::on_disk()) return in;
    in.file = std::make_unique<ScratchFile>(disk::kDirect);
    const Mapping part = touched_pages(std::size_t{8} << 20);
    const std::size_t blocks = part.size() / kBlock;
    for (std::size_t i = 0; i < blocks; ++i)
      disk::fill_block(part.words() + i * disk::kWords, fast());
    for (std::size_t begin = 0; begin < in.order.size(); begin += blocks) {
      const std::size_t count = std::min(blocks, in.order.size() - begin);
      for (std::size_t i = 0; i < count; ++i)
        disk::mark_block(part.words() + i * disk::kWords, in.seed, 0, begin + i);
      disk::write_at(in.file->fd(), part.data(), count * kBlock, begin * kBlock);
    }
    disk::require(fsync(in.file->fd()) == 0, "fsync");
    return in;
  }
  static void size(const Input& in, Output& out) { out.resize(in.requests); }
  static absl::Status same(const Call& call, const Output& want, const Output& got) {
    Output truth(call.in->requests);
    for (std::size_t i = 0; i < truth.size(); ++i)
      truth[i] = disk::true_mark(call.in->seed, 0, call.block(i));
    if (absl::Status fine = exact(truth, want); !fine.ok()) return fine;
    return exact(truth, got);
  }
};
using Call = DiskRandom::Call;
using Output = DiskRandom::Output;

// `depth` threads, each with one request; with a depth of 1 the caller alone.
struct Readers {
  explicit Readers(const DiskRandom::Input& in)
      : threads(static_cast<int>(in.depth), in.depth == 1) {}
  disk::BlockReaders threads;
};

void preads(Readers& readers, const Call& call, Output& out) {
  const OnAnyCore anywhere;
  readers.threads.run(call.in->requests, [&](std::size_t i, unsigned char* block) {
    disk::read_at(call.in->file->fd(), block, kBlock, call.block(i) * kBlock);
    out[i] = disk::find_mark(reinterpret_cast<const std::uint64_t*>(block), call.block(i));
  });
}

#if HEADROOM_HAVE_URING
struct RingReader {
  explicit RingReader(const DiskRandom::Input& in)
      : ring(static_cast<unsigned>(in.depth)), pages(touched_pages(in.depth * kBlock)) {}
  Ring<kPace> ring;
  Mapping pages;  // one for each slot
};

// One thread keeps the queue full: no switch of threads for each request.
void ring_reads(RingReader& reader, const Call& call, Output& out) {
  const OnAnyCore anywhere;
  const int fd = call.in->file->fd();
  reader.ring.run(
      call.in->requests,
      [&](io_uring_sqe* entry, std::size_t i, std::size_t slot) {
        io_uring_prep_read(entry, fd, reader.pages.data() + slot * kBlock, kBlock,
                           call.block(i) * kBlock);
      },
      [](std::size_t) { return kBlock; },
      [&](std::size_t i, std::size_t slot) {
        out[i] = disk::find_mark(reader.pages.words() + slot * disk::kWords, call.block(i));
      });
}
constexpr auto kRing = run<ring_reads>;
#else
constexpr auto kRing = kNotBuilt;
#endif

constexpr Need kNeedsDisk[] = {disk::kDisk};
constexpr Need kNeedsRing[] = {disk::kDisk, kIoUring<kPace, kMostDepth>};

constexpr Variant<DiskRandom> kVariants[] = {
    {.name = "pread",
     .run = run<preads>,
     .what = "a thread for each request in flight",
     .needs = kNeedsDisk},
    {.name = "io_uring",
     .run = kRing,
     .what = "one thread keeps the queue full: no switch of threads for each request",
     .needs = kNeedsRing},
};

const Registrar kRegistrar({.name = "machine/disk_random",
                            .axis = Axis::kStorageRandom,
                            .technique = "how many small reads per second the disk answers",
                            .sizes = {1024},
                            .headline = {1024},
                            .clock = Clock::kWall,
                            .warm = Warm::kNone,
                            .unit = "Hz",
                            .demand =
                                [](const Setting& s) {
                                  const double reads = static_cast<double>(requests(s));
                                  return Demand{.items = reads,
                                                .bytes = reads * kBlock,
                                                .working_set = file_bytes(s),
                                                .memory = std::size_t{32} << 20,
                                                .scratch = file_bytes(s)};
                                },
                            .test_sizes = {1, 2, 100}},
                           kVariants);

}  // namespace
}  // namespace headroom
