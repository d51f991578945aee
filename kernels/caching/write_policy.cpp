// caching/write_policy: n updates of a table of 1,024 records of 64 bytes, kept on disk.
//
// Which records are updated is Zipf's law with exponent 0.99: some are written again and again.
// Out: the table, read back from the disk's file untimed, and how many updates were acknowledged;
// an acknowledgement is a store into memory that other processes see. caching/write_policy.h has
// the policies; its test kills writers at any moment, and cuts the power of a simulated disk after
// each of its operations, and compares what had been acknowledged with what is left. Durable is
// what was acknowledged as far as the disk, and in a virtual machine the host, honours a flush.
//
// What is waited for is fdatasync. A wait can be shared by updates that arrive together (16 here);
// it is shorter where there is one place to write rather than many; and who acknowledges without
// it promises less. The ceiling is one fdatasync for all of a call.
#include <fcntl.h>
#include <unistd.h>

#include "caching/write_policy.h"
#include "core/kernel.h"
#include "support/acknowledged.h"
#include "support/disk.h"
#include "support/files.h"
#include "support/on_core.h"

namespace headroom {
namespace {

using writing::Record;

constexpr std::size_t kSlots = 1024;
constexpr std::size_t kLogRoom = 4096;  // records
constexpr std::size_t kWindow = 1024;   // updates that a crash may lose

struct WritePolicy {
  struct Input {
    std::vector<Record> updates;
  };
  struct Output {
    std::vector<Record> table;
    std::size_t acknowledged = 0;
    std::size_t kept = 0;  // of those acknowledged
    void poison() {
      headroom::poison(table);
      acknowledged = kept = ~std::size_t{0};
    }
    bool spoil(Spoil how) { return headroom::spoil(table, how); }
    Quantities quantities() const {
      return {{"acknowledged", {static_cast<double>(acknowledged), "updates"}},
              {"kept", {static_cast<double>(kept), "updates"}}};
    }
  };

  static Input make(const Setting& setting, Rng& rng) {
    FastRng fast(rng());
    const Zipf popular(kSlots, 0.99);
    Input in;
    in.updates.resize(setting.n);
    for (std::size_t i = 0; i < setting.n; ++i) {
      // Popular ones don't lie side by side.
      in.updates[i] = {.version = i + 1, .slot = popular(fast) * 389 % kSlots};
      for (std::uint64_t& word : in.updates[i].value) word = fast();
    }
    return in;
  }
  static absl::Status same(const Input& in, const Output& want, const Output& got) {
    std::vector<Record> truth(kSlots);
    for (const Record& update : in.updates) truth[update.slot] = update;
    for (const Output* out : {&want, &got}) {
      if (absl::Status fine = exact(in.updates.size(), out->acknowledged); !fine.ok()) return fine;
      if (absl::Status fine = exact(truth, out->table); !fine.ok()) return fine;
    }
    return absl::OkStatus();
  }
};
using Input = WritePolicy::Input;
using Output = WritePolicy::Output;

class File {
 public:
  void write(const Record* from, std::size_t count, std::size_t at) {
    disk::write_at(file_.fd(), reinterpret_cast<const unsigned char*>(from), count * sizeof *from,
                   at * sizeof *from);
  }
  void sync() { disk::require(fdatasync(file_.fd()) == 0, "fdatasync"); }
  // So many records of zeros, on the disk.
  void clear(std::size_t records) {
    const std::vector<Record> empty(records);
    write(empty.data(), records, 0);
    disk::require(fsync(file_.fd()) == 0, "fsync");
  }
  std::vector<Record> records(std::size_t count) const {
    std::vector<Record> all(count);
    disk::read_at(file_.fd(), reinterpret_cast<unsigned char*>(all.data()), count * sizeof(Record),
                  0);
    return all;
  }

 private:
  ScratchFile file_;
};

// The files, and the program that has started on them.
struct Table {
  explicit Table(const Input& input) : in(&input) {}
  void refill(const Input& input) {
    in = &input;
    acknowledged.set(0);
    table.clear(kSlots);
    log_used = std::min(in->updates.size(), kLogRoom);
    log.clear(log_used);
    cache = writing::Cache(kSlots);
  }
  // What a program finds that starts now.
  void answer(Output& out) const {
    out.table = table.records(kSlots);
    writing::recover(out.table, log.records(log_used));
    out.acknowledged = acknowledged.get();
    out.kept = 0;
    for (std::size_t i = 0; i < out.acknowledged; ++i)
      if (out.table[in->updates[i].slot].version >= in->updates[i].version) ++out.kept;
  }
  const Input* in;
  File table, log;
  std::size_t log_used = 0;  // no more than that is written to in a call
  writing::Cache cache{kSlots};
  Acknowledged acknowledged;
};

template <std::size_t kGroup>
void write_through(Table& work, Output&) {
  const OnAnyCore anywhere;
  writing::write_through(work.table, work.in->updates, kGroup,
                         [&](std::size_t done) { work.acknowledged.set(done); });
}

template <std::size_t kGroup>
void logged(Table& work, Output&) {
  const OnAnyCore anywhere;
  writing::write_logged(work.cache, work.table, work.log, kLogRoom, work.in->updates, kGroup,
                        [&](std::size_t done) { work.acknowledged.set(done); });
}

void write_back(Table& work, Output&) {
  const OnAnyCore anywhere;
  writing::write_back(work.cache, work.table, work.in->updates, kWindow,
                      [&](std::size_t done) { work.acknowledged.set(done); });
}

constexpr Need kNeedsDisk[] = {disk::kDisk};

constexpr Variant<WritePolicy> kVariants[] = {
    {.name = "naive",
     .run = run<write_through<1>>,
     .what = "write-through: a write to the record's place and fdatasync for each update; durable",
     .max_n = 256,
     .needs = kNeedsDisk},
    {.name = "group_16",
     .run = run<write_through<16>>,
     .what = "16 updates that wait together share an fdatasync, of as many places; durable",
     .needs = kNeedsDisk},
    {.name = "logged_16",
     .run = run<logged<16>>,
     .what = "they go to one place, the end of a log; the table gets them when it is full; durable",
     .needs = kNeedsDisk},
    {.name = "write_back",
     .run = run<write_back>,
     .what = "acknowledged in memory; each changed record is written once, with one fdatasync",
     .promise = Promise::kExact,
     .promise_note = "a crash loses the last updates, up to 1,024",
     .needs = kNeedsDisk},
};

const Registrar kRegistrar({.name = "caching/write_policy",
                            .axis = Axis::kStorageSync,
                            .technique = "what an acknowledgement promises, and what it waits for",
                            .sizes = {16, 64, 1024, 8192},
                            .headline = {16, 64},
                            .one_group = true,
                            .ceiling = {"machine/disk_sync", "overwrite"},
                            .clock = Clock::kWall,
                            .warm = Warm::kNone,
                            .promise = Promise::kExact | Promise::kDurable,
                            .demand =
                                [](const Setting& s) {
                                  const std::size_t bytes = s.n * sizeof(Record);
                                  return Demand{.items = static_cast<double>(s.n),
                                                .accesses = 1,
                                                // Few files, however short a call is.
                                                .working_set = std::size_t{4} << 20,
                                                .memory = 16 * bytes + (std::size_t{32} << 20),
                                                .scratch = std::size_t{64} << 20,
                                                .written = std::max(bytes, disk::kBlock)};
                                },
                            .test_sizes = {0, 1, 2, 15, 16, 17, 33}},
                           kVariants);

}  // namespace
}  // namespace headroom
