// machine/disk_sync: 4 KiB to the disk, and the disk's word that they will stay; n times a call.
//
// Inputs: overwrite, inside a file whose space is allocated, so that nothing but the block need be
// written; append, to a file that grows, whose length and place must be made lasting too. Out: an
// order-sensitive hash of each block, read back untimed from the disk. Each call writes new bytes.
//
// Whether the word is kept (a drive's or a host's cache without power-loss protection) no program
// can see.
#include <fcntl.h>
#include <sys/uio.h>

#include "core/kernel.h"
#include "support/disk.h"
#include "support/on_core.h"
#include "support/pages.h"

namespace headroom {
namespace {

using disk::kBlock;

struct DiskSync {
  static constexpr auto kInputs = inputs("overwrite", "append");
  struct Input {
    std::uint64_t seed = 0;
    std::size_t blocks = 0;
    bool appends = false;
    struct Call {
      const Input* in;
      std::size_t turn;
      std::uint64_t version() const { return turn + 1; }
    };
    Call at(std::size_t turn) const { return {this, turn}; }
  };
  using Call = Input::Call;
  using Output = std::vector<std::uint64_t>;

  static Input make(const Setting& setting, Rng& rng) {
    return {rng(), setting.n, setting.input == kInputs["append"]};
  }
  static absl::Status same(const Call& call, const Output& want, const Output& got) {
    Output truth(call.in->blocks);
    std::uint64_t block[disk::kWords];
    for (std::size_t i = 0; i < truth.size(); ++i) {
      disk::fill_block(block, call.in->seed);
      disk::mark_block(block, call.in->seed, call.version(), i);
      truth[i] = disk::hash_block(block);
    }
    if (absl::Status fine = exact(truth, want); !fine.ok()) return fine;
    return exact(truth, got);
  }
};
using Input = DiskSync::Input;

// `kFlags` are those of the descriptor that is written through.
template <int kFlags>
struct Log {
  explicit Log(const Input& input)
      : in(input), fd(file.reopen(O_RDWR | kFlags)), data(touched_pages(input.blocks * kBlock)) {
    for (std::size_t i = 0; i < in.blocks; ++i)
      disk::fill_block(data.words() + i * disk::kWords, in.seed);
    disk::write_at(file.fd(), data.data(), data.size(), 0);
    disk::require(fsync(file.fd()) == 0, "fsync");
  }
  ~Log() { close(fd); }
  Log(const Log&) = delete;

  void refill(const DiskSync::Call& call) {
    for (std::size_t i = 0; i < in.blocks; ++i)
      disk::mark_block(data.words() + i * disk::kWords, in.seed, call.version(), i);
    if (in.appends)
      disk::require(ftruncate(file.fd(), 0) == 0 && fsync(file.fd()) == 0, "truncate");
  }
  void answer(DiskSync::Output& out) const {
    disk::require_cold(file.fd(), data.size());
    const Mapping found = touched_pages(data.size());
    disk::read_at(file.fd(), found.data(), found.size(), 0);
    out = disk::hash_blocks(found.words(), in.blocks);
  }
  const Input& in;
  ScratchFile file;
  int fd;
  Mapping data;
};

// Through the page cache: the way of nearly every database.
void write_and_sync(Log<0>& log, DiskSync::Output&) {
  const OnAnyCore anywhere;
  for (std::size_t i = 0; i < log.in.blocks; ++i) {
    disk::write_at(log.fd, log.data.data() + i * kBlock, kBlock, i * kBlock);
    disk::require(fdatasync(log.fd) == 0, "fdatasync");
  }
}

#if defined(O_DIRECT) && defined(O_DSYNC)
// The same promise in one system call, past the page cache; and a drive that can force a single
// write to its medium (FUA) need not flush all of its cache.
using Direct = Log<O_DIRECT | O_DSYNC>;
void write_direct(Direct& log, DiskSync::Output&) {
  const OnAnyCore anywhere;
  for (std::size_t i = 0; i < log.in.blocks; ++i)
    disk::write_at(log.fd, log.data.data() + i * kBlock, kBlock, i * kBlock);
}
constexpr auto kWriteDirect = run<write_direct>;
#else
constexpr auto kWriteDirect = kNotBuilt;
#endif

constexpr Need kNeedsDisk[] = {disk::kDisk};

constexpr Variant<DiskSync> kVariants[] = {
    {.name = "fdatasync",
     .run = run<write_and_sync>,
     .what = "pwrite, then fdatasync",
     .needs = kNeedsDisk},
    {.name = "direct",
     .run = kWriteDirect,
     .what = "one pwrite with O_DIRECT and O_DSYNC: the block alone is forced to the medium",
     .needs = kNeedsDisk},
};

const Registrar kRegistrar({.name = "machine/disk_sync",
                            .axis = Axis::kStorageSync,
                            .technique = "what it costs to know that data are stored",
                            .sizes = {4},
                            .headline = {4},
                            .clock = Clock::kWall,
                            .warm = Warm::kNone,
                            .unit = "ns",
                            .demand =
                                [](const Setting& s) {
                                  const std::size_t bytes = s.n * kBlock;
                                  return Demand{.items = static_cast<double>(s.n),
                                                .bytes = static_cast<double>(bytes),
                                                .working_set = std::size_t{1} << 20,
                                                .memory = 8 * bytes,
                                                .scratch = std::size_t{16} << 20,
                                                .written = bytes};
                                },
                            .test_sizes = {1, 2, 7}},
                           kVariants);

}  // namespace
}  // namespace headroom
