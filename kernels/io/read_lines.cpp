// io/read_lines: read a text of n lines from a file, line by line.
//
// Of each line the program wants its key, the first 8 bytes (fewer where the line is shorter), and
// its length. Out: both, of every line in order, and how many there are. A line ends with '\n'; the
// last one may lack it.
//
// Inputs: `short`, lines of 32 bytes on average, as in logs and tables; `long`, of 512. The lengths
// are geometrically distributed, so that no branch prediction knows where the next one ends.
//
// Hot: the file lies in the page cache, which mincore(2) proves before each launch.
//
// std::getline copies each line twice and may allocate. Where a line is used at once, it can be
// looked at where it lies: in a block of the file, or in a mapping of it. Then finding its end is
// all the work, and vectors find many ends at once (simd/find_byte has more ways to).
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <memory>
#include <string>

#include "core/kernel.h"
#include "support/files.h"

namespace headroom {
namespace {

struct Line {
  std::uint64_t key;
  std::uint64_t length;
  friend bool operator==(const Line&, const Line&) = default;
};

// The first 8 bytes of a line, zeros where it is shorter; the same on every machine. Where 8 bytes
// can be read, because the text goes on, they are, and those of the next line cut off: no branch
// depends on the length of a line, which nothing predicts.
inline std::uint64_t key_of(const unsigned char* line, std::size_t length,
                            const unsigned char* end) {
  std::uint64_t key = 0;
  if (end - line < 8) {
    std::memcpy(&key, line, std::min<std::size_t>(8, length));
    return std::endian::native == std::endian::big ? __builtin_bswap64(key) : key;
  }
  std::memcpy(&key, line, 8);
  if (std::endian::native == std::endian::big) key = __builtin_bswap64(key);
  const std::size_t cut = 64 - 8 * std::min<std::size_t>(8, length);
  return key << (cut / 2) << (cut - cut / 2) >> (cut / 2) >> (cut - cut / 2);  // 64 is too far
}

struct ReadLines {
  static constexpr auto kInputs = inputs("short", "long");
  struct Input {
    std::unique_ptr<ScratchFile> file;
    std::size_t bytes = 0;
    std::size_t lines = 0;
  };
  struct Output {
    Buffer<Line> lines;
    std::size_t count = 0;
    void poison() {
      headroom::poison(lines);
      count = ~std::size_t{0};
    }
    bool spoil(Spoil how) { return spoil_counted(how, lines.data(), count); }
  };

  static Input of(ScratchFile file, std::span<const unsigned char> text) {
    Input in{std::make_unique<ScratchFile>(std::move(file)), text.size(), 0};
    for (const unsigned char byte : text) in.lines += byte == '\n' ? 1 : 0;
    if (!text.empty() && text.back() != '\n') ++in.lines;
    return in;
  }
  static Input make(const Setting& setting, Rng& rng) {
    FastRng fast(rng());
    const std::uint64_t mean = setting.input == kInputs["short"] ? 32 : 512;
    std::vector<unsigned char> text;
    for (std::size_t i = 0; i < setting.n; ++i) {
      while (bounded(fast, mean) != 0)
        text.push_back(static_cast<unsigned char>(' ' + bounded(fast, 90)));
      text.push_back('\n');
    }
    // An odd number of lines ends without a newline, unless the last one would be empty.
    if (setting.n % 2 == 1 && text.size() >= 2 && text[text.size() - 2] != '\n') text.pop_back();
    return of(files::hot_file(text), text);
  }
  // Not timed, so nothing has to wait until the disk has it.
  static Input from(std::span<const std::uint8_t> bytes) {
    ScratchFile file;
    files::write_all(file.fd(), bytes.data(), bytes.size());
    return of(std::move(file), bytes);
  }
  static void size(const Input& in, Output& out) { out.lines = Buffer<Line>(in.lines); }
  static absl::Status same(const Input& in, const Output& want, const Output& got) {
    if (want.count != in.lines)
      return differ("lines of the baseline: ", std::to_string(in.lines),
                    std::to_string(want.count));
    if (absl::Status fine = exact(want.count, got.count); !fine.ok()) return fine;
    return exact(std::span(want.lines.data(), want.count), std::span(got.lines.data(), got.count));
  }
};
using Input = ReadLines::Input;
using Output = ReadLines::Output;

// Of a line that was copied out of the text.
Line line_of(const char* text, std::size_t length) {
  const auto* const line = reinterpret_cast<const unsigned char*>(text);
  return {key_of(line, length, line + length), length};
}

struct Stream {
  explicit Stream(const Input& in) : stream(in.file->path(), std::ios::binary) {
    files::require(stream.is_open(), "ifstream");
  }
  std::ifstream stream;
  std::string line;
};

void naive(Stream& file, const Input&, Output& out) {
  file.stream.clear();
  file.stream.seekg(0);
  out.count = 0;
  while (std::getline(file.stream, file.line))
    out.lines[out.count++] = line_of(file.line.data(), file.line.size());
  files::require(!file.stream.bad(), "ifstream");
}

struct Stdio {
  explicit Stdio(const Input& in) : stream(fdopen(in.file->reopen(O_RDONLY), "r")) {
    files::require(stream != nullptr, "fdopen");
  }
  ~Stdio() {
    free(line);
    fclose(stream);
  }
  Stdio(const Stdio&) = delete;
  FILE* const stream;
  char* line = nullptr;
  std::size_t room = 0;
};

// POSIX's getline: found with memchr in stdio's buffer, copied once, into memory that is used
// again.
void posix_getline(Stdio& file, const Input&, Output& out) {
  std::rewind(file.stream);
  out.count = 0;
  for (ssize_t got; (got = getline(&file.line, &file.room, file.stream)) > 0;) {
    auto length = static_cast<std::size_t>(got);
    if (file.line[length - 1] == '\n') --length;
    out.lines[out.count++] = line_of(file.line, length);
  }
  files::require(ferror(file.stream) == 0, "getline");
}

// Takes the lines of [text, end) apart, the end of each looked for from its begin; returns where
// the line that has no end begins.
const unsigned char* split_memchr(const unsigned char* text, const unsigned char* end, Line*& to) {
  while (const void* const found = std::memchr(text, '\n', static_cast<std::size_t>(end - text))) {
    const auto length = static_cast<std::size_t>(static_cast<const unsigned char*>(found) - text);
    *to++ = {key_of(text, length, end), length};
    text += length + 1;
  }
  return text;
}

}  // namespace
}  // namespace headroom

// Below the types that it uses.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "io/read_lines-inl.h"
#include "io/read_lines-inl.h"

namespace headroom {
namespace {

HWY_EXPORT(SplitSimd);
const unsigned char* split_simd(const unsigned char* text, const unsigned char* end, Line*& to) {
  return HWY_DYNAMIC_DISPATCH(SplitSimd)(text, end, to);
}
using Split = const unsigned char* (*)(const unsigned char*, const unsigned char*, Line*&);

// What is left behind the last newline is a line, unless it is nothing.
void last_line(const unsigned char* line, const unsigned char* end, Line*& to) {
  if (line == end) return;
  const auto length = static_cast<std::size_t>(end - line);
  *to++ = {key_of(line, length, end), length};
}

struct Blocks {
  explicit Blocks(const Input& in) : fd(in.file->reopen(O_RDONLY)) {}
  ~Blocks() { close(fd); }
  Blocks(const Blocks&) = delete;
  const int fd;
  std::vector<unsigned char> buffer = std::vector<unsigned char>(std::size_t{64} << 10);
};

// Lines are looked at in the block that was read. One that goes on in the next block is moved to
// the front, so that it lies in one piece; where it fills the whole buffer, that grows.
template <Split kSplit>
void blocks(Blocks& file, const Input&, Output& out) {
  files::rewind(file.fd);
  std::vector<unsigned char>& buffer = file.buffer;
  Line* to = out.lines.data();
  std::size_t kept = 0;
  for (;;) {
    if (kept == buffer.size()) buffer.resize(2 * buffer.size());
    const std::size_t got = files::read_some(file.fd, buffer.data() + kept, buffer.size() - kept);
    const unsigned char* const end = buffer.data() + kept + got;
    if (got == 0) {
      last_line(buffer.data(), end, to);
      break;
    }
    const unsigned char* const rest = kSplit(buffer.data(), end, to);
    kept = static_cast<std::size_t>(end - rest);
    std::memmove(buffer.data(), rest, kept);
  }
  out.count = static_cast<std::size_t>(to - out.lines.data());
}

struct Mapped {
  explicit Mapped(const Input& in) : map(in.file->fd(), in.bytes) {}
  files::Map map;
};

// No block ends within a line, and nothing is copied.
template <Split kSplit>
void mapped(Mapped& file, const Input&, Output& out) {
  file.map.read([&map = file.map, &out] {
    const unsigned char* const end = map.data() + map.size();
    Line* to = out.lines.data();
    const unsigned char* const rest = map.size() == 0 ? end : kSplit(map.data(), end, to);
    last_line(rest, end, to);
    out.count = static_cast<std::size_t>(to - out.lines.data());
  });
}

constexpr Variant<ReadLines> kVariants[] = {
    {.name = "naive",
     .run = run<naive>,
     .what = "std::getline: each line copied twice, the second time into a string"},
    {.name = "posix_getline",
     .run = run<posix_getline>,
     .what = "getline(3): the end found by memchr, the line copied once; a lock a line",
     .role = Role::kStandard},
    {.name = "block_memchr",
     .run = run<blocks<split_memchr>>,
     .what = "64 KiB a system call; lines are looked at where they lie, not copied"},
    {.name = "block_simd",
     .run = run<blocks<split_simd>>,
     .what = "the ends of 64 bytes at once: no search begins anew for each line"},
    {.name = "mapped_memchr",
     .run = run<mapped<split_memchr>>,
     .what = "mapped once: the block isn't copied either, and no line crosses its end"},
    {.name = "mapped_simd",
     .run = run<mapped<split_simd>>,
     .what = "both: mapped once, the ends of 64 bytes at once"},
};

const Registrar kRegistrar({.name = "io/read_lines",
                            .axis = Axis::kSimd,
                            .technique = "look at lines where they lie, and find many ends at once",
                            .sizes = {1 << 10, 1 << 13, 1 << 15, 1 << 18},
                            .headline = {1 << 13, 1 << 15},
                            .ceiling = {"machine/page_cache_read"},
                            .clock = Clock::kWall,
                            .warm = Warm::kCall,
                            .demand =
                                [](const Setting& s) {
                                  const std::size_t mean =
                                      s.input == ReadLines::kInputs["short"] ? 32 : 512;
                                  const std::size_t bytes = mean * s.n;
                                  return Demand{
                                      .items = static_cast<double>(s.n),
                                      .bytes = static_cast<double>(bytes),
                                      .working_set = bytes + s.n * sizeof(Line),
                                      .memory = 3 * bytes + 7 * s.n * sizeof(Line) + (8 << 20),
                                      .scratch = bytes + (1 << 20)};
                                },
                            // Some blocks end within a line, some lines are longer than a vector.
                            .test_sizes = {0, 1, 2, 3, 15, 64, 127, 1001, 5000}},
                           kVariants);

}  // namespace
}  // namespace headroom
