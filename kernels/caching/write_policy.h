// When a cache of records writes to the table on disk that it stands before, and when it tells a
// client that an update is done.
//
// A record has 64 bytes and lies in its slot of the table; an update replaces it whole, and every
// update has a higher version than the one before it. A record never crosses a sector, which a disk
// writes as a whole. Each policy takes the updates in order and calls acknowledge(k) when the first
// k of them are done. A file is
//
//   void write(const Record* from, std::size_t count, std::size_t at);   // the file's slots at,
//   ... void sync();    // all that was written before is durable when it returns
//
// so that tests put a disk in its place that loses what was not synced.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace headroom::writing {

struct Record {
  std::uint64_t version = 0;  // of the update, from 1 on; 0 before all
  std::uint64_t slot = 0;
  std::array<std::uint64_t, 6> value = {};
  friend bool operator==(const Record&, const Record&) = default;
};
static_assert(sizeof(Record) == 64);

// Updates that arrived together share one wait for the disk: `group` of them, 1 for a wait each.
// Each is in its slot before it is acknowledged.
template <class File, class Acknowledge>
void write_through(File& table, std::span<const Record> updates, std::size_t group,
                   const Acknowledge& acknowledge) {
  for (std::size_t i = 0; i < updates.size();) {
    const std::size_t end = std::min(i + group, updates.size());
    for (; i < end; ++i) table.write(&updates[i], 1, updates[i].slot);
    table.sync();
    acknowledge(end);
  }
}

// The table in memory, and which records of it the file has not got yet.
class Cache {
 public:
  explicit Cache(std::size_t slots) : records_(slots), dirty_((slots + 63) / 64) {}
  void put(const Record& update) {
    records_[update.slot] = update;
    dirty_[update.slot / 64] |= std::uint64_t{1} << update.slot % 64;
  }
  // Writes what is dirty, each record once however often it was updated, and neighbours together.
  template <class File>
  void flush(File& table) {
    std::size_t first = 0, count = 0;
    const auto write = [&] {
      if (count != 0) table.write(&records_[first], count, first);
    };
    for (std::size_t word = 0; word < dirty_.size(); ++word)
      for (; dirty_[word] != 0; dirty_[word] &= dirty_[word] - 1) {
        const std::size_t slot =
            64 * word + static_cast<std::size_t>(std::countr_zero(dirty_[word]));
        if (slot != first + count) {
          write();
          first = slot;
          count = 0;
        }
        ++count;
      }
    write();
    table.sync();
  }

 private:
  std::vector<Record> records_;
  std::vector<std::uint64_t> dirty_;
};

// Durable, and written back: a group of updates is appended to a log in one piece, whatever their
// slots are, and acknowledged when the log is on the disk. The table gets them when the log, of
// `room` records, is full, each slot once; then the log begins anew.
template <class File, class Acknowledge>
void write_logged(Cache& cache, File& table, File& log, std::size_t room,
                  std::span<const Record> updates, std::size_t group,
                  const Acknowledge& acknowledge) {
  std::size_t used = 0;
  for (std::size_t i = 0; i < updates.size();) {
    if (used == room) {
      cache.flush(table);
      used = 0;
    }
    const std::size_t count = std::min({group, updates.size() - i, room - used});
    log.write(&updates[i], count, used);
    log.sync();
    acknowledge(i + count);
    for (const std::size_t end = i + count; i < end; ++i) cache.put(updates[i]);
    used += count;
  }
}
// What a restart does with such a log: of each slot the latest version counts. What the log still
// has from before it began anew is older than what the table has.
inline void recover(std::span<Record> table, std::span<const Record> log) {
  for (const Record& record : log)
    if (record.version != 0 && record.version > table[record.slot].version)
      table[record.slot] = record;
}

// Acknowledged when it is in memory; the table gets it with the next flush, after `window` updates
// and at the end. A crash loses the updates since the last flush, at most `window`, and none that
// an earlier flush wrote.
template <class File, class Acknowledge>
void write_back(Cache& cache, File& table, std::span<const Record> updates, std::size_t window,
                const Acknowledge& acknowledge) {
  for (std::size_t i = 0; i < updates.size(); ++i) {
    if (i != 0 && i % window == 0) cache.flush(table);
    cache.put(updates[i]);
    acknowledge(i + 1);
  }
  cache.flush(table);
}

}  // namespace headroom::writing
