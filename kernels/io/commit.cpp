// io/commit: append n records of 128 bytes to a log, and acknowledge each when it is durable.
//
// Out: the log, read back untimed, and how many records were acknowledged. An acknowledgement is a
// store into memory that other processes see, as a client would see it: commit_test.cpp kills the
// writer at any moment and compares what it had acknowledged with what the file then holds. What a
// power failure leaves no test of a program can tell; it is as the disk's cache and, in a virtual
// machine, the host honour a flush. So figures of this kernel are pairs, never a disk's absolute
// figure (the record tells whether the disk has a write cache).
//
// fsync makes lasting what the file's data and the file system's own records need. A file that
// grows, or whose blocks were never written, changes those records with each append, and each wait
// is then several writes. In a file that was written over in advance a commit is one write and one
// flush of the disk. Then the number of waits is what is left, and records that wait together can
// share one: group commit (DeWitt et al., "Implementation Techniques for Main Memory Database
// Systems", 1984).
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "core/kernel.h"
#include "support/acknowledged.h"
#include "support/disk.h"
#include "support/files.h"
#include "support/on_core.h"
#include "support/pages.h"

namespace headroom {
namespace {

using disk::kBlock;

struct Record {
  std::array<unsigned char, 128> bytes;
  friend bool operator==(const Record&, const Record&) = default;
};
constexpr std::size_t kRecord = sizeof(Record);

struct Commit {
  struct Input {
    Buffer<Record> records;
    std::size_t size() const { return records.size(); }
  };
  struct Output {
    std::vector<Record> log;  // what the file holds of the records, from its start
    std::size_t acknowledged = 0;
    std::size_t kept = 0;  // how many records the log begins with, in order and whole
    void poison() {
      headroom::poison(log);
      acknowledged = kept = ~std::size_t{0};
    }
    bool spoil(Spoil how) { return headroom::spoil(log, how); }
    Quantities quantities() const {
      return {{"acknowledged", {static_cast<double>(acknowledged), "records"}},
              {"kept", {static_cast<double>(kept), "records"}}};
    }
  };

  static Input make(const Setting& setting, Rng& rng) {
    Input in{Buffer<Record>(setting.n)};
    FastRng fast(rng());
    for (Record& record : in.records)
      for (unsigned char& byte : record.bytes) byte = static_cast<unsigned char>(fast() >> 56);
    return in;
  }
  static absl::Status same(const Input& in, const Output& want, const Output& got) {
    for (const Output* out : {&want, &got}) {
      if (absl::Status fine = exact(in.size(), out->acknowledged); !fine.ok()) return fine;
      if (absl::Status fine = exact(std::span(in.records.data(), in.size()),
                                    std::span(out->log.data(), out->log.size()));
          !fine.ok())
        return fine;
    }
    return absl::OkStatus();
  }
};
using Input = Commit::Input;
using Output = Commit::Output;

// The file of a log when a call begins.
enum class Space {
  kNone,       // empty: it grows with each record
  kAllocated,  // of full length, but its blocks were never written (fallocate)
  kWritten     // of full length, written over in advance, as a log that is used again is
};

template <Space kSpace, int kFlags = 0>
struct Log {
  explicit Log(const Input& input) : in(&input), fd(file.reopen(O_RDWR | kFlags)) {}
  Log(const Log&) = delete;
  ~Log() { close(fd); }
  void refill(const Input& input) {
    in = &input;
    acknowledged.set(0);
    const std::size_t bytes = disk::round_up(in->size() * kRecord);
    if (kSpace != Space::kWritten) files::empty(file.fd());
    if (kSpace == Space::kAllocated && bytes != 0) {
      errno = posix_fallocate(file.fd(), 0, static_cast<off_t>(bytes));
      files::require(errno == 0, "fallocate");
    }
    if (kSpace == Space::kWritten) {
      const std::vector<unsigned char> old(bytes, 0x5a);
      disk::write_at(file.fd(), old.data(), bytes, 0);
    }
    files::require(fsync(file.fd()) == 0, "fsync");
  }
  void answer(Output& out) const {
    out.acknowledged = acknowledged.get();
    const off_t size = lseek(file.fd(), 0, SEEK_END);
    files::require(size >= 0, "seek");
    // What is behind the records of a log that was laid out in advance is none of them.
    out.log.resize(std::min(in->size(), static_cast<std::size_t>(size) / kRecord));
    disk::read_at(file.fd(), reinterpret_cast<unsigned char*>(out.log.data()),
                  out.log.size() * kRecord, 0);
    out.kept = 0;
    while (out.kept < out.log.size() && out.log[out.kept] == in->records[out.kept]) ++out.kept;
  }
  // Writes records [first, first + count), in one call.
  void write(std::size_t first, std::size_t count) const {
    disk::write_at(fd, in->records[first].bytes.data(), count * kRecord, first * kRecord);
  }
  const Input* in;
  ScratchFile file;
  const int fd;
  Acknowledged acknowledged;
};

void fsync_each(Log<Space::kNone>& log, Output&) {
  const OnAnyCore anywhere;
  for (std::size_t i = 0; i < log.in->size(); ++i) {
    log.write(i, 1);
    files::require(fsync(log.fd) == 0, "fsync");
    log.acknowledged.set(i + 1);
  }
}

// Records that arrived together are written by one call, share one wait, and are acknowledged
// together: the first waits for the last. fdatasync leaves out what a reader of the data doesn't
// need, such as the time of the last change; the length it does need.
template <Space kSpace, std::size_t kGroup>
void fdatasync_group(Log<kSpace>& log, Output&) {
  const OnAnyCore anywhere;
  for (std::size_t i = 0; i < log.in->size();) {
    const std::size_t count = std::min(kGroup, log.in->size() - i);
    log.write(i, count);
    files::require(fdatasync(log.fd) == 0, "fdatasync");
    i += count;
    log.acknowledged.set(i);
  }
}

#if defined(O_DIRECT) && defined(O_DSYNC)
// The block that a record is in, written whole; a disk that can force a single write to its medium
// (FUA) need not flush all of its cache.
struct DirectLog : Log<Space::kWritten, O_DIRECT | O_DSYNC> {
  using Log::Log;
  Mapping block = touched_pages(kBlock);
};
void direct_dsync(DirectLog& log, Output&) {
  const OnAnyCore anywhere;
  constexpr std::size_t kPerBlock = kBlock / kRecord;
  for (std::size_t i = 0; i < log.in->size(); ++i) {
    if (i % kPerBlock == 0) std::memset(log.block.data(), 0x5a, kBlock);
    std::memcpy(log.block.data() + i % kPerBlock * kRecord, log.in->records[i].bytes.data(),
                kRecord);
    disk::write_at(log.fd, log.block.data(), kBlock, i / kPerBlock * kBlock);
    log.acknowledged.set(i + 1);
  }
}
constexpr auto kDirectDsync = run<direct_dsync>;
#else
constexpr auto kDirectDsync = kNotBuilt;
#endif

// Acknowledged when the system has it: a crash of the program loses nothing, one of the machine
// what the page cache held, some seconds' worth.
void written_only(Log<Space::kWritten>& log, Output&) {
  for (std::size_t i = 0; i < log.in->size(); ++i) {
    log.write(i, 1);
    log.acknowledged.set(i + 1);
  }
}

struct BufferedLog : Log<Space::kWritten> {
  using Log::Log;
  Buffer<Record> buffer = Buffer<Record>((std::size_t{64} << 10) / kRecord);
};
// Acknowledged when the program has it: a crash of the program loses the buffer.
void buffered_only(BufferedLog& log, Output&) {
  for (std::size_t i = 0; i < log.in->size();) {
    const std::size_t count = std::min(log.buffer.size(), log.in->size() - i);
    for (std::size_t j = 0; j < count; ++j) {
      log.buffer[j] = log.in->records[i + j];
      log.acknowledged.set(i + j + 1);
    }
    disk::write_at(log.fd, log.buffer[0].bytes.data(), count * kRecord, i * kRecord);
    i += count;
  }
}

constexpr Need kNeedsDisk[] = {disk::kDisk};
constexpr Promise kLost = Promise::kExact;

constexpr Variant<Commit> kVariants[] = {
    {.name = "naive",
     .run = run<fsync_each>,
     .what = "write and fsync for each record, at the end of a file that grows; durable",
     .max_n = 256,
     .needs = kNeedsDisk},
    {.name = "fdatasync",
     .run = run<fdatasync_group<Space::kNone, 1>>,
     .what = "without the times of the file; but its length must last too; durable",
     .max_n = 256,
     .needs = kNeedsDisk},
    {.name = "allocated",
     .run = run<fdatasync_group<Space::kAllocated, 1>>,
     .what =
         "of full length by fallocate: no length to store, but which blocks were written; durable",
     .max_n = 256,
     .needs = kNeedsDisk},
    {.name = "preallocated",
     .run = run<fdatasync_group<Space::kWritten, 1>>,
     .what = "written over in advance: a commit is one write and one flush; durable",
     .max_n = 1024,
     .needs = kNeedsDisk},
    {.name = "direct_dsync",
     .run = kDirectDsync,
     .what = "the same past the page cache, in one call: the block alone is forced to the disk; "
             "durable",
     .max_n = 1024,
     .needs = kNeedsDisk},
    {.name = "group_8",
     .run = run<fdatasync_group<Space::kWritten, 8>>,
     .what = "eight records that wait together share a write and a flush; durable",
     .needs = kNeedsDisk},
    {.name = "group_64",
     .run = run<fdatasync_group<Space::kWritten, 64>>,
     .what = "64 records share them: it takes as many that wait at a time; durable",
     .needs = kNeedsDisk},
    {.name = "written",
     .run = run<written_only>,
     .what = "no wait for the disk: a crash of the machine loses what was acknowledged",
     .promise = kLost,
     .promise_note = "survives a crash of the program, not of the machine",
     .needs = kNeedsDisk},
    {.name = "buffered",
     .run = run<buffered_only>,
     .what = "not even a system call a record: a crash of the program loses what was acknowledged",
     .promise = kLost,
     .promise_note = "survives no crash",
     .needs = kNeedsDisk},
};

const Registrar kRegistrar({.name = "io/commit",
                            .axis = Axis::kStorageSync,
                            .technique = "wait for the disk less often, and for less",
                            .sizes = {8, 64, 256, 4096},
                            .headline = {8, 64},
                            .one_group = true,
                            .clock = Clock::kWall,
                            .warm = Warm::kNone,
                            .promise = Promise::kExact | Promise::kDurable,
                            .demand =
                                [](const Setting& s) {
                                  const std::size_t bytes = s.n * kRecord;
                                  return Demand{.items = static_cast<double>(s.n),
                                                .bytes = static_cast<double>(bytes),
                                                // Few files, however short a call is.
                                                .working_set = std::size_t{4} << 20,
                                                .memory = 16 * bytes + (std::size_t{32} << 20),
                                                .scratch = 64 * bytes + (std::size_t{64} << 20),
                                                .written = std::max(bytes, kBlock)};
                                },
                            .test_sizes = {0, 1, 2, 7, 8, 9, 31, 32, 33, 65}},
                           kVariants);

}  // namespace
}  // namespace headroom
