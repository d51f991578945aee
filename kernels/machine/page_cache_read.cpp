// machine/page_cache_read: n bytes of a file that lies in the page cache, from one end to the
// other.
//
// read(2) copies them into a buffer that stays in L2; a mapping looks at them where they are, and
// pays with the page table instead. Small files are read again, up to 64 times, until a call has
// had 256 KiB. Out: a word of each block of 4 KiB; where all words were looked at, their sum too.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "machine/page_cache_read.cpp"
#include "support/simd.h"

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {

// Four sums, so that no add waits for the one before.
uint64_t SumWords(const uint64_t* HWY_RESTRICT x, size_t n) {
  const hn::ScalableTag<uint64_t> d;
  const size_t lanes = hn::Lanes(d);
  auto s0 = hn::Zero(d), s1 = s0, s2 = s0, s3 = s0;
  size_t i = 0;
  for (; i + 4 * lanes <= n; i += 4 * lanes) {
    s0 = hn::Add(s0, hn::LoadU(d, x + i));
    s1 = hn::Add(s1, hn::LoadU(d, x + i + lanes));
    s2 = hn::Add(s2, hn::LoadU(d, x + i + 2 * lanes));
    s3 = hn::Add(s3, hn::LoadU(d, x + i + 3 * lanes));
  }
  s0 = hn::Add(hn::Add(s0, s1), hn::Add(s2, s3));
  uint64_t sum = SumLanes(d, s0);
  for (; i < n; ++i) sum += x[i];
  return sum;
}

}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <memory>

#include "core/kernel.h"
#include "support/disk.h"
#include "support/pages.h"

namespace headroom {
namespace {

HWY_EXPORT(SumWords);

using disk::kBlock;

constexpr std::size_t kLeast = std::size_t{256} << 10;  // bytes a call
std::size_t passes(std::size_t bytes) {
  return std::min<std::size_t>(64, (kLeast + bytes - 1) / bytes);
}

struct PageCacheRead {
  struct Input {
    std::unique_ptr<ScratchFile> file;
    std::size_t bytes = 0;
    std::size_t passes = 1;
    std::vector<std::uint64_t> marks;  // one a block
    std::uint64_t sum = 0;             // of all whole words
  };
  struct Output {
    std::vector<std::uint64_t> marks;
    std::uint64_t sum = 0;
    bool summed = false;
    void poison() {
      headroom::poison(marks);
      headroom::poison(sum);
    }
  };

  static Input make(const Setting& setting, Rng& rng) {
    Input in;
    in.bytes = std::max<std::size_t>(1, setting.n);
    in.passes = passes(in.bytes);
    in.file = std::make_unique<ScratchFile>();
    Buffer<std::uint64_t> words(disk::round_up(in.bytes) / sizeof(std::uint64_t));
    FastRng fast(rng());
    for (std::uint64_t& word : words) word = fast();
    auto* const data = reinterpret_cast<unsigned char*>(words.data());
    std::fill(data + in.bytes, data + words.size() * sizeof(std::uint64_t), 0);
    disk::write_at(in.file->fd(), data, in.bytes, 0);
    // On the disk as well, so that nobody writes it back while others are timed.
    disk::require(fdatasync(in.file->fd()) == 0, "fdatasync");
    for (std::size_t i = 0; i < words.size(); i += disk::kWords) in.marks.push_back(words[i]);
    for (std::size_t i = 0; i < in.bytes / sizeof(std::uint64_t); ++i) in.sum += words[i];
    return in;
  }
  static void size(const Input& in, Output& out) { out.marks.resize(in.marks.size()); }
  static absl::Status same(const Input& in, const Output& want, const Output& got) {
    for (const Output* out : {&want, &got}) {
      if (absl::Status fine = exact(in.marks, out->marks); !fine.ok()) return fine;
      if (!out->summed) continue;
      if (absl::Status fine = exact(in.sum, out->sum); !fine.ok()) return fine;
    }
    return absl::OkStatus();
  }
};
using Input = PageCacheRead::Input;
using Output = PageCacheRead::Output;

// A file may end within a word.
std::uint64_t first_word(const unsigned char* data, std::size_t bytes) {
  std::uint64_t word = 0;
  std::memcpy(&word, data, std::min(bytes, sizeof word));
  return word;
}

// The copy stays in L2, with room for what the kernel uses.
struct Copy {
  explicit Copy(const Input&) : buffer(touched_pages(std::size_t{128} << 10)) {}
  Mapping buffer;
};

void read_copies(Copy& copy, const Input& in, Output& out) {
  out.summed = false;
  const int fd = in.file->fd();
  unsigned char* const buffer = copy.buffer.data();
  for (std::size_t pass = 0; pass < in.passes; ++pass) {
    for (std::size_t at = 0; at < in.bytes; at += copy.buffer.size()) {
      const std::size_t part = std::min(copy.buffer.size(), in.bytes - at);
      disk::read_at(fd, buffer, part, at);
      for (std::size_t i = 0; i < part; i += kBlock)
        out.marks[(at + i) / kBlock] = first_word(buffer + i, part - i);
    }
  }
}

struct MappedFile {
  explicit MappedFile(const Input& in) : bytes(in.bytes) {
    int flags = MAP_SHARED;
#ifdef MAP_POPULATE
    flags |= MAP_POPULATE;
#endif
    map = mmap(nullptr, bytes, PROT_READ, flags, in.file->fd(), 0);
    disk::require(map != MAP_FAILED, "mmap");
  }
  ~MappedFile() { munmap(map, bytes); }
  MappedFile(const MappedFile&) = delete;
  std::size_t bytes;
  void* map;
};

// Mapped once, with all its pages: neither a system call nor a copy.
void mapped(MappedFile& mapping, const Input& in, Output& out) {
  const auto* const data = static_cast<const unsigned char*>(mapping.map);
  const auto* const words = static_cast<const std::uint64_t*>(mapping.map);
  for (std::size_t pass = 0; pass < in.passes; ++pass)
    out.sum = HWY_DYNAMIC_DISPATCH(SumWords)(opaque(words), in.bytes / sizeof(std::uint64_t));
  for (std::size_t i = 0; i < in.bytes; i += kBlock)
    out.marks[i / kBlock] = first_word(data + i, in.bytes - i);
  out.summed = true;
}

constexpr Variant<PageCacheRead> kVariants[] = {
    {.name = "read", .run = run<read_copies>, .what = "read(2) of 128 KiB into a buffer in L2"},
    {.name = "mapped",
     .run = run<mapped>,
     .what = "read in place, through a mapping: no system call, no copy"},
};

const Registrar kRegistrar({.name = "machine/page_cache_read",
                            .axis = Axis::kSyscall,
                            .technique = "what a file that is in memory already delivers",
                            .sizes = {256 << 10, 4 << 20, 64 << 20},
                            .headline = {4 << 20, 64 << 20},
                            .clock = Clock::kWall,
                            .warm = Warm::kCall,
                            .unit = "B/s",
                            .demand =
                                [](const Setting& s) {
                                  const std::size_t n = std::max<std::size_t>(1, s.n);
                                  const double bytes =
                                      static_cast<double>(passes(n)) * static_cast<double>(n);
                                  return Demand{.items = bytes,
                                                .bytes = bytes,
                                                .working_set = n,
                                                .memory = 2 * n + (std::size_t{4} << 20),
                                                .scratch = n};
                                },
                            .test_sizes = {1, 7, 8, 4095, 4097, 131073}},
                           kVariants);

}  // namespace
}  // namespace headroom
#endif  // HWY_ONCE
