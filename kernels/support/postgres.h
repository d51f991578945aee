// PostgreSQL through libpq: connections, pipelines, tables of this program's own, the CPU's time on
// both sides. A kernel that includes this has `// Links: libpq`.
#pragma once

#include "core/need.h"
#include "support/cpu_shares.h"
#include "support/servers.h"

#if HEADROOM_HAVE_LIBPQ
#include <libpq-fe.h>
#include <unistd.h>

#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <random>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/arm.h"
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

  // To the server that this environment variable names, as libpq understands it.
  explicit Postgres(const char* variable = "HEADROOM_PG") {
    const char* const server = std::getenv(variable);
    if (server == nullptr || *server == '\0')
      throw std::runtime_error(std::string(variable) + " is not set");
    // What comes later wins: the user's own limit, if there is one.
    const char* const names[] = {"connect_timeout", "dbname", nullptr};
    const char* const values[] = {"5", server, nullptr};
    connection_.reset(PQconnectdbParams(names, values, /*expand_dbname=*/1));
    if (PQstatus(connection_.get()) != CONNECTION_OK) fail(PQerrorMessage(connection_.get()));
    // Remarks of the server's, which libpq else prints, with names.
    PQsetNoticeProcessor(
        connection_.get(), [](void*, const char*) {}, nullptr);
  }

  // The rows of a statement in SQL, or none where it gives none.
  Result execute(const char* sql) { return checked(PQexec(connection_.get(), sql)); }
  Result execute(const std::string& sql) { return execute(sql.c_str()); }

  // Has the server parse and plan a statement once, under a name. Left to itself it would plan the
  // first five executions anew.
  void prepare(const char* name, const char* sql) {
    if (!std::exchange(generic_plans_, true)) execute("SET plan_cache_mode = force_generic_plan");
    checked(PQprepare(connection_.get(), name, sql, 0, nullptr));
  }
  // Its rows for these values, as text.
  Result execute_prepared(const char* name, std::span<const char* const> values) {
    return checked(PQexecPrepared(connection_.get(), name, static_cast<int>(values.size()),
                                  values.data(), nullptr, nullptr, /*resultFormat=*/0));
  }

  // Text as a literal of SQL, with its quotes.
  std::string quoted(std::string_view text) {
    std::string literal(2 * text.size() + 3, '\'');
    const std::size_t size = PQescapeStringConn(connection_.get(), literal.data() + 1, text.data(),
                                                text.size(), nullptr);
    literal.resize(size + 2);
    literal.back() = '\'';
    return literal;
  }

  // All that COPY ... FROM STDIN takes, in one piece.
  void copy(const char* sql, std::string_view data) {
    const Result begun(PQexec(connection_.get(), sql));
    if (PQresultStatus(begun.get()) != PGRES_COPY_IN) refuse(begun.get());
    if (PQputCopyData(connection_.get(), data.data(), static_cast<int>(data.size())) != 1 ||
        PQputCopyEnd(connection_.get(), nullptr) != 1)
      fail(PQerrorMessage(connection_.get()));
    const Result ended(PQgetResult(connection_.get()));
    const Result none(PQgetResult(connection_.get()));
    if (PQresultStatus(ended.get()) != PGRES_COMMAND_OK) refuse(ended.get());
  }

#ifdef LIBPQ_HAS_PIPELINING
  // Statements that are sent before the answers to earlier ones are read. begin(), send() as often
  // as wanted, sync(), next() for each of what was sent, end(). All between two syncs is one
  // transaction, unless it says otherwise. (While a large one is sent, libpq reads what comes back,
  // so neither side waits for the other for ever.)
  void begin_pipeline() { require(PQenterPipelineMode(connection_.get())); }
  void send_prepared(const char* name, std::span<const char* const> values) {
    require(PQsendQueryPrepared(connection_.get(), name, static_cast<int>(values.size()),
                                values.data(), nullptr, nullptr, /*resultFormat=*/0));
  }
  void sync() { require(PQpipelineSync(connection_.get())); }
  // The answer to the first of what was sent that has none yet.
  Result next() {
    Result result = checked(PQgetResult(connection_.get()));
    const Result none(PQgetResult(connection_.get()));
    return result;
  }
  void end_pipeline() {
    const Result synced(PQgetResult(connection_.get()));
    if (PQresultStatus(synced.get()) != PGRES_PIPELINE_SYNC) refuse(synced.get());
    require(PQexitPipelineMode(connection_.get()));
  }
#endif

  // The server's process for this connection; 0 where it isn't on this machine, or who knows.
  pid_t process() const {
    const char* const host = PQhost(connection_.get());
    const pid_t pid = PQbackendPID(connection_.get());
    if (host == nullptr || *host != '/' || pid <= 0) return 0;
    std::ifstream file("/proc/" + std::to_string(pid) + "/comm");
    std::string name;
    return std::getline(file, name) && name == "postgres" ? pid : 0;
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
    refuse(raw);
  }
  [[noreturn]] void refuse(const PGresult* raw) const {
    const char* const told = PQresultErrorField(raw, PG_DIAG_MESSAGE_PRIMARY);
    fail(told != nullptr ? told : PQerrorMessage(connection_.get()));
  }
  void require(int done) const {
    if (done != 1) fail(PQerrorMessage(connection_.get()));
  }

  std::unique_ptr<PGconn, Finish> connection_;
  bool generic_plans_ = false;
};

// A number as the text that libpq takes for a value.
class Digits {
 public:
  explicit Digits(std::int64_t number) {
    *std::to_chars(text_, text_ + sizeof text_ - 1, number).ptr = '\0';
  }
  const char* c_str() const { return text_; }

 private:
  char text_[24];
};

// A field of a row that is a number.
inline std::int64_t number_of(const Postgres::Result& result, int row, int field) {
  const std::string_view text(PQgetvalue(result.get(), row, field),
                              static_cast<std::size_t>(PQgetlength(result.get(), row, field)));
  std::int64_t number = 0;
  if (std::from_chars(text.data(), text.data() + text.size(), number).ec != std::errc{})
    throw std::runtime_error("postgresql: not a number where one was expected");
  return number;
}

// A row's fields, with `|` between.
inline std::string row_of(const Postgres::Result& result, int row) {
  std::string all = PQgetvalue(result.get(), row, 0);
  for (int field = 1; field < PQnfields(result.get()); ++field)
    (all += '|') += PQgetvalue(result.get(), row, field);
  return all;
}

// The only row of a result that must have one.
inline std::string only_row(const Postgres::Result& result) {
  if (PQntuples(result.get()) != 1) throw std::runtime_error("postgresql: no such row");
  return row_of(result, 0);
}

// {1,2,3}: numbers as the text of an array.
template <class Numbers>
std::string array_of(const Numbers& numbers) {
  std::string text = "{";
  for (const auto number : numbers) (text += Digits(number).c_str()) += ',';
  if (text.size() > 1) text.pop_back();
  return text += '}';
}

// A table that goes with its owner. Its name is chosen at random, so that in a server that somebody
// else uses too nothing else is touched; a program that is killed by signal 9 leaves it behind.
class PostgresTable {
 public:
  // kind: what it is for, in its name. columns: their definitions. with: what follows them.
  // Unlogged ones aren't written to the log: for tables that are only read.
  enum class Log { kLogged, kUnlogged };
  PostgresTable(std::string_view kind, std::string_view columns, Log log = Log::kLogged) {
    std::random_device any;
    char suffix[20];
    std::snprintf(suffix, sizeof suffix, "_%08x%08x", any(), any());
    name_ = "headroom_" + std::string(kind) + suffix;
    // The server cleans and analyzes when its own clock says so; here it is done when it is made.
    Postgres().execute((log == Log::kUnlogged ? "CREATE UNLOGGED TABLE " : "CREATE TABLE ") +
                       name_ + " (" + std::string(columns) + ") WITH (autovacuum_enabled = off)");
  }
  ~PostgresTable() {
    try {
      Postgres().execute("DROP TABLE " + name_);
    } catch (const std::runtime_error&) {
      // The server has gone, and the table with it.
    }
  }
  PostgresTable(const PostgresTable&) = delete;
  PostgresTable& operator=(const PostgresTable&) = delete;

  const std::string& name() const { return name_; }
  // A statement, with the table's name for each `@`.
  std::string sql(std::string_view text) const {
    std::string all;
    for (const char c : text) c == '@' ? all += name_ : all += c;
    return all;
  }

 private:
  std::string name_;
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

// Whether HEADROOM_PGBOUNCER leads to the same server; asked once.
inline bool pgbouncer_answers() {
  static const bool answers = [] {
    try {
      const char* const who = "SELECT current_database(), pg_postmaster_start_time()";
      return row_of(Postgres("HEADROOM_PGBOUNCER").execute(who), 0) ==
             row_of(Postgres().execute(who), 0);
    } catch (const std::runtime_error&) {
      return false;
    }
  }();
  return answers;
}
#else
inline bool postgres_answers() { return false; }
inline bool pgbouncer_answers() { return false; }
#endif

#ifdef LIBPQ_HAS_PIPELINING
inline bool libpq_has_pipelines() { return true; }
#else
inline bool libpq_has_pipelines() { return false; }
#endif

inline constexpr Need kPostgres{
    "postgresql", postgres_answers,
    "make deps SERVICES=1 (headroom run starts a server), or name one in HEADROOM_PG"};
inline constexpr Need kPgBouncer{
    "pgbouncer", pgbouncer_answers,
    "install pgbouncer (make deps SERVICES=1; on Debian by hand), so that headroom run starts one, "
    "or name one before the same server in HEADROOM_PGBOUNCER"};
inline constexpr Need kLibpqPipelines{"libpq's pipelines", libpq_has_pipelines,
                                      "install libpq 14 or later, rebuild"};

}  // namespace headroom
