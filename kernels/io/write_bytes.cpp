// io/write_bytes: write a file of n small pieces, which come one at a time.
//
// Inputs: `byte`, pieces of one byte, as an encoder or a serial line gives them; `piece`, of 1 to
// 16 bytes, as the tokens of a text that is generated. They come in random order from a pool of
// 256: no array of them lies ready to be written at once. Out: the whole file, read back untimed.
//
// Hot: the page cache takes the writes, and no variant waits for the disk. A call starts with an
// empty file.
//
// A system call costs some hundred nanoseconds whatever it carries; a byte that is put into a
// buffer costs less than one.
#include <limits.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <fstream>

#include "core/kernel.h"
#include "io/appended.h"

namespace headroom {
namespace {

struct Piece {
  std::array<unsigned char, 16> bytes = {};
  std::size_t size = 0;
};

struct WriteBytes {
  static constexpr auto kInputs = inputs("byte", "piece");
  struct Input {
    Buffer<Piece> pool;
    Buffer<std::uint8_t> which;  // the pieces to write, in order
    std::size_t bytes = 0;       // of all together
    std::size_t size() const { return which.size(); }
    const Piece& operator[](std::size_t i) const { return pool[which[i]]; }
  };
  using Output = std::vector<unsigned char>;

  static Input make(const Setting& setting, Rng& rng) {
    Input in{Buffer<Piece>(256), Buffer<std::uint8_t>(setting.n)};
    FastRng fast(rng());
    for (Piece& piece : in.pool) {
      piece.size = setting.input == kInputs["byte"] ? 1 : 1 + bounded(fast, 16);
      for (unsigned char& byte : piece.bytes) byte = static_cast<unsigned char>(fast() >> 56);
    }
    for (std::uint8_t& which : in.which) {
      which = static_cast<std::uint8_t>(fast() >> 56);
      in.bytes += in.pool[which].size;
    }
    return in;
  }
  static absl::Status same(const Input& in, const Output& want, const Output& got) {
    if (want.size() != in.bytes)
      return differ("bytes of the baseline: ", std::to_string(in.bytes),
                    std::to_string(want.size()));
    return exact(want, got);
  }
};
using Input = WriteBytes::Input;
using Output = WriteBytes::Output;
using Appended = AppendedFile<Input>;

void naive(Appended& work, Output&) {
  const Input& in = *work.in;
  for (std::size_t i = 0; i < in.size(); ++i)
    files::write_all(work.file.fd(), in[i].bytes.data(), in[i].size);
}

// As many pieces a system call as the system takes; but the kernel walks the vector, looks at each
// piece and copies it alone, and building the vector costs more than copying a byte.
void gather(Appended& work, Output&) {
  const Input& in = *work.in;
  std::array<iovec, 1024> pieces;
  static_assert(pieces.size() <= IOV_MAX);
  for (std::size_t i = 0; i < in.size();) {
    const std::size_t count = std::min(pieces.size(), in.size() - i);
    for (std::size_t j = 0; j < count; ++j)
      pieces[j] = {const_cast<unsigned char*>(in[i + j].bytes.data()), in[i + j].size};
    const ssize_t put = writev(work.file.fd(), pieces.data(), static_cast<int>(count));
    if (put < 0 && errno == EINTR) continue;
    files::require(put > 0, "writev");
    // What was written in part is finished by itself.
    std::size_t left = static_cast<std::size_t>(put);
    for (const std::size_t end = i + count; i < end && left >= in[i].size; ++i) left -= in[i].size;
    if (left == 0) continue;
    files::write_all(work.file.fd(), in[i].bytes.data() + left, in[i].size - left);
    ++i;
  }
}

struct Stdio : Appended {
  explicit Stdio(const Input& input) : Appended(input), stream(fdopen(dup(file.fd()), "w")) {
    files::require(stream != nullptr, "fdopen");
  }
  Stdio(const Stdio&) = delete;
  ~Stdio() { fclose(stream); }
  FILE* stream;
};

// One system call for the 4 KiB of stdio's buffer; what is left is a library call a piece, which
// takes a lock.
void stdio_fwrite(Stdio& work, Output&) {
  const Input& in = *work.in;
  for (std::size_t i = 0; i < in.size(); ++i)
    files::require(fwrite(in[i].bytes.data(), in[i].size, 1, work.stream) == 1, "fwrite");
  files::require(fflush(work.stream) == 0, "fflush");
}

// The lock taken once, for all; a byte is then a store and a comparison, without a call.
void stdio_unlocked(Stdio& work, Output&) {
  const Input& in = *work.in;
  bool fine = true;
  flockfile(work.stream);
  for (std::size_t i = 0; i < in.size(); ++i)
    for (std::size_t b = 0; b < in[i].size; ++b)
      fine &= putc_unlocked(in[i].bytes[b], work.stream) != EOF;
  funlockfile(work.stream);
  files::require(fine && fflush(work.stream) == 0, "putc_unlocked");
}

struct Stream : Appended {
  using Appended::Appended;
  void refill(const Input& input) {
    Appended::refill(input);
    stream = std::ofstream(file.path(), std::ios::binary | std::ios::in | std::ios::out);
    files::require(stream.is_open(), "ofstream");
  }
  std::ofstream stream;
};

// A system call for 8 KiB; what is left is a sentry and a virtual call a piece.
void ofstream(Stream& work, Output&) {
  const Input& in = *work.in;
  for (std::size_t i = 0; i < in.size(); ++i)
    work.stream.write(reinterpret_cast<const char*>(in[i].bytes.data()),
                      static_cast<std::streamsize>(in[i].size));
  work.stream.flush();
  files::require(work.stream.good(), "ofstream::write");
}

struct Buffered : Appended {
  using Appended::Appended;
  Buffer<unsigned char> buffer = Buffer<unsigned char>(std::size_t{64} << 10);
};

// A copy of constant size, of which the next piece overwrites what was too much, is two
// instructions whatever the piece's length; the system call is shared by 64 KiB.
void buffered(Buffered& work, Output&) {
  const Input& in = *work.in;
  unsigned char* const begin = work.buffer.data();
  unsigned char* const full = begin + work.buffer.size() - sizeof(Piece::bytes);
  unsigned char* to = begin;
  for (std::size_t i = 0; i < in.size(); ++i) {
    const Piece& piece = in[i];
    std::memcpy(to, piece.bytes.data(), sizeof piece.bytes);
    to += piece.size;
    if (to <= full) continue;
    files::write_all(work.file.fd(), begin, static_cast<std::size_t>(to - begin));
    to = begin;
  }
  files::write_all(work.file.fd(), begin, static_cast<std::size_t>(to - begin));
}

constexpr Variant<WriteBytes> kVariants[] = {
    {.name = "naive", .run = run<naive>, .what = "write(2) for each piece"},
    {.name = "writev",
     .run = run<gather>,
     .what = "1024 pieces a system call; but the kernel pays for each of them"},
    {.name = "ofstream",
     .run = run<ofstream>,
     .what = "a system call for 8 KiB; what is left is a sentry and a virtual call a piece"},
    {.name = "fwrite",
     .run = run<stdio_fwrite>,
     .what = "a system call for 4 KiB; what is left is a library call that locks, a piece",
     .role = Role::kStandard},
    {.name = "putc_unlocked",
     .run = run<stdio_unlocked>,
     .what = "locked once for all: a byte is a store and a comparison"},
    {.name = "buffer_64k",
     .run = run<buffered>,
     .what = "own buffer: two instructions a piece of any length, a system call for 64 KiB"},
};

const Registrar kRegistrar({.name = "io/write_bytes",
                            .axis = Axis::kSyscall,
                            .technique = "buffer what comes in small pieces",
                            .sizes = {1 << 10, 1 << 12, 1 << 14, 1 << 20},
                            .headline = {1 << 12, 1 << 14},
                            .ceiling = {"machine/write"},
                            .clock = Clock::kWall,
                            .warm = Warm::kNone,
                            .demand =
                                [](const Setting& s) {
                                  const std::size_t bytes =
                                      s.input == WriteBytes::kInputs["byte"] ? s.n : s.n * 17 / 2;
                                  return Demand{.items = static_cast<double>(s.n),
                                                .bytes = static_cast<double>(bytes),
                                                .working_set = 16 * s.n,
                                                .memory = 16 * s.n + (std::size_t{16} << 20),
                                                .scratch = 16 * s.n + (std::size_t{64} << 20),
                                                .written = bytes};
                                },
                            // The buffer's 64 KiB are passed by the last two, in either input.
                            .test_sizes = {0, 1, 2, 3, 1023, 1024, 1025, 8192, 66'000}},
                           kVariants);

}  // namespace
}  // namespace headroom
