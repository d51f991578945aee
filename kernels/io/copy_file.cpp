// io/copy_file and io/copy_file_cold: copy a file of n bytes.
//
// copy_file is hot: the source lies in the page cache, which mincore(2) proves before each launch,
// and so does the copy, which nobody waits to see on the disk. copy_file_cold reads the source from
// the disk (its pages are dropped before each call, which mincore proves) and ends when the disk
// has the copy (fdatasync). A call starts with an empty target. Out: the whole copy, read back
// untimed.
//
// A loop of read and write moves every byte twice, into the program's memory and out again, though
// the program doesn't look at it. The kernel can move it from page to page (sendfile,
// copy_file_range), and some file systems need not move it at all: both files share their blocks
// until one is written (reflink: Btrfs, XFS, bcachefs; ext4 can't).
#ifdef __linux__
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#endif
#include <unistd.h>

#include <filesystem>
#include <memory>

#include "core/kernel.h"
#include "io/appended.h"
#include "support/bytes.h"
#include "support/on_core.h"

namespace headroom {
namespace {

template <bool kCold>
struct CopyFile {
  struct Input {
    Buffer<std::uint8_t> content;
    std::unique_ptr<ScratchFile> file;
  };
  using Output = std::vector<unsigned char>;

  static Input make(const Setting& setting, Rng& rng) {
    Input in{random_bytes(setting.n, rng), nullptr};
    in.file =
        std::make_unique<ScratchFile>(files::hot_file({in.content.data(), in.content.size()}));
    return in;
  }
  static absl::Status same(const Input& in, const Output& want, const Output& got) {
    if (!std::equal(in.content.begin(), in.content.end(), want.begin(), want.end()))
      return differ("the baseline: ", "a copy of the file", "another content");
    return exact(want, got);
  }
};

// From a descriptor that stands at the source's start to the empty target.
template <bool kCold>
struct Copy : AppendedFile<typename CopyFile<kCold>::Input> {
  using Input = typename CopyFile<kCold>::Input;
  explicit Copy(const Input& in)
      : AppendedFile<Input>(in), from(in.file->reopen(O_RDONLY)), bytes(in.content.size()) {}
  Copy(const Copy&) = delete;
  ~Copy() { close(from); }
  void refill(const Input& in) {
    AppendedFile<Input>::refill(in);
    files::rewind(from);
    if constexpr (kCold) disk::require_cold(from, bytes);
  }
  int to() const { return this->file.fd(); }
  // What each variant ends with: the promise of the cold kernel.
  void finish() const {
    if constexpr (kCold) files::require(fdatasync(to()) == 0, "fdatasync");
  }
  const int from;
  const std::size_t bytes;
};

template <bool kCold, std::size_t kBuffer>
struct Through : Copy<kCold> {
  using Copy<kCold>::Copy;
  Buffer<unsigned char> buffer = Buffer<unsigned char>(kBuffer);
};

template <bool kCold, std::size_t kBuffer>
void read_write(Through<kCold, kBuffer>& copy, typename CopyFile<kCold>::Output&) {
  const OnAnyCore anywhere;
  unsigned char* const buffer = copy.buffer.data();
  while (const std::size_t got = files::read_some(copy.from, buffer, kBuffer))
    files::write_all(copy.to(), buffer, got);
  copy.finish();
}

// One copy less: write(2) takes the bytes where the page cache has them. But the mapping is made,
// filled and taken down page by page.
template <bool kCold>
void mapped(Copy<kCold>& copy, typename CopyFile<kCold>::Output&) {
  const OnAnyCore anywhere;
  const files::Map map(copy.from, copy.bytes, files::Map::Pages::kAsTouched);
#ifdef MADV_SEQUENTIAL
  if (copy.bytes != 0) madvise(const_cast<unsigned char*>(map.data()), copy.bytes, MADV_SEQUENTIAL);
#endif
  // Where the source was truncated meanwhile, write(2) fails with EFAULT: no SIGBUS here.
  files::write_all(copy.to(), map.data(), copy.bytes);
  copy.finish();
}

// What the standard library has; with GCC it is a sendfile of the whole.
template <bool kCold>
void standard(Copy<kCold>& copy, typename CopyFile<kCold>::Output&) {
  const OnAnyCore anywhere;
  std::error_code error;
  std::filesystem::copy_file(ScratchFile::path_of(copy.from), copy.file.path(),
                             std::filesystem::copy_options::overwrite_existing, error);
  errno = error.value();
  files::require(!error, "copy_file");
  copy.finish();
}

#ifdef __linux__
// No trip through the program's memory: pages go from the one file's cache by a pipe inside the
// kernel to the other's, and are copied there once.
template <bool kCold>
void send(Copy<kCold>& copy, typename CopyFile<kCold>::Output&) {
  const OnAnyCore anywhere;
  for (std::size_t left = copy.bytes; left != 0;) {
    const ssize_t sent = sendfile(copy.to(), copy.from, nullptr, left);
    if (sent < 0 && errno == EINTR) continue;
    files::require(sent > 0, "sendfile");
    left -= static_cast<std::size_t>(sent);
  }
  copy.finish();
}

// The same where the file system has nothing better; one that can share blocks, or a server that
// holds both files, does that instead.
template <bool kCold>
void range(Copy<kCold>& copy, typename CopyFile<kCold>::Output&) {
  const OnAnyCore anywhere;
  for (std::size_t left = copy.bytes; left != 0;) {
    const ssize_t copied = copy_file_range(copy.from, nullptr, copy.to(), nullptr, left, 0);
    if (copied < 0 && errno == EINTR) continue;
    files::require(copied > 0, "copy_file_range");
    left -= static_cast<std::size_t>(copied);
  }
  copy.finish();
}

// Nothing is copied: the blocks get a second owner.
template <bool kCold>
void reflink(Copy<kCold>& copy, typename CopyFile<kCold>::Output&) {
  const OnAnyCore anywhere;
  files::require(ioctl(copy.to(), FICLONE, copy.from) == 0, "FICLONE");
  copy.finish();
}

// Whether a copy of a file of two blocks works so.
template <class How>
bool copies(How how) {
  try {
    const ScratchFile from, to;
    const std::vector<unsigned char> content(2 * disk::kBlock, 0x5a);
    disk::write_at(from.fd(), content.data(), content.size(), 0);
    if (!how(from.fd(), to.fd(), content.size())) return false;
    std::vector<unsigned char> copy;
    files::contents(to.fd(), copy);
    return copy == content;
  } catch (const std::exception&) {
    return false;
  }
}
bool range_works() {
  static const bool works = copies([](int from, int to, std::size_t bytes) {
    off_t at = 0;
    return copy_file_range(from, &at, to, nullptr, bytes, 0) == static_cast<ssize_t>(bytes);
  });
  return works;
}
bool reflink_works() {
  static const bool works =
      copies([](int from, int to, std::size_t) { return ioctl(to, FICLONE, from) == 0; });
  return works;
}

template <bool kCold>
constexpr auto kSend = run<send<kCold>>;
template <bool kCold>
constexpr auto kRange = run<range<kCold>>;
template <bool kCold>
constexpr auto kReflink = run<reflink<kCold>>;
#else
bool range_works() { return false; }
bool reflink_works() { return false; }
template <bool kCold>
constexpr auto kSend = kNotBuilt;
template <bool kCold>
constexpr auto kRange = kNotBuilt;
template <bool kCold>
constexpr auto kReflink = kNotBuilt;
#endif

constexpr Need kCopyFileRange{"copy_file_range", range_works, "Linux 4.5 or later"};
constexpr Need kReflinks{"reflink", reflink_works,
                         "choose a scratch folder on a file system that shares blocks, such as "
                         "Btrfs or XFS (--scratch)"};
// The cold kernel needs a disk for each of them.
template <bool kCold>
struct Needs {
  static constexpr Need kPlain[] = {disk::kDisk};
  static constexpr Need kRange[] = {disk::kDisk, kCopyFileRange};
  static constexpr Need kReflink[] = {disk::kDisk, kReflinks};
  static constexpr std::span<const Need> of(std::span<const Need> all) {
    return all.subspan(kCold ? 0 : 1);
  }
};

template <bool kCold>
constexpr Variant<CopyFile<kCold>> kVariants[] = {
    {.name = "naive",
     .run = run<read_write<kCold, 4 << 10>>,
     .what = "read and write of 4 KiB each",
     .needs = Needs<kCold>::of(Needs<kCold>::kPlain)},
    {.name = "read_write_128k",
     .run = run<read_write<kCold, 128 << 10>>,
     .what = "a thirty-second of the system calls; the bytes still go through the program's memory",
     .needs = Needs<kCold>::of(Needs<kCold>::kPlain)},
    {.name = "std_copy_file",
     .run = run<standard<kCold>>,
     .what = "std::filesystem::copy_file; with GCC's library a sendfile of the whole",
     .role = Role::kStandard,
     .needs = Needs<kCold>::of(Needs<kCold>::kPlain)},
    {.name = "mapped",
     .run = run<mapped<kCold>>,
     .what = "written from a mapping of the source: one copy less, but a page table to make",
     .needs = Needs<kCold>::of(Needs<kCold>::kPlain)},
    {.name = "sendfile",
     .run = kSend<kCold>,
     .what = "the kernel copies from page to page: no trip through the program's memory",
     .needs = Needs<kCold>::of(Needs<kCold>::kPlain)},
    {.name = "copy_file_range",
     .run = kRange<kCold>,
     .what = "the file system decides: it shares blocks where it can, else copies as sendfile does",
     .needs = Needs<kCold>::of(Needs<kCold>::kRange)},
    {.name = "reflink",
     .run = kReflink<kCold>,
     .what = "FICLONE: both files share their blocks, and nothing is copied",
     .needs = Needs<kCold>::of(Needs<kCold>::kReflink)},
};

Metadata metadata(bool cold) {
  const std::size_t small = cold ? std::size_t{1} << 20 : std::size_t{64} << 10;
  return {.name = cold ? "io/copy_file_cold" : "io/copy_file",
          .axis = cold ? Axis::kStorageSequential : Axis::kSyscall,
          .technique = "let the kernel move bytes that the program doesn't look at",
          .sizes = {small, 4 * small, 16 * small, 64 * small},
          .headline = {4 * small, 16 * small},
          .one_group = cold,
          .clock = Clock::kWall,
          .warm = Warm::kNone,
          .demand =
              [](const Setting& s) {
                return Demand{.items = static_cast<double>(s.n),
                              .bytes = static_cast<double>(2 * s.n),
                              .working_set = 2 * s.n,
                              .memory = 12 * s.n + (std::size_t{64} << 20),
                              .scratch = 9 * s.n + (std::size_t{64} << 20),
                              .written = s.n};
              },
          .test_sizes = {0, 1, 4095, 4096, 4097, (128 << 10) + 1, 1'000'003}};
}

const Registrar kRegistrar(metadata(false), kVariants<false>);
const Registrar kColdRegistrar(metadata(true), kVariants<true>);

}  // namespace
}  // namespace headroom
