// machine/placebo_storage: a storage kernel against its own copy. Whatever ratio they show is
// noise.
//
// Reads n blocks of 4 KiB at random, one at a time, past the page cache, as the baseline of
// io/random_read does; like there each arm has a region of the file for itself. Out: the blocks'
// first words and the sum of all, in the order of the requests.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <numeric>
#include <system_error>

#include "core/kernel.h"
#include "core/scratch.h"

#ifndef O_DIRECT
#define O_DIRECT 0  // kDirectIo is not met then
#endif

namespace headroom {
namespace {

constexpr std::size_t kBlock = 4096;
constexpr std::size_t kRegion = 8192;  // blocks
constexpr std::size_t kRegions = 2;    // 64 MiB in all

[[noreturn]] void fail(int error, const char* what) {
  throw std::system_error(error, std::generic_category(),
                          std::string(what) + " in scratch folder " + scratch_folder());
}

using Word = std::uint64_t;
constexpr std::size_t kWords = kBlock / sizeof(Word);

// Memory as O_DIRECT wants it: aligned to a block.
class Blocks {
 public:
  explicit Blocks(std::size_t count) : memory_((count + 1) * kBlock) {}
  unsigned char* operator[](std::size_t i) {
    const auto past = reinterpret_cast<std::uintptr_t>(memory_.data()) % kBlock;
    return memory_.data() + (kBlock - past) + i * kBlock;
  }

 private:
  Buffer<unsigned char> memory_;
};

// Both regions hold the same: block b is the words that FastRng(b) gives.
struct Disk {
  Disk() : file(O_DIRECT) {
    Blocks content(kRegion);
    for (std::size_t b = 0; b < kRegion; ++b) {
      FastRng rng(b);
      for (std::size_t i = 0; i < kWords; ++i) {
        const Word word = rng();
        std::memcpy(content[b] + i * sizeof word, &word, sizeof word);
      }
    }
    constexpr std::size_t kBytes = kRegion * kBlock;
    for (std::size_t done = 0; done < kRegions * kBytes;) {
      const std::size_t in_region = done % kBytes;
      const ssize_t written =
          pwrite(file.fd(), content[0] + in_region,
                 std::min(kBytes - in_region, std::size_t{4} << 20), static_cast<off_t>(done));
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) fail(written == 0 ? EIO : errno, "write");
      done += static_cast<std::size_t>(written);
    }
  }
  ScratchFile file;
  std::size_t next_region = 0;
};

struct PlaceboStorage {
  using Call = std::span<const std::uint32_t>;  // the blocks to read
  struct Input {
    std::shared_ptr<Disk> disk;
    Buffer<std::uint32_t> blocks;  // all of a region, shuffled
    std::size_t n = 0;
    Call at(std::size_t turn) const {
      const std::size_t slices = n == 0 ? 1 : blocks.size() / n;
      return {blocks.data() + turn % slices * n, n};
    }
  };
  using Output = Buffer<Word>;

  static Input make(const Setting& setting, Rng& rng) {
    static std::shared_ptr<Disk> disk;
    if (disk == nullptr && kDirectIo.met()) disk = std::make_shared<Disk>();
    Input in{disk, Buffer<std::uint32_t>(kRegion), setting.n};
    std::iota(in.blocks.begin(), in.blocks.end(), 0u);
    shuffle(std::span<std::uint32_t>(in.blocks.data(), in.blocks.size()), rng);
    return in;
  }
  static void size(const Input& in, Output& out) { out = Output(in.n + 1); }
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
  Blocks blocks = Blocks(1);
};

template <int kCopy>
void read_blocks(Reader& reader, const PlaceboStorage::Call& in, Buffer<Word>& out) {
  Word sum = 0;
  for (std::size_t i = 0; i < in.size(); ++i) {
    const auto offset = static_cast<off_t>(reader.base + std::size_t{in[i]} * kBlock);
    ssize_t got;
    do got = pread(reader.fd, reader.blocks[0], kBlock, offset);
    while (got < 0 && errno == EINTR);
    if (got != static_cast<ssize_t>(kBlock)) fail(got < 0 ? errno : EIO, "read");
    Word words[kWords];
    std::memcpy(words, reader.blocks[0], kBlock);
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
