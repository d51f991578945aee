// machine/placebo_storage: a storage kernel against its own copy. Whatever ratio they show is
// noise.
//
// Reads n blocks of 4 KiB at random, one at a time, past the page cache, as the baseline of
// io/random_read does; like there each arm has a region of the file for itself. Out: the blocks'
// first words and the sum of all, in the order of the requests.
#include <cstring>
#include <memory>
#include <numeric>

#include "core/kernel.h"
#include "core/scratch.h"
#include "support/disk.h"
#include "support/pages.h"
#include "support/slices.h"

namespace headroom {
namespace {

using disk::kBlock, disk::kWords;

constexpr std::size_t kRegion = 8192;  // blocks
constexpr std::size_t kRegions = 2;    // 64 MiB in all

using Word = std::uint64_t;

// Both regions hold the same: block b is the words that FastRng(b) gives.
struct Disk {
  Disk() : file(disk::kDirect) {
    const Mapping content = touched_pages(kRegion * kBlock);
    for (std::size_t b = 0; b < kRegion; ++b) disk::fill_block(content.words() + b * kWords, b);
    for (std::size_t r = 0; r < kRegions; ++r)
      disk::write_at(file.fd(), content.data(), content.size(), r * content.size());
  }
  ScratchFile file;
  std::size_t next_region = 0;
};

struct PlaceboStorage {
  using Call = std::span<const std::uint32_t>;  // the blocks to read
  struct Input {
    std::shared_ptr<Disk> disk;
    Buffer<std::uint32_t> blocks;  // all of a region, shuffled
    Slices slices;
    Call at(std::size_t turn) const { return slices.of(blocks, turn); }
  };
  using Output = Buffer<Word>;

  static Input make(const Setting& setting, Rng& rng) {
    static std::shared_ptr<Disk> disk;
    if (disk == nullptr && kDirectIo.met()) disk = std::make_shared<Disk>();
    Input in{disk, Buffer<std::uint32_t>(kRegion), Slices::within(kRegion, setting.n)};
    std::iota(in.blocks.begin(), in.blocks.end(), 0u);
    shuffle(std::span<std::uint32_t>(in.blocks.data(), in.blocks.size()), rng);
    return in;
  }
  static void size(const Input& in, Output& out) { out = Output(in.slices.size() + 1); }
  static absl::Status same(const Call& in, const Output& want, const Output& got) {
    for (std::size_t i = 0; i < in.size(); ++i)
      if (want[i] != FastRng(in[i])())
        return differ("the baseline at index " + std::to_string(i) + ": ",
                      std::to_string(FastRng(in[i])()), std::to_string(want[i]));
    return exact(want, got);
  }
};

struct Reader {
  explicit Reader(const PlaceboStorage::Input& in)
      : fd(in.disk->file.fd()), base(in.disk->next_region++ % kRegions * kRegion * kBlock) {}
  const int fd;
  const std::size_t base;
  Mapping block = touched_pages(kBlock);
};

template <int kCopy>
void read_blocks(Reader& reader, const PlaceboStorage::Call& in, Buffer<Word>& out) {
  Word sum = 0;
  for (std::size_t i = 0; i < in.size(); ++i) {
    disk::read_at(reader.fd, reader.block.data(), kBlock,
                  reader.base + std::size_t{in[i]} * kBlock);
    Word words[kWords];
    std::memcpy(words, reader.block.data(), kBlock);
    out[i] = words[0];
    for (const Word word : words) sum = sum * 31 + word;
  }
  out[in.size()] = sum;
}

constexpr Need kNeedsDirectIo[] = {kDirectIo};

constexpr Variant<PlaceboStorage> kVariants[] = {
    {.name = "naive",
     .run = run<read_blocks<0>>,
     .what = "random reads of 4 KiB, one at a time",
     .needs = kNeedsDirectIo},
    {.name = "copy",
     .run = run<read_blocks<1>>,
     .what = "the same once more: any difference is noise",
     .needs = kNeedsDirectIo},
};

const Registrar kRegistrar({.name = "machine/placebo_storage",
                            .axis = Axis::kStorageRandom,
                            .technique = "the noise floor of kernels that wait for a disk",
                            .sizes = {64},
                            .headline = {64},
                            .clock = Clock::kWall,
                            .warm = Warm::kNone,
                            .placebo = "storage",
                            .demand =
                                [](const Setting& s) {
                                  return Demand{.items = static_cast<double>(s.n),
                                                .bytes = static_cast<double>(s.n * kBlock),
                                                .working_set = kRegion * kBlock,
                                                .memory = std::size_t{64} << 20,
                                                .scratch = kRegions * kRegion * kBlock};
                                },
                            .test_sizes = {0, 1, 2, 33}},
                           kVariants);

}  // namespace
}  // namespace headroom
