// Payments, and a table with their number and sum for each shop that triggers keep right.
#pragma once

#include "support/postgres.h"

#if HEADROOM_HAVE_LIBPQ
namespace headroom {

// Both tables, and the function of the triggers; all go together. A statement's changes are summed
// before they are added, so a statement that changes many payments locks each shop's row once.
struct SummedPayments {
  static constexpr char kColumns[] =
      "id bigint NOT NULL, shop bigint NOT NULL, amount bigint NOT NULL";

  SummedPayments() {
    Postgres server;
    // In the order of shops: two transactions that change the same ones don't wait for each other
    // in a circle.
    server.execute(summary.sql(
        "CREATE FUNCTION @_add() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "IF TG_OP = 'TRUNCATE' THEN UPDATE @ SET payments = 0, total = 0; RETURN NULL; END IF; "
        "IF TG_OP <> 'INSERT' THEN "
        "INSERT INTO @ AS s SELECT shop, -count(*), -sum(amount) FROM old_rows GROUP BY shop "
        "ORDER BY shop ON CONFLICT (shop) DO UPDATE SET payments = s.payments + excluded.payments, "
        "total = s.total + excluded.total; END IF; "
        "IF TG_OP <> 'DELETE' THEN "
        "INSERT INTO @ AS s SELECT shop, count(*), sum(amount) FROM new_rows GROUP BY shop "
        "ORDER BY shop ON CONFLICT (shop) DO UPDATE SET payments = s.payments + excluded.payments, "
        "total = s.total + excluded.total; END IF; "
        "RETURN NULL; END $$"));
    for (const char* when : {"insert ON @ REFERENCING NEW TABLE AS new_rows",
                             "update ON @ REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows",
                             "delete ON @ REFERENCING OLD TABLE AS old_rows", "truncate ON @"}) {
      const std::string text = when;
      server.execute("CREATE TRIGGER " + text.substr(0, text.find(' ')) + "_add AFTER " +
                     payments.sql(text) + " FOR EACH STATEMENT EXECUTE FUNCTION " +
                     summary.sql("@_add()"));
    }
  }
  ~SummedPayments() {
    try {
      Postgres().execute(summary.sql("DROP FUNCTION @_add() CASCADE"));
    } catch (const std::runtime_error&) {
      // The server has gone, and the function with it.
    }
  }
  SummedPayments(const SummedPayments&) = delete;
  SummedPayments& operator=(const SummedPayments&) = delete;

  const PostgresTable payments{"payments", kColumns, PostgresTable::Log::kUnlogged};
  const PostgresTable summary{
      "summary", "shop bigint PRIMARY KEY, payments bigint NOT NULL, total bigint NOT NULL",
      PostgresTable::Log::kUnlogged};
};

}  // namespace headroom
#endif
