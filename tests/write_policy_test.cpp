// caching/write_policy: what was acknowledged is there after a crash, as far as each policy
// promises it: of the program, by signal 9, and of the machine, by a disk that forgets.
#include "caching/write_policy.h"

#include <algorithm>
#include <chrono>
#include <vector>

#include "catch.h"
#include "core/kernel.h"
#include "core/random.h"
#include "killed_writer.h"
#include "subset.h"

namespace headroom {
namespace {

using writing::Record;

constexpr std::size_t kSlots = 70, kLogRoom = 10, kUpdates = 60, kWindow = 16;

std::vector<Record> some_updates(std::uint64_t seed) {
  FastRng rng(seed);
  std::vector<Record> updates(kUpdates);
  for (std::size_t i = 0; i < kUpdates; ++i) {
    // Some are neighbours, some are updated again.
    const std::uint64_t slot = i % 3 == 0 ? bounded(rng, kSlots) : bounded(rng, 8) + 60;
    updates[i] = {.version = i + 1, .slot = slot, .value = {rng(), rng()}};
  }
  return updates;
}

struct PowerCut {};

// Two files of a disk on which the power is cut before its `cut`-th operation. Of what was written
// since a file's last sync some records then are on the medium and some are not, by lot.
class Disk {
 public:
  Disk(std::size_t cut, std::uint64_t seed) : left_(cut), rng_(seed) {}
  class File {
   public:
    File(Disk& disk, std::size_t records) : disk_(disk), medium_(records) {}
    void write(const Record* from, std::size_t count, std::size_t at) {
      disk_.next();
      for (std::size_t i = 0; i < count; ++i) pending_.push_back({from[i], at + i});
    }
    void sync() {
      disk_.next();
      settle([] { return true; });
    }
    // After the power was cut.
    std::vector<Record> found() {
      settle([this] { return bounded(disk_.rng_, 2) == 0; });
      return medium_;
    }

   private:
    struct Pending {
      Record record;
      std::size_t at;
    };
    template <class Written>
    void settle(const Written& written) {
      for (const Pending& pending : pending_)
        if (written()) medium_.at(pending.at) = pending.record;
      pending_.clear();
    }
    Disk& disk_;
    std::vector<Record> medium_;
    std::vector<Pending> pending_;
  };

 private:
  void next() {
    if (left_-- == 0) throw PowerCut();
  }
  std::size_t left_;
  FastRng rng_;
};

struct After {
  bool finished = false;
  std::size_t acknowledged = 0;
  std::vector<Record> table;
};

// A policy at work until the power is cut, and what a restart finds.
template <class Policy>
After cut_after(std::size_t operations, std::uint64_t seed, const std::vector<Record>& updates,
                const Policy& policy) {
  Disk disk(operations, seed);
  Disk::File table(disk, kSlots), log(disk, kLogRoom);
  writing::Cache cache(kSlots);
  After after;
  try {
    policy(cache, table, log, updates, [&](std::size_t done) { after.acknowledged = done; });
    after.finished = true;
  } catch (const PowerCut&) {
  }
  after.table = table.found();
  writing::recover(after.table, log.found());
  return after;
}

// Of the first `count` updates, how many are in the table, or were replaced there by a later one.
std::size_t kept(const std::vector<Record>& table, const std::vector<Record>& updates,
                 std::size_t count) {
  return static_cast<std::size_t>(
      std::count_if(updates.begin(), updates.begin() + static_cast<std::ptrdiff_t>(count),
                    [&](const Record& u) { return table[u.slot].version >= u.version; }));
}

// Cuts the power at every operation. Returns the most acknowledged updates that a cut lost.
template <class Policy>
std::size_t most_lost(const Policy& policy) {
  std::size_t most = 0;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const std::vector<Record> updates = some_updates(seed);
    bool finished = false;
    for (std::size_t operations = 0; !finished; ++operations) {
      const After after = cut_after(operations, seed, updates, policy);
      finished = after.finished;
      const std::size_t there = kept(after.table, updates, after.acknowledged);
      most = std::max(most, after.acknowledged - there);
      // Every record is one that was written to this slot, whole.
      for (std::size_t slot = 0; slot < kSlots; ++slot) {
        const Record& found = after.table[slot];
        const bool whole = found.version == 0
                               ? found == Record()
                               : found == updates[found.version - 1] && found.slot == slot;
        if (!whole) FAIL_CHECK("slot " << slot << " has what nobody wrote there");
      }
      if (!finished) continue;
      CHECK(after.acknowledged == kUpdates);
      CHECK(there == kUpdates);
    }
  }
  return most;
}

TEST_CASE("a power cut at any moment loses nothing that was acknowledged as durable") {
  for (const std::size_t group : {1, 7, 16}) {
    CAPTURE(group);
    CHECK(most_lost([&](auto&, auto& table, auto&, const auto& updates, const auto& acknowledge) {
            writing::write_through(table, updates, group, acknowledge);
          }) == 0);
    CHECK(most_lost([&](auto& cache, auto& table, auto& log, const auto& updates,
                        const auto& acknowledge) {
            writing::write_logged(cache, table, log, kLogRoom, updates, group, acknowledge);
          }) == 0);
  }
}

TEST_CASE("a power cut loses what was written back since the last flush, and no more") {
  const std::size_t most =
      most_lost([](auto& cache, auto& table, auto&, const auto& updates, const auto& acknowledge) {
        writing::write_back(cache, table, updates, kWindow, acknowledge);
      });
  CHECK(most > 0);
  CHECK(most <= kWindow);
}

// Counts what a file is asked for.
struct Counted {
  std::size_t writes = 0, records = 0, syncs = 0;
  void write(const Record*, std::size_t count, std::size_t) { ++writes, records += count; }
  void sync() { ++syncs; }
};

TEST_CASE("policies wait as often, and write as much, as they are said to") {
  // Slots 5 5 6 9 5 6 9 9: three records, two of them neighbours.
  std::vector<Record> updates;
  for (const std::uint64_t slot : {5, 5, 6, 9, 5, 6, 9, 9})
    updates.push_back({.version = updates.size() + 1, .slot = slot});
  const auto nothing = [](std::size_t) {};
  Counted each, group, back, table, log;
  writing::write_through(each, updates, 1, nothing);
  CHECK((each.writes == 8 && each.syncs == 8));
  writing::write_through(group, updates, 3, nothing);
  CHECK((group.writes == 8 && group.syncs == 3));
  writing::Cache cache(10), other(10);
  writing::write_back(cache, back, updates, 100, nothing);
  CHECK((back.writes == 2 && back.records == 3 && back.syncs == 1));
  writing::write_logged(other, table, log, 4, updates, 3, nothing);
  CHECK((log.writes == 4 && log.records == 8 && log.syncs == 4));  // 3, 1, 3, 1
  CHECK((table.writes == 2 && table.records == 3 && table.syncs == 1));
}

TEST_CASE("what a killed program had acknowledged is in its table, where that is promised") {
  const Kernel* const kernel = built_kernel("caching/write_policy");
  if (kernel == nullptr) return;
  Rng rng(1);
  for (std::size_t v = 0; v < kernel->variants.size(); ++v) {
    const VariantInfo& variant = kernel->variants[v];
    if (!variant.available()) continue;
    INFO(variant.name);
    const auto instance = kernel->bind({.n = 160, .input = kernel->meta.inputs.front()});
    const auto arm = instance->arm(v, 1);
    arm->refill(1);
    const auto start = std::chrono::steady_clock::now();
    arm->run(1);
    const auto whole =
        std::chrono::duration_cast<Microseconds>(std::chrono::steady_clock::now() - start);
    arm->settle();
    CHECK(arm->quantities().at("kept").value == 160);
    std::size_t acknowledged = 0, most_lost = 0;
    // Ten kills, and more, ever later, while none found anything acknowledged.
    for (int kills = 0; kills < 10 || (kills < 100 && acknowledged == 0); ++kills) {
      const auto most =
          static_cast<std::uint64_t>(whole.count()) * static_cast<std::uint64_t>(1 + kills / 5) + 1;
      const Left left =
          kill_a_writer(*arm, Microseconds(static_cast<std::int64_t>(bounded(rng, most))));
      acknowledged += left.acknowledged;
      most_lost = std::max(most_lost, left.acknowledged - left.kept);
    }
    CHECK(acknowledged > 0);
    // The one that writes back is at risk for some microseconds before each wait, which no kill
    // may meet; what it loses in a power cut is above.
    CHECK(most_lost <= (keeps(variant.promise, Promise::kDurable) ? 0u : 160u));
  }
}

}  // namespace
}  // namespace headroom
