// Payments put into a PostgreSQL table, in each of the ways in which rows get there, and what tells
// that they are there. database/pg_insert measures the ways; pg_payments_test.cpp kills writers.
#pragma once

#include <cstdint>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include "core/kernel.h"
#include "support/postgres.h"

namespace headroom {

struct Payment {
  std::int64_t user = 0;
  std::int64_t amount = 0;
  std::string note;
};

// n of them; some notes have quotes, backslashes and tabs, which SQL, arrays and COPY must escape.
inline std::vector<Payment> make_payments(std::size_t n, FastRng& rng) {
  std::vector<Payment> all(n);
  for (Payment& payment : all) {
    payment.user = static_cast<std::int64_t>(bounded(rng, 1'000'000));
    payment.amount = static_cast<std::int64_t>(bounded(rng, 100'000)) - 50'000;
    payment.note.resize(8 + bounded(rng, 24));
    for (char& c : payment.note) c = "abcdefghijklmnopqrstuvwxyz .-,'\"\\\t{"[bounded(rng, 35)];
  }
  return all;
}

// As a table's row: key|user|amount|note.
inline std::string text_of(std::int64_t key, const Payment& payment) {
  return std::to_string(key) + '|' + std::to_string(payment.user) + '|' +
         std::to_string(payment.amount) + '|' + payment.note;
}

// The problem of both kernels. Out: all of a call's rows in order of the key, of which the first is
// called 1, as text_of() has them.
struct PutPayments {
  struct Input {
    std::vector<Payment> payments;
  };
  using Output = std::vector<std::string>;

  static Input make(const Setting& setting, Rng& rng) {
    FastRng fast(rng());
    return {make_payments(setting.n, fast)};
  }
  static absl::Status same(const Input& in, const Output& want, const Output& got) {
    Output truth;
    for (std::size_t i = 0; i < in.payments.size(); ++i)
      truth.push_back(text_of(static_cast<std::int64_t>(i + 1), in.payments[i]));
    const absl::Status right = exact(truth, want);
    return right.ok() ? exact(want, got) : right;
  }
};

#if HEADROOM_HAVE_LIBPQ

// An empty table for payments, and a connection whose commits wait for the disk.
class PaymentTable : public PostgresTable {
 public:
  PaymentTable()
      : PostgresTable("payments",
                      "key bigint PRIMARY KEY, user_id bigint NOT NULL, amount bigint NOT NULL, "
                      "note text NOT NULL") {}

  // The rows from `first` on, in order of the key, through a connection of its own: what was not
  // committed isn't there.
  std::vector<std::string> rows_from(std::int64_t first) const {
    Postgres reader;
    const Postgres::Result result =
        reader.execute(sql("SELECT key, user_id, amount, note FROM @ WHERE key >= ") +
                       std::to_string(first) + " ORDER BY key");
    std::vector<std::string> rows;
    for (int row = 0; row < PQntuples(result.get()); ++row) rows.push_back(row_of(result, row));
    return rows;
  }
  std::int64_t count() const {
    return number_of(Postgres().execute(sql("SELECT count(*) FROM @")), 0, 0);
  }
};

// A connection that can insert payments into a table.
struct PaymentWriter {
  explicit PaymentWriter(const PaymentTable& into) : table(into) {
    const Postgres::Result fsync = server.execute("SHOW fsync");
    if (row_of(fsync, 0) != "on")
      throw std::runtime_error("postgresql: fsync is off there, so no commit is durable");
    server.execute("SET synchronous_commit = on");
    server.prepare(kOne, table.sql("INSERT INTO @ VALUES ($1, $2, $3, $4)").c_str());
    server.prepare(kArrays, table
                                .sql("INSERT INTO @ SELECT * FROM unnest($1::bigint[], "
                                     "$2::bigint[], $3::bigint[], $4::text[])")
                                .c_str());
  }
  static constexpr char kOne[] = "one", kArrays[] = "arrays";
  const PaymentTable& table;
  Postgres server;
};

// Each of the following inserts payments with the keys first, first + 1 and so on, and calls
// acknowledge(count) for rows whose commit the server has told, which is then durable.

inline void insert_one(PaymentWriter& writer, std::int64_t key, const Payment& payment) {
  writer.server.execute(writer.table.sql("INSERT INTO @ VALUES (") + Digits(key).c_str() + ", " +
                        Digits(payment.user).c_str() + ", " + Digits(payment.amount).c_str() +
                        ", " + writer.server.quoted(payment.note) + ")");
}

// The same, parsed and planned before.
inline void insert_one_prepared(PaymentWriter& writer, std::int64_t key, const Payment& payment) {
  const Digits numbers[] = {Digits(key), Digits(payment.user), Digits(payment.amount)};
  const char* const values[] = {numbers[0].c_str(), numbers[1].c_str(), numbers[2].c_str(),
                                payment.note.c_str()};
  writer.server.execute_prepared(PaymentWriter::kOne, values);
}

// A statement each, and each a transaction: for each row the log is flushed, and a round trip made.
template <class Acknowledge>
void insert_each(PaymentWriter& writer, std::int64_t first, std::span<const Payment> payments,
                 const Acknowledge& acknowledge) {
  for (const Payment& payment : payments) {
    insert_one(writer, first++, payment);
    acknowledge(1);
  }
}

// One transaction: the log is flushed once, for all of them or none.
template <class Acknowledge>
void insert_in_transaction(PaymentWriter& writer, std::int64_t first,
                           std::span<const Payment> payments, const Acknowledge& acknowledge) {
  writer.server.execute("BEGIN");
  for (const Payment& payment : payments) insert_one(writer, first++, payment);
  writer.server.execute("COMMIT");
  acknowledge(payments.size());
}

#ifdef LIBPQ_HAS_PIPELINING
// One transaction whose statements don't wait for each other's answers.
template <class Acknowledge>
void insert_in_pipeline(PaymentWriter& writer, std::int64_t first,
                        std::span<const Payment> payments, const Acknowledge& acknowledge) {
  writer.server.begin_pipeline();
  for (const Payment& payment : payments) {
    const Digits numbers[] = {Digits(first++), Digits(payment.user), Digits(payment.amount)};
    const char* const values[] = {numbers[0].c_str(), numbers[1].c_str(), numbers[2].c_str(),
                                  payment.note.c_str()};
    writer.server.send_prepared(PaymentWriter::kOne, values);
  }
  writer.server.sync();
  for (std::size_t i = 0; i < payments.size(); ++i) writer.server.next();
  writer.server.end_pipeline();  // the transaction ends with the sync
  acknowledge(payments.size());
}
#endif

// One statement with all rows as text: one round trip, but a long text to parse.
template <class Acknowledge>
void insert_values(PaymentWriter& writer, std::int64_t first, std::span<const Payment> payments,
                   const Acknowledge& acknowledge) {
  std::string sql = writer.table.sql("INSERT INTO @ VALUES ");
  for (const Payment& payment : payments) {
    ((sql += '(') += Digits(first++).c_str()) += ',';
    (sql += Digits(payment.user).c_str()) += ',';
    (sql += Digits(payment.amount).c_str()) += ',';
    (sql += writer.server.quoted(payment.note)) += "),";
  }
  sql.pop_back();
  if (!payments.empty()) writer.server.execute(sql);
  acknowledge(payments.size());
}

// One prepared statement with four values, each of which is an array: nothing is parsed but these.
inline void insert_arrays(PaymentWriter& writer, std::span<const std::int64_t> keys,
                          std::span<const Payment> payments) {
  const std::string numbers = array_of(keys);
  std::string arrays[] = {{}, "{", "{", "{"};
  for (const Payment& payment : payments) {
    (arrays[1] += Digits(payment.user).c_str()) += ',';
    (arrays[2] += Digits(payment.amount).c_str()) += ',';
    arrays[3] += '"';
    for (const char c : payment.note) {
      if (c == '"' || c == '\\') arrays[3] += '\\';
      arrays[3] += c;
    }
    arrays[3] += "\",";
  }
  const char* values[] = {numbers.c_str(), nullptr, nullptr, nullptr};
  for (int i = 1; i < 4; ++i) {
    if (!payments.empty()) arrays[i].pop_back();
    values[i] = (arrays[i] += '}').c_str();
  }
  writer.server.execute_prepared(PaymentWriter::kArrays, values);
}
template <class Acknowledge>
void insert_unnest(PaymentWriter& writer, std::int64_t first, std::span<const Payment> payments,
                   const Acknowledge& acknowledge) {
  std::vector<std::int64_t> keys(payments.size());
  std::iota(keys.begin(), keys.end(), first);
  insert_arrays(writer, keys, payments);
  acknowledge(payments.size());
}

// COPY: rows as lines, without a statement around them, put into the table many at a time.
template <class Acknowledge>
void insert_by_copy(PaymentWriter& writer, std::int64_t first, std::span<const Payment> payments,
                    const Acknowledge& acknowledge) {
  std::string lines;
  for (const Payment& payment : payments) {
    (lines += Digits(first++).c_str()) += '\t';
    (lines += Digits(payment.user).c_str()) += '\t';
    (lines += Digits(payment.amount).c_str()) += '\t';
    for (const char c : payment.note) {
      if (c == '\\' || c == '\t' || c == '\n' || c == '\r') lines += '\\';
      lines += c;
    }
    lines += '\n';
  }
  writer.server.copy(writer.table.sql("COPY @ FROM STDIN").c_str(), lines);
  acknowledge(payments.size());
}

// COPY of numbers as the server has them: big-endian, with their lengths.
template <class Acknowledge>
void insert_by_binary_copy(PaymentWriter& writer, std::int64_t first,
                           std::span<const Payment> payments, const Acknowledge& acknowledge) {
  std::string data("PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0", 19);  // its mark, no flags, no extension
  const auto put = [&data](std::uint64_t number, int bytes) {
    for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8)
      data += static_cast<char>(number >> shift & 0xff);
  };
  for (const Payment& payment : payments) {
    put(4, 2);
    for (const std::int64_t number : {first++, payment.user, payment.amount}) {
      put(8, 4);
      put(static_cast<std::uint64_t>(number), 8);
    }
    put(payment.note.size(), 4);
    data += payment.note;
  }
  put(0xffff, 2);  // the end
  writer.server.copy(writer.table.sql("COPY @ FROM STDIN (FORMAT binary)").c_str(), data);
  acknowledge(payments.size());
}

#endif

}  // namespace headroom
