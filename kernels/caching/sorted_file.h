// A store as log-structured databases have many: a file of entries, sorted by key, which is never
// changed, and in memory the first key of each block.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "core/scratch.h"
#include "support/disk.h"
#include "support/files.h"

namespace headroom {

class SortedFile {
 public:
  struct Entry {
    std::uint64_t key = 0;
    std::uint64_t value = 0;  // not 0
  };
  static constexpr std::size_t kPerBlock = disk::kBlock / sizeof(Entry);
  using Block = std::array<Entry, kPerBlock>;

  // The keys must be distinct. The file lies in the page cache, and on the disk.
  explicit SortedFile(std::vector<Entry> entries)
      : size_(entries.size()), file_(written(sorted(entries))) {
    for (std::size_t i = 0; i < size_; i += kPerBlock) firsts_.push_back(entries[i].key);
  }

  // The value of a key, 0 where there is none. Reads one block of the file, into `block`.
  std::uint64_t find(std::uint64_t key, Block& block) const {
    const Part part = part_of(key);
    disk::read_at(file_.fd(), reinterpret_cast<unsigned char*>(block.data()),
                  part.count * sizeof(Entry), part.first * sizeof(Entry));
    return value_in({block.data(), part.count}, key);
  }
  // The same in memory: a map() of the file.
  std::uint64_t find(std::uint64_t key, const files::Map& map) const {
    const Part part = part_of(key);
    return value_in({reinterpret_cast<const Entry*>(map.data()) + part.first, part.count}, key);
  }
  files::Map map() const { return {file_.fd(), size_ * sizeof(Entry)}; }

 private:
  // Of the entries, those of one block.
  struct Part {
    std::size_t first, count;
  };

  static std::vector<Entry>& sorted(std::vector<Entry>& entries) {
    std::sort(entries.begin(), entries.end(),
              [](const Entry& a, const Entry& b) { return a.key < b.key; });
    return entries;
  }
  static ScratchFile written(const std::vector<Entry>& entries) {
    return files::hot_file(
        {reinterpret_cast<const unsigned char*>(entries.data()), entries.size() * sizeof(Entry)});
  }
  // The block that the key would be in; none where it would be before all of them.
  Part part_of(std::uint64_t key) const {
    const auto behind = std::upper_bound(firsts_.begin(), firsts_.end(), key);
    if (behind == firsts_.begin()) return {0, 0};
    const auto first = static_cast<std::size_t>(behind - firsts_.begin() - 1) * kPerBlock;
    return {first, std::min(kPerBlock, size_ - first)};
  }
  static std::uint64_t value_in(std::span<const Entry> entries, std::uint64_t key) {
    const auto at =
        std::lower_bound(entries.begin(), entries.end(), key,
                         [](const Entry& entry, std::uint64_t asked) { return entry.key < asked; });
    return at != entries.end() && at->key == key ? at->value : 0;
  }

  std::size_t size_;
  ScratchFile file_;
  std::vector<std::uint64_t> firsts_;  // keys
};

}  // namespace headroom
