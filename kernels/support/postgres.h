// A connection to PostgreSQL, through libpq. A kernel that includes this has `// Links: libpq`.
#pragma once

#include "core/need.h"
#include "support/servers.h"

#if HEADROOM_HAVE_LIBPQ
#include <libpq-fe.h>

#include <cstdlib>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#endif

namespace headroom {

#if HEADROOM_HAVE_LIBPQ
// Connected from its beginning to its end. What fails is a std::runtime_error with the server's
// message.
class Postgres {
 public:
  struct Clear {
    void operator()(PGresult* result) const { PQclear(result); }
  };
  using Result = std::unique_ptr<PGresult, Clear>;

  // To the server that HEADROOM_PG names, as libpq understands it.
  Postgres() {
    const char* const server = std::getenv("HEADROOM_PG");
    if (server == nullptr || *server == '\0') throw std::runtime_error("HEADROOM_PG is not set");
    // What comes later wins: the user's own limit, if there is one.
    const char* const names[] = {"connect_timeout", "dbname", nullptr};
    const char* const values[] = {"5", server, nullptr};
    connection_.reset(PQconnectdbParams(names, values, /*expand_dbname=*/1));
    if (PQstatus(connection_.get()) != CONNECTION_OK) fail(PQerrorMessage(connection_.get()));
  }

  // The rows of a statement in SQL, or none where it gives none.
  Result execute(const char* sql) { return checked(PQexec(connection_.get(), sql)); }

  // Has the server parse and plan a statement once, under a name.
  void prepare(const char* name, const char* sql) {
    checked(PQprepare(connection_.get(), name, sql, 0, nullptr));
  }
  // Its rows for these values, as text.
  Result execute_prepared(const char* name, std::span<const char* const> values) {
    return checked(PQexecPrepared(connection_.get(), name, static_cast<int>(values.size()),
                                  values.data(), nullptr, nullptr, /*resultFormat=*/0));
  }

 private:
  struct Finish {
    void operator()(PGconn* connection) const { PQfinish(connection); }
  };

  [[noreturn]] static void fail(const char* message) {
    throw std::runtime_error("postgresql: " + without_names(message));
  }
  Result checked(PGresult* raw) {
    Result result(raw);
    const ExecStatusType status = PQresultStatus(raw);
    if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK) return result;
    const char* const told = PQresultErrorField(raw, PG_DIAG_MESSAGE_PRIMARY);
    fail(told != nullptr ? told : PQerrorMessage(connection_.get()));
  }

  std::unique_ptr<PGconn, Finish> connection_;
};

// Whether a connection succeeds; asked once.
inline bool postgres_answers() {
  static const bool answers = [] {
    try {
      const Postgres connection;
      return true;
    } catch (const std::runtime_error&) {
      return false;
    }
  }();
  return answers;
}
#else
inline bool postgres_answers() { return false; }
#endif

inline constexpr Need kPostgres{
    "postgresql", postgres_answers,
    "make deps SERVICES=1 (headroom run starts a server), or name one in HEADROOM_PG"};

}  // namespace headroom
