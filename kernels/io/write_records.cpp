// io/write_records: write n records of 64 bytes to a file, one after the other.
//
// The records come one at a time, in random order from a pool of 256: no array of them lies ready
// to be written at once. Out: the whole file, read back untimed, byte for byte.
//
// Hot: the page cache takes the writes, as it does for every program that doesn't ask for more; no
// variant waits for the disk. Appending variants start with an empty file, for which the kernel
// must find pages; overwriting ones with a file of full length whose pages are in the cache, filled
// with other bytes before each call (a log that is laid out in advance and used in a circle).
//
// A system call for each 64 bytes nobody ships. What one ships is a stream with its buffer:
// std::ofstream, the standard, or stdio.
#include <limits.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <fstream>

#include "core/kernel.h"
#include "io/appended.h"

namespace headroom {
namespace {

struct Record {
  std::array<unsigned char, 64> bytes;
};
constexpr std::size_t kRecord = sizeof(Record);

struct WriteRecords {
  struct Input {
    Buffer<Record> pool;
    Buffer<std::uint8_t> which;  // the records to write, in order
    std::size_t size() const { return which.size(); }
    const Record& operator[](std::size_t i) const { return pool[which[i]]; }
  };
  using Output = std::vector<unsigned char>;

  static Input make(const Setting& setting, Rng& rng) {
    Input in{Buffer<Record>(256), Buffer<std::uint8_t>(setting.n)};
    FastRng fast(rng());
    for (Record& record : in.pool)
      for (unsigned char& byte : record.bytes) byte = static_cast<unsigned char>(fast() >> 56);
    for (std::uint8_t& which : in.which) which = static_cast<std::uint8_t>(fast() >> 56);
    return in;
  }
  static absl::Status same(const Input&, const Output& want, const Output& got) {
    return exact(want, got);
  }
};
using Input = WriteRecords::Input;
using Output = WriteRecords::Output;

using files::require, files::write_all;
using Appended = AppendedFile<Input>;

// A file of full length. refill() overwrites what the last call left.
struct Preallocated : Appended {
  using Appended::Appended;
  void refill(const Input& input) {
    in = &input;
    files::rewind(file.fd());
    const std::vector<unsigned char> junk(std::min<std::size_t>(input.size() * kRecord, 1 << 18),
                                          0x5a);
    for (std::size_t left = input.size() * kRecord; left != 0;) {
      const std::size_t part = std::min(left, junk.size());
      write_all(file.fd(), junk.data(), part);
      left -= part;
    }
    files::rewind(file.fd());
  }
};

template <class File, std::size_t kBytes>
struct Buffered : File {
  using File::File;
  Buffer<unsigned char> buffer = Buffer<unsigned char>(kBytes);
};

void naive(Appended& log, Output&) {
  const Input& in = *log.in;
  for (std::size_t i = 0; i < in.size(); ++i) write_all(log.file.fd(), in[i].bytes.data(), kRecord);
}

struct Stdio : Appended {
  explicit Stdio(const Input& input) : Appended(input), stream(fdopen(dup(file.fd()), "w")) {
    require(stream != nullptr, "fdopen");
  }
  Stdio(const Stdio&) = delete;
  ~Stdio() { fclose(stream); }
  FILE* stream;
};

// One system call for the 4 KiB of stdio's buffer; each record costs a locked call into the
// library.
void stdio_fwrite(Stdio& log, Output&) {
  const Input& in = *log.in;
  for (std::size_t i = 0; i < in.size(); ++i)
    require(fwrite(in[i].bytes.data(), kRecord, 1, log.stream) == 1, "fwrite");
  require(fflush(log.stream) == 0, "fflush");
}

struct Stream : Appended {
  using Appended::Appended;
  void refill(const Input& input) {
    Appended::refill(input);
    stream = std::ofstream(file.path(), std::ios::binary | std::ios::in | std::ios::out);
    require(stream.is_open(), "ofstream");
  }
  std::ofstream stream;
};

// The same with a buffer of 8 KiB, and a sentry for each record.
void ofstream(Stream& log, Output&) {
  const Input& in = *log.in;
  for (std::size_t i = 0; i < in.size(); ++i)
    log.stream.write(reinterpret_cast<const char*>(in[i].bytes.data()), kRecord);
  log.stream.flush();
  require(log.stream.good(), "ofstream::write");
}

// As many records a system call as the system takes, without a copy of them in user space; but the
// kernel walks a vector of 1024 small pieces, and pays for each.
void gather(Appended& log, Output&) {
  const Input& in = *log.in;
  std::array<iovec, 1024> pieces;
  static_assert(pieces.size() <= IOV_MAX);
  for (std::size_t i = 0; i < in.size();) {
    const std::size_t count = std::min(pieces.size(), in.size() - i);
    for (std::size_t j = 0; j < count; ++j)
      pieces[j] = {const_cast<unsigned char*>(in[i + j].bytes.data()), kRecord};
    const ssize_t written = writev(log.file.fd(), pieces.data(), static_cast<int>(count));
    if (written < 0 && errno == EINTR) continue;
    require(written > 0, "writev");
    i += static_cast<std::size_t>(written) / kRecord;
    // The rest of a record that was written in part.
    if (const std::size_t part = static_cast<std::size_t>(written) % kRecord; part != 0)
      write_all(log.file.fd(), in[i++].bytes.data() + part, kRecord - part);
  }
}

// A copy of constant size into a buffer of our own is two instructions a record; the system call,
// and the file system's work for each write, is shared by all that the buffer holds.
template <class Log>
void buffered(Log& log, Output&) {
  const Input& in = *log.in;
  unsigned char* const begin = log.buffer.data();
  const std::size_t holds = log.buffer.size() / kRecord;
  for (std::size_t i = 0; i < in.size();) {
    const std::size_t count = std::min(holds, in.size() - i);
    for (std::size_t j = 0; j < count; ++j)
      std::memcpy(begin + j * kRecord, in[i + j].bytes.data(), kRecord);
    write_all(log.file.fd(), begin, count * kRecord);
    i += count;
  }
}

// The file as memory, mapped once, for good. Its pages are there and writable, as those of a
// circular log are from the second round on.
struct Mapped : Preallocated {
  using Preallocated::Preallocated;
  Mapped(const Mapped&) = delete;
  ~Mapped() {
    if (memory != nullptr) munmap(memory, size);
  }
  void refill(const Input& input) {
    if (memory == nullptr) Preallocated::refill(input);
    in = &input;
    size = input.size() * kRecord;
    if (size == 0) return;
    if (memory == nullptr) {
      void* const mapped = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, file.fd(), 0);
      require(mapped != MAP_FAILED, "mmap");
      memory = static_cast<unsigned char*>(mapped);
    }
    std::memset(memory, 0x5a, size);
  }
  unsigned char* memory = nullptr;
  std::size_t size = 0;
};

// No system call, and one copy where write() makes two: the record goes straight into the page
// cache.
void overwrite_mapped(Mapped& log, Output&) {
  const Input& in = *log.in;
  for (std::size_t i = 0; i < in.size(); ++i)
    std::memcpy(log.memory + i * kRecord, in[i].bytes.data(), kRecord);
}

constexpr Variant<WriteRecords> kVariants[] = {
    {.name = "naive", .run = run<naive>, .what = "write(2) for each record: nobody ships it"},
    {.name = "fwrite",
     .run = run<stdio_fwrite>,
     .what = "a system call for 4 KiB; what is left is a locked library call a record"},
    {.name = "ofstream",
     .run = run<ofstream>,
     .what = "a system call for 8 KiB; what is left is a sentry and a virtual call a record",
     .role = Role::kStandard},
    {.name = "writev",
     .run = run<gather>,
     .what = "1024 records a system call, not copied first; but the kernel pays for each piece"},
    {.name = "buffer_64k",
     .run = run<buffered<Buffered<Appended, 64 << 10>>>,
     .what = "own buffer of 64 KiB: two instructions a record, a system call for 1024"},
    {.name = "buffer_1m",
     .run = run<buffered<Buffered<Appended, 1 << 20>>>,
     .what =
         "own buffer of 1 MiB: hardly better, the page cache's work for each page is what is left"},
    {.name = "overwrite",
     .run = run<buffered<Buffered<Preallocated, 64 << 10>>>,
     .what = "64 KiB buffer into a preallocated file: no page to find, no length to move"},
    {.name = "overwrite_mapped",
     .run = run<overwrite_mapped>,
     .what = "preallocated file mapped once: no system call, and one copy instead of two"},
};

const Registrar kRegistrar({.name = "io/write_records",
                            .axis = Axis::kSyscall,
                            .technique = "pay for a system call once for many records",
                            .sizes = {1 << 10, 1 << 14, 1 << 16, 1 << 20},
                            .headline = {1 << 10, 1 << 14},
                            .ceiling = {"machine/write"},
                            .clock = Clock::kWall,
                            .warm = Warm::kNone,
                            .demand =
                                [](const Setting& s) {
                                  const std::size_t bytes = s.n * kRecord;
                                  // More than eight files where a call is short.
                                  return Demand{.items = static_cast<double>(s.n),
                                                .bytes = static_cast<double>(bytes),
                                                .working_set = bytes,
                                                .memory = 16 * bytes + (std::size_t{16} << 20),
                                                .scratch = 8 * bytes + (std::size_t{32} << 20),
                                                .written = bytes};
                                }},
                           kVariants);

}  // namespace
}  // namespace headroom
