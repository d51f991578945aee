// Answers to a query that were computed before, and how it is known that they still hold.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "support/sqlite.h"

namespace headroom {

// Keeps an answer for as long as it is believed, whatever happens to the data meanwhile.
class TtlCache {
 public:
  using Clock = std::chrono::steady_clock;
  explicit TtlCache(Clock::duration believed) : believed_(believed) {}
  // compute(key) where there is no answer, or it is too old at `now`.
  template <class Compute>
  const std::string& get(std::int64_t key, const Compute& compute,
                         Clock::time_point now = Clock::now()) {
    Entry& entry = entries_[key];
    if (entry.until <= now) {
      entry.answer = compute(key);
      entry.until = now + believed_;
      ++computed_;
    }
    return entry.answer;
  }
  std::uint64_t computed() const { return computed_; }

 private:
  struct Entry {
    std::string answer;
    Clock::time_point until = Clock::time_point::min();
  };
  Clock::duration believed_;
  absl::flat_hash_map<std::int64_t, Entry> entries_;
  std::uint64_t computed_ = 0;
};

#if HEADROOM_HAVE_SQLITE
// Keeps an answer until anything in the database has changed: SQLite counts the commits of other
// connections, in this process or another one, and the rows that this connection changed.
class VersionedCache {
 public:
  explicit VersionedCache(const sqlite::Connection& connection)
      : db_(connection.get()), data_version_(connection, "PRAGMA data_version") {}
  template <class Compute>
  const std::string& get(std::int64_t key, const Compute& compute) {
    // Asked before the answer is computed: a commit in between makes it too old, not too new.
    const Version now = version();
    Entry& entry = entries_[key];
    if (!(entry.at == now)) {
      entry.answer = compute(key);
      entry.at = now;
      ++computed_;
    }
    return entry.answer;
  }
  std::uint64_t computed() const { return computed_; }

 private:
  struct Version {
    std::int64_t others = -1, own = -1;
    friend bool operator==(const Version&, const Version&) = default;
  };
  struct Entry {
    std::string answer;
    Version at;
  };
  Version version() {
    data_version_.step();
    const std::int64_t others = data_version_.number(0);
    data_version_.reset();
    return {others, sqlite3_total_changes(db_)};
  }
  sqlite3* db_;
  sqlite::Statement data_version_;
  absl::flat_hash_map<std::int64_t, Entry> entries_;
  std::uint64_t computed_ = 0;
};
#endif

}  // namespace headroom
