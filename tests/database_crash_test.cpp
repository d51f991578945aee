// database/: a program that is killed at any moment while it writes to SQLite has kept what it
// acknowledged, and nothing by halves.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "catch.h"
#include "core/kernel.h"
#include "killed_call.h"
#include "subset.h"
#include "support/sqlite.h"

#if HEADROOM_HAVE_SQLITE
namespace headroom {
namespace {

// The files of that name below the folder, or, with a "*" for a name, all with its extension.
std::vector<std::string> files_below(const std::string& folder, const std::string& name) {
  std::vector<std::string> found;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    const std::string file = entry.path().filename().string();
    if (file.rfind(name, 0) == 0 && file.ends_with(".db")) found.push_back(entry.path().string());
  }
  return found;
}

using Rows = std::vector<std::vector<std::string>>;
// What a statement gives, from a connection of its own, which first recovers what was left behind.
Rows rows_of(const std::string& path, const char* sql) {
  const sqlite::Connection reader(path);
  sqlite::Statement check(reader, "PRAGMA integrity_check");
  REQUIRE(check.step());
  CHECK(check.text(0) == "ok");
  Rows rows;
  sqlite::Statement statement(reader, sql);
  while (statement.step()) {
    std::vector<std::string>& row = rows.emplace_back();
    for (int i = 0; i < sqlite3_column_count(statement.get()); ++i)
      row.emplace_back(statement.text(i));
  }
  return rows;
}

TEST_CASE("rows inserted by a killed program are there once the call has returned, in order") {
  const Kernel* const kernel = built_kernel("database/insert");
  if (kernel == nullptr) return;
  constexpr std::size_t kRows = 20;
  Rows all;
  for (std::size_t v = 0; v < kernel->variants.size(); ++v) {
    const VariantInfo& variant = kernel->variants[v];
    if (!variant.available()) continue;
    INFO(variant.name);
    const bool row_by_row =
        variant.name == "naive" || variant.name == "sync_off" || variant.name == "wal";
    kill_often(*kernel, v, {.n = kRows, .seed = 3}, 1,
               [&](const std::string& folder, const Killed& killed) {
                 const auto files = files_below(folder, "rows");
                 REQUIRE(files.size() == 1);
                 const Rows rows =
                     rows_of(files[0], "SELECT key, user, amount, note FROM payment ORDER BY key");
                 if (all.empty()) all = rows;  // of the baseline, which has returned
                 REQUIRE(all.size() == kRows);
                 REQUIRE(rows.size() <= kRows);
                 CHECK(std::equal(rows.begin(), rows.end(), all.begin()));
                 if (killed.returned || (!row_by_row && !rows.empty())) CHECK(rows.size() == kRows);
                 return rows.size();
               });
  }
}

TEST_CASE("a summary row agrees with the rows it sums up, whenever its writer was killed") {
  const Kernel* const kernel = built_kernel("database/aggregate");
  if (kernel == nullptr) return;
  for (std::size_t v = 0; v < kernel->variants.size(); ++v) {
    const VariantInfo& variant = kernel->variants[v];
    if (!variant.available() || (variant.name != "trigger" && variant.name != "transaction"))
      continue;
    INFO(variant.name);
    const char* const first = "SELECT customer, amount FROM orders WHERE id = 1";
    const ScratchFolder untouched;
    kill_a_call(*kernel, v, {.n = 10, .seed = 3}, 0, untouched.path(), nullptr);
    // What the order was at the moments of kills: as it came, which is no work done, and others.
    std::set<Rows> seen = {rows_of(files_below(untouched.path(), "shop").at(0), first)};
    kill_often(*kernel, v, {.n = 10, .seed = 3}, 600,
               [&](const std::string& folder, const Killed&) {
                 const auto files = files_below(folder, "shop");
                 REQUIRE(files.size() == 1);
                 const Rows counted = rows_of(
                     files[0],
                     "SELECT totals.customer, count(id), coalesce(sum(amount), 0) FROM totals "
                     "LEFT JOIN orders ON orders.customer = totals.customer GROUP BY 1 ORDER BY 1");
                 CHECK(counted.size() == 8);
                 CHECK(counted == rows_of(files[0], "SELECT * FROM totals ORDER BY customer"));
                 return std::size_t{seen.insert(rows_of(files[0], first)).second};
               });
  }
}

TEST_CASE("payments that threads had acknowledged when they were killed are in a file") {
  const Kernel* const kernel = built_kernel("database/sharded_write");
  if (kernel == nullptr) return;
  constexpr std::size_t kPayments = 32;
  std::map<std::string, std::vector<std::string>> all;  // by key
  for (std::size_t v = 0; v < kernel->variants.size(); ++v) {
    if (!kernel->variants[v].available()) continue;
    INFO(kernel->variants[v].name);
    kill_often(*kernel, v, {.n = kPayments, .seed = 3, .params = {{"writers", 8}}}, 1,
               [&](const std::string& folder, const Killed& killed) {
                 std::map<std::string, std::vector<std::string>> rows;
                 const auto files = files_below(folder, "ledger");
                 for (const std::string& file : files)
                   for (const auto& row : rows_of(file, "SELECT key, user, amount FROM payments"))
                     CHECK(rows.emplace(row[0], row).second);
                 if (all.empty()) all = rows;
                 REQUIRE(all.size() == kPayments);
                 CHECK(std::includes(all.begin(), all.end(), rows.begin(), rows.end()));
                 if (killed.returned) CHECK(rows.size() == kPayments);
                 const std::string folder_of =
                     std::filesystem::path(files.at(0)).parent_path().string();
                 std::ifstream told(folder_of + "/acknowledged", std::ios::binary);
                 const std::string bytes{std::istreambuf_iterator<char>(told), {}};
                 REQUIRE(bytes.size() == kPayments);
                 std::size_t acknowledged = 0;
                 for (std::size_t i = 0; i < bytes.size(); ++i) {
                   if (bytes[i] == 0) continue;
                   ++acknowledged;
                   CHECK(rows.count(std::to_string(i)) == 1);
                 }
                 return acknowledged;
               });
  }
}

}  // namespace
}  // namespace headroom
#endif
