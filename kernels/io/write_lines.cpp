// io/write_lines: write n lines of text, each of a number and a measured value, to a file.
//
// A line is "<key> <value>\n", both integers of 1 to 10 digits. Out: the whole file, read back
// untimed, byte for byte.
//
// Hot: the page cache takes the writes, and no variant waits for the disk. A call starts with an
// empty file.
//
// std::endl is not how a line ends but how a stream is flushed: one system call a line. What is
// left without it is formatting, and the layers of a stream.
#include <charconv>
#include <cstdio>
#include <fstream>
#include <memory>

#include "core/kernel.h"
#include "io/appended.h"

namespace headroom {
namespace {

struct Line {
  std::uint32_t key = 0;
  std::uint32_t value = 0;
};

struct WriteLines {
  struct Input {
    Buffer<Line> lines;
  };
  using Output = std::vector<unsigned char>;

  static Input make(const Setting& setting, Rng& rng) {
    Input in{Buffer<Line>(setting.n)};
    FastRng fast(rng());
    // Any number of digits is as likely as another.
    const auto number = [&] { return static_cast<std::uint32_t>(fast() >> (32 + fast() % 32)); };
    for (Line& line : in.lines) line = {number(), number()};
    return in;
  }
  static absl::Status same(const Input&, const Output& want, const Output& got) {
    return exact(want, got);
  }
};
using Input = WriteLines::Input;
using Output = WriteLines::Output;
using Appended = AppendedFile<Input>;

// A stream with a buffer of kBytes, or the library's own.
template <std::size_t kBytes>
struct Stream : Appended {
  using Appended::Appended;
  void refill(const Input& input) {
    Appended::refill(input);
    stream = std::ofstream();
    if (kBytes != 0) stream.rdbuf()->pubsetbuf(buffer.get(), static_cast<std::streamsize>(kBytes));
    stream.open(file.path(), std::ios::binary | std::ios::in | std::ios::out);
    files::require(stream.is_open(), "ofstream");
  }
  std::unique_ptr<char[]> buffer{new char[kBytes + 1]};
  std::ofstream stream;
};

void naive(Stream<0>& work, Output&) {
  for (const Line& line : work.in->lines) work.stream << line.key << ' ' << line.value << std::endl;
  files::require(work.stream.good(), "ofstream");
}

// A line's end is a character: the stream is flushed when its 8 KiB are full, and at the end.
template <std::size_t kBytes>
void newline(Stream<kBytes>& work, Output&) {
  for (const Line& line : work.in->lines) work.stream << line.key << ' ' << line.value << '\n';
  work.stream.flush();
  files::require(work.stream.good(), "ofstream");
}

struct Stdio : Appended {
  explicit Stdio(const Input& input) : Appended(input), stream(fdopen(dup(file.fd()), "w")) {
    files::require(stream != nullptr, "fdopen");
  }
  Stdio(const Stdio&) = delete;
  ~Stdio() { fclose(stream); }
  FILE* stream;
};

// One call a line instead of four; it reads its format anew for each.
void stdio_fprintf(Stdio& work, Output&) {
  bool fine = true;
  for (const Line& line : work.in->lines)
    fine &= fprintf(work.stream, "%u %u\n", line.key, line.value) > 0;
  files::require(fine && fflush(work.stream) == 0, "fprintf");
}

struct Buffered : Appended {
  using Appended::Appended;
  Buffer<char> buffer = Buffer<char>(std::size_t{64} << 10);
};

// The digits go straight into a buffer of our own: no sentry, no locale, no virtual call, no format
// to read; and a system call for 64 KiB.
void to_chars(Buffered& work, Output&) {
  constexpr std::size_t kLongest = 2 * 10 + 2;
  char* const begin = work.buffer.data();
  char* const end = begin + work.buffer.size();
  char* to = begin;
  for (const Line& line : work.in->lines) {
    if (static_cast<std::size_t>(end - to) < kLongest) {
      files::write_all(work.file.fd(), begin, static_cast<std::size_t>(to - begin));
      to = begin;
    }
    to = std::to_chars(to, end, line.key).ptr;
    *to++ = ' ';
    to = std::to_chars(to, end, line.value).ptr;
    *to++ = '\n';
  }
  files::write_all(work.file.fd(), begin, static_cast<std::size_t>(to - begin));
}

constexpr Variant<WriteLines> kVariants[] = {
    {.name = "naive", .run = run<naive>, .what = "ofstream and std::endl: a system call a line"},
    {.name = "newline",
     .run = run<newline<0>>,
     .what = "'\\n' instead of std::endl: a system call for 8 KiB",
     .role = Role::kStandard},
    {.name = "newline_1m",
     .run = run<newline<(1 << 20)>>,
     .what = "the same with a buffer of 1 MiB: next to nothing, formatting is what is left"},
    {.name = "fprintf",
     .run = run<stdio_fprintf>,
     .what = "one library call a line instead of four, which reads its format each time"},
    {.name = "to_chars",
     .run = run<to_chars>,
     .what = "digits straight into an own buffer: no locale, no virtual call, no format"},
};

const Registrar kRegistrar({.name = "io/write_lines",
                            .axis = Axis::kSyscall,
                            .technique = "end a line without flushing the stream",
                            .sizes = {1 << 10, 1 << 12, 1 << 14, 1 << 18},
                            .headline = {1 << 12, 1 << 14},
                            .clock = Clock::kWall,
                            .warm = Warm::kNone,
                            .demand =
                                [](const Setting& s) {
                                  const std::size_t bytes = 12 * s.n;  // on average
                                  return Demand{.items = static_cast<double>(s.n),
                                                .bytes = static_cast<double>(bytes),
                                                .working_set = bytes,
                                                .memory = 4 * bytes + (std::size_t{64} << 20),
                                                .scratch = 2 * bytes + (std::size_t{64} << 20),
                                                .written = bytes};
                                },
                            .test_sizes = {0, 1, 2, 3, 700, 1000, 5000, 12'000}},
                           kVariants);

}  // namespace
}  // namespace headroom
