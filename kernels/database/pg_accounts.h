// Rows that database/pg_connection and pg_lookup ask for by their keys.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/kernel.h"

namespace headroom::pg_accounts {

// The columns of their tables.
inline constexpr char kColumns[] =
    "key integer NOT NULL, owner text NOT NULL, balance bigint NOT NULL";

// What fills one, with `@` for its name: keys 1 to `count`.
inline std::string filling(std::int32_t count) {
  return "INSERT INTO @ SELECT i, 'owner ' || i, i::bigint * 48271 % 1000003 "
         "FROM generate_series(1, " +
         std::to_string(count) + ") AS i";
}

// A row as text, key|owner|balance.
inline std::string row(std::int64_t key) {
  const std::string text = std::to_string(key);
  return text + "|owner " + text + "|" + std::to_string(key * 48'271 % 1'000'003);
}

// Whether both are the rows of these keys.
inline absl::Status same(std::span<const std::int32_t> keys, const std::vector<std::string>& want,
                         const std::vector<std::string>& got) {
  std::vector<std::string> truth;
  for (const std::int32_t key : keys) truth.push_back(row(key));
  const absl::Status right = exact(truth, want);
  return right.ok() ? exact(want, got) : right;
}

}  // namespace headroom::pg_accounts
