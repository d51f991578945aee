// io/read_records: read the amounts of n records of 64 bytes from a file, one record after the
// other.
//
// A record is a key, an amount and a note; the program wants the amount. Out: all amounts, in
// order.
//
// Hot: the file lies in the page cache, which mincore(2) proves before each launch, and on the disk
// as well, so that nothing of it is written back meanwhile.
//
// A system call a record costs some hundred nanoseconds for 64 bytes that lie in memory already. A
// buffer shares that cost; a mapping saves the copy too, and with it the look at the 56 bytes that
// nobody wants.
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <fstream>
#include <memory>

#include "core/kernel.h"
#include "support/files.h"

namespace headroom {
namespace {

struct Record {
  std::uint64_t key = 0;
  std::int64_t amount = 0;
  std::array<char, 48> note = {};
};
static_assert(sizeof(Record) == 64);

struct ReadRecords {
  struct Input {
    std::unique_ptr<ScratchFile> file;
    std::vector<std::int64_t> amounts;  // what was written
    std::size_t size() const { return amounts.size(); }
  };
  using Output = Buffer<std::int64_t>;

  static Input make(const Setting& setting, Rng& rng) {
    FastRng fast(rng());
    std::vector<Record> records(setting.n);
    Input in;
    for (Record& record : records) {
      record.key = fast();
      record.amount = static_cast<std::int64_t>(fast());
      for (char& c : record.note) c = static_cast<char>(fast() >> 56);
      in.amounts.push_back(record.amount);
    }
    in.file = std::make_unique<ScratchFile>(files::hot_file(
        {reinterpret_cast<const unsigned char*>(records.data()), records.size() * sizeof(Record)}));
    return in;
  }
  static void size(const Input& in, Output& out) { out = Output(in.size()); }
  static absl::Status same(const Input& in, const Output& want, const Output& got) {
    if (!std::equal(in.amounts.begin(), in.amounts.end(), want.begin(), want.end()))
      return differ("the baseline: ", "the amounts that were written", "others");
    return exact(want, got);
  }
};
using Input = ReadRecords::Input;
using Output = ReadRecords::Output;

void require_all(std::size_t got, std::size_t bytes) {
  if (got == bytes) return;
  throw std::runtime_error("a file in scratch folder " + scratch_folder() + " ends early");
}

// A descriptor of its own, and so a place in the file.
struct Opened {
  explicit Opened(const Input& in) : fd(in.file->reopen(O_RDONLY)) {}
  ~Opened() { close(fd); }
  Opened(const Opened&) = delete;
  const int fd;
};

void naive(Opened& file, const Input& in, Output& out) {
  files::rewind(file.fd);
  Record record;
  for (std::size_t i = 0; i < in.size(); ++i) {
    require_all(files::read_full(file.fd, &record, sizeof record), sizeof record);
    out[i] = record.amount;
  }
}

struct Stdio {
  explicit Stdio(const Input& in) : stream(fdopen(in.file->reopen(O_RDONLY), "r")) {
    files::require(stream != nullptr, "fdopen");
  }
  ~Stdio() { fclose(stream); }
  Stdio(const Stdio&) = delete;
  FILE* const stream;
};

// One system call for the 4 KiB of stdio's buffer; what is left is a library call a record, which
// takes a lock and copies a length that it doesn't know.
void stdio_fread(Stdio& file, const Input& in, Output& out) {
  std::rewind(file.stream);
  Record record;
  for (std::size_t i = 0; i < in.size(); ++i) {
    require_all(fread(&record, 1, sizeof record, file.stream), sizeof record);
    out[i] = record.amount;
  }
}

struct Stream {
  explicit Stream(const Input& in) : stream(in.file->path(), std::ios::binary) {
    files::require(stream.is_open(), "ifstream");
  }
  std::ifstream stream;
};

// The same with 8 KiB, and a sentry and a virtual call a record.
void ifstream(Stream& file, const Input& in, Output& out) {
  file.stream.clear();
  file.stream.seekg(0);
  Record record;
  for (std::size_t i = 0; i < in.size(); ++i) {
    file.stream.read(reinterpret_cast<char*>(&record), sizeof record);
    require_all(static_cast<std::size_t>(file.stream.gcount()), sizeof record);
    out[i] = record.amount;
  }
}

struct Buffered : Opened {
  using Opened::Opened;
  Buffer<Record> buffer = Buffer<Record>((std::size_t{64} << 10) / sizeof(Record));
};

// A system call for 1024 records, which are then used where they lie.
void buffered(Buffered& file, const Input& in, Output& out) {
  files::rewind(file.fd);
  for (std::size_t i = 0; i < in.size();) {
    const std::size_t count = std::min(file.buffer.size(), in.size() - i);
    require_all(files::read_full(file.fd, file.buffer.data(), count * sizeof(Record)),
                count * sizeof(Record));
    for (std::size_t j = 0; j < count; ++j) out[i + j] = file.buffer[j].amount;
    i += count;
  }
}

void copy_amounts(const files::Map& map, const Input& in, Output& out) {
  const auto* const records = reinterpret_cast<const Record*>(map.data());
  std::int64_t* const to = out.data();
  const std::size_t count = in.size();
  map.read([records, to, count] {
    for (std::size_t i = 0; i < count; ++i) to[i] = records[i].amount;
  });
}

// Nothing is copied, but mapping costs: a page table is made for the call, and taken down.
void mapped_each(Opened& file, const Input& in, Output& out) {
  copy_amounts(files::Map(file.fd, in.size() * sizeof(Record)), in, out);
}

struct Mapped {
  explicit Mapped(const Input& in) : map(in.file->fd(), in.size() * sizeof(Record)) {}
  files::Map map;
};

// Neither a system call nor a copy: one load a record.
void mapped(Mapped& file, const Input& in, Output& out) { copy_amounts(file.map, in, out); }

constexpr Variant<ReadRecords> kVariants[] = {
    {.name = "naive", .run = run<naive>, .what = "read(2) for each record"},
    {.name = "ifstream",
     .run = run<ifstream>,
     .what = "a system call for 8 KiB; what is left is a sentry and a virtual call a record"},
    {.name = "fread",
     .run = run<stdio_fread>,
     .what = "a system call for 4 KiB; what is left is a library call that locks, a record",
     .role = Role::kStandard},
    {.name = "buffer_64k",
     .run = run<buffered>,
     .what = "a system call for 1024 records, used where they lie in the buffer"},
    {.name = "mapped_each",
     .run = run<mapped_each>,
     .what = "mapped anew for each call: no copy, but a page table to make and to take down"},
    {.name = "mapped",
     .run = run<mapped>,
     .what = "mapped once: no system call, no copy, one load a record"},
};

const Registrar kRegistrar({.name = "io/read_records",
                            .axis = Axis::kSyscall,
                            .technique = "read much at once, or look at it where it lies",
                            .sizes = {1 << 10, 1 << 14, 1 << 16, 1 << 20},
                            .headline = {1 << 10, 1 << 14},
                            .ceiling = {"machine/page_cache_read"},
                            .clock = Clock::kWall,
                            .warm = Warm::kCall,
                            .demand =
                                [](const Setting& s) {
                                  const std::size_t bytes = s.n * sizeof(Record);
                                  return Demand{.items = static_cast<double>(s.n),
                                                .bytes = static_cast<double>(bytes),
                                                .working_set = bytes + 8 * s.n,
                                                .memory = 3 * bytes + (std::size_t{4} << 20),
                                                .scratch = bytes};
                                },
                            // 1024 are a buffer, 64 a page.
                            .test_sizes = {0, 1, 2, 63, 64, 65, 1023, 1024, 1025, 3000}},
                           kVariants);

}  // namespace
}  // namespace headroom
