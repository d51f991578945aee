// database/replica_read: threads ask n times for the messages of a topic, while the database is
// written, or while it is not.
//
// Out: how many messages each topic has, and a sum over them in which their order counts; and, read
// back through another connection, what the writer has left. The reads are shared out evenly among
// the threads. `writing`: one more thread commits four transactions meanwhile, each durable, which
// change a row of another table. `quiet`: nobody writes. 1,024 topics of 16 messages; each variant
// has a file of its own, which lies in the page cache; statements are compiled once.
//
// One connection can do one thing at a time: where threads share it, a read waits for other reads,
// and for a commit that waits for the disk. With a rollback journal a connection per thread lets
// reads run side by side, but a commit still needs the file for itself, and who is refused sleeps
// and asks again. With a write-ahead log a reader goes on with what was committed when it began:
// like a replica, without a copy.
//
// Links: sqlite
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "core/kernel.h"
#include "core/scratch.h"
#include "support/on_core.h"
#include "support/slices.h"
#include "support/sqlite.h"
#include "support/team.h"

namespace headroom {
namespace {

constexpr std::size_t kTopics = 1024;
constexpr std::int64_t kMessages = 16;  // of a topic
constexpr std::size_t kCommits = 4;     // a call
constexpr std::size_t kCarried = 1 << 14;

std::int64_t author_of(std::int64_t message) { return message * 48'271 % 100'003; }

// What was read of a topic.
struct Read {
  std::int64_t messages = 0;
  std::int64_t sum = 0;  // of the authors, each times its place
  friend bool operator==(const Read&, const Read&) = default;
};
Read read_of(std::int64_t topic) {
  Read read;
  for (; read.messages < kMessages;) {
    const std::int64_t message = 1 + topic + read.messages * static_cast<std::int64_t>(kTopics);
    read.sum += author_of(message) * ++read.messages;
  }
  return read;
}

class Messages;  // the tables
std::shared_ptr<const Messages> messages();

struct ReplicaRead {
  struct Call {
    std::span<const std::int64_t> topics;
    std::int64_t written;  // what the last commit of this turn leaves
  };
  struct Input {
    std::shared_ptr<const Messages> messages;  // none without SQLite
    bool writing = false;
    std::vector<std::int64_t> topics;
    Slices slices;
    Call at(std::size_t turn) const {
      return {slices.of(topics, turn),
              writing ? static_cast<std::int64_t>((turn + 1) * kCommits) : 0};
    }
  };
  // A read each, and at the end what the writer has left.
  using Output = std::vector<Read>;

  static constexpr auto kInputs = inputs("writing", "quiet");

  static Input make(const Setting& setting, Rng& rng) {
    Input in{messages(), setting.input == kInputs["writing"], {}, {}};
    in.slices = Slices::covering(kCarried, setting.n);
    in.topics.resize(in.slices.items());
    FastRng fast(rng());
    for (std::int64_t& topic : in.topics) topic = static_cast<std::int64_t>(bounded(fast, kTopics));
    return in;
  }
  static void size(const Input& in, Output& out) { out.resize(in.slices.size() + 1); }
  static absl::Status same(const Call& call, const Output& want, const Output& got) {
    Output truth;
    for (const std::int64_t topic : call.topics) truth.push_back(read_of(topic));
    truth.push_back({call.written, 0});
    const absl::Status right = exact(truth, want);
    return right.ok() ? exact(want, got) : right;
  }
};
using Input = ReplicaRead::Input;
using Call = ReplicaRead::Call;
using Output = ReplicaRead::Output;

#if HEADROOM_HAVE_SQLITE

class Messages {
 public:
  explicit Messages(std::size_t n) : rows(n) {}
  const std::size_t rows;
  const sqlite::File file{[this](const sqlite::Connection& made) {
    made.execute(
        "CREATE TABLE messages (id INTEGER PRIMARY KEY, topic INTEGER NOT NULL, "
        "author INTEGER NOT NULL, text TEXT NOT NULL)");
    sqlite::Statement insert(made, "INSERT INTO messages VALUES (?, ?, ?, ?)");
    for (std::int64_t id = 1; id <= static_cast<std::int64_t>(rows); ++id) {
      insert.bind(1, id);
      insert.bind(2, (id - 1) % static_cast<std::int64_t>(kTopics));
      insert.bind(3, author_of(id));
      insert.bind(4, "I think so too, but who would have thought it?");
      insert.run();
    }
    made.execute("CREATE INDEX by_topic ON messages (topic, id, author)");
    made.execute("CREATE TABLE visits (id INTEGER PRIMARY KEY, last INTEGER NOT NULL)");
    made.execute("INSERT INTO visits VALUES (1, 0)");
  }};
};
std::shared_ptr<const Messages> messages() {
  return sqlite::tables_of<Messages>(kTopics * static_cast<std::size_t>(kMessages));
}

// A connection with both its statements.
struct Client {
  Client(const std::string& path, const char* settings) : connection(path, settings) {
    sqlite3_busy_timeout(connection.get(), 60'000);
    select = sqlite::planned(connection, "SELECT author FROM messages WHERE topic = ? ORDER BY id",
                             "USING COVERING INDEX by_topic");
    update = sqlite::Statement(connection, "UPDATE visits SET last = ? WHERE id = 1");
  }
  Read read(std::int64_t topic) {
    Read found;
    select.bind(1, topic);
    while (select.step()) found.sum += select.number(0) * ++found.messages;
    select.reset();
    return found;
  }
  void write(std::int64_t last) {
    update.bind(1, last);
    update.run();
  }
  sqlite::Connection connection;
  sqlite::Statement select, update;
};

// A copy of the file, the threads that read, and the one that writes.
class Board {
 public:
  Board(const Input& in, const Setting& setting, const char* settings, bool shared)
      : writing_(in.writing),
        readers_(setting.threads),
        team_({.members = readers_ + (writing_ ? 1 : 0),
               .wait = Team::Wait::kAsleep,
               .place = [](int) { move_to_any_core(); }}) {
    std::filesystem::copy_file(in.messages->file.path(), path_);
    // The last is the writer's.
    for (int i = 0; i < (shared ? 1 : readers_ + 1); ++i)
      clients_.push_back(std::make_unique<Client>(path_, settings));
  }
  void answer(Output& out) const {
    const sqlite::Connection reader(path_);
    sqlite::Statement last(reader, "SELECT last FROM visits");
    last.step();
    out.back() = {last.number(0), 0};
  }

  // read(client, topics, out) on each reader, with its share; write(client, last) by the writer.
  template <class ReadAll, class Write>
  void run(const Call& call, Output& out, const ReadAll& read, const Write& write) {
    const OnAnyCore anywhere;
    team_.run([&](int member) {
      Client& client = *clients_[std::min(static_cast<std::size_t>(member), clients_.size() - 1)];
      if (member == readers_) {
        for (auto left = static_cast<std::int64_t>(kCommits); left-- != 0;)
          write(client, call.written - left);
        return;
      }
      const Share mine = share(call.topics.size(), 1, member, readers_);
      read(client, call.topics.subspan(mine.begin, mine.size()),
           std::span(out).subspan(mine.begin, mine.size()));
    });
  }

 private:
  ScratchFolder folder_;
  const std::string path_ = folder_.path() + "/board.db";
  const bool writing_;
  const int readers_;
  std::vector<std::unique_ptr<Client>> clients_;
  Team team_;
};

void read_each(Client& client, std::span<const std::int64_t> topics, std::span<Read> out) {
  for (std::size_t i = 0; i < topics.size(); ++i) out[i] = client.read(topics[i]);
}

template <const char* kSettings>
struct Shared : Board {
  Shared(const Input& in, const Setting& setting) : Board(in, setting, kSettings, true) {}
  std::mutex mutex;
};
// One thing after the other. How long a commit holds up the reads is in kSettings: a journal is
// waited for several times, a log once.
template <const char* kSettings>
void one_connection(Shared<kSettings>& board, const Call& call, Output& out) {
  board.run(
      call, out,
      [&](Client& client, std::span<const std::int64_t> topics, std::span<Read> found) {
        for (std::size_t i = 0; i < topics.size(); ++i) {
          const std::lock_guard lock(board.mutex);
          found[i] = client.read(topics[i]);
        }
      },
      [&](Client& client, std::int64_t last) {
        const std::lock_guard lock(board.mutex);
        client.write(last);
      });
}

template <const char* kSettings>
struct Own : Board {
  Own(const Input& in, const Setting& setting) : Board(in, setting, kSettings, false) {}
};
// Reads run side by side. What a commit does to them is in kSettings: a journal's commit needs the
// file for itself, a log's is appended beside what is read. Each commit makes every other
// connection forget its cache of pages.
template <const char* kSettings>
void own_connections(Own<kSettings>& board, const Call& call, Output& out) {
  board.run(call, out, read_each, [](Client& client, std::int64_t last) { client.write(last); });
}

// One read transaction for all reads of a thread: the log is looked at once, and pages that were
// read stay.
void snapshot(Own<sqlite::kDurableWal>& board, const Call& call, Output& out) {
  board.run(
      call, out,
      [](Client& client, std::span<const std::int64_t> topics, std::span<Read> found) {
        client.connection.execute("BEGIN");
        read_each(client, topics, found);
        client.connection.execute("COMMIT");
      },
      [](Client& client, std::int64_t last) { client.write(last); });
}

constexpr auto kNaive = run<one_connection<sqlite::kDurable>>;
constexpr auto kWal = run<one_connection<sqlite::kDurableWal>>;
constexpr auto kOwn = run<own_connections<sqlite::kDurable>>;
constexpr auto kWalReaders = run<own_connections<sqlite::kDurableWal>>;
constexpr auto kSnapshot = run<snapshot>;
#else
class Messages {};
std::shared_ptr<const Messages> messages() { return nullptr; }
constexpr auto kNaive = kNotBuilt, kWal = kNotBuilt, kOwn = kNotBuilt, kWalReaders = kNotBuilt,
               kSnapshot = kNotBuilt;
#endif

constexpr Need kNeeds[] = {kSqlite};

constexpr Variant<ReplicaRead> kVariants[] = {
    {.name = "naive",
     .run = kNaive,
     .what = "one connection behind a mutex, rollback journal: reads wait for reads and commits",
     .needs = kNeeds},
    {.name = "wal",
     .run = kWal,
     .what = "the same with a write-ahead log: a commit waits for the disk once; synced",
     .needs = kNeeds},
    {.name = "own_connections",
     .run = kOwn,
     .what =
         "a connection per thread, journal: reads side by side; a commit needs the file for itself",
     .needs = kNeeds},
    {.name = "wal_readers",
     .run = kWalReaders,
     .what =
         "a connection per thread, write-ahead log, synced: reads and commits don't wait at all",
     .needs = kNeeds},
    {.name = "wal_snapshot",
     .run = kSnapshot,
     .what = "and one read transaction per thread and call: pages that were read stay cached",
     .promise = Promise::kExact | Promise::kDurable,
     .promise_note = "stale by up to a call",
     .needs = kNeeds},
};

const Registrar kRegistrar({.name = "database/replica_read",
                            .axis = Axis::kStorageSync,
                            .technique = "readers that wait for nobody",
                            .sizes = {256, 1024, 4096},
                            .headline = {256},
                            .sweeps_threads = true,
                            .one_group = true,
                            .clock = Clock::kWall,
                            .promise = Promise::kExact | Promise::kFresh | Promise::kDurable,
                            .demand =
                                [](const Setting& s) {
                                  return Demand{
                                      .items = static_cast<double>(s.n),
                                      .working_set = std::size_t{4} << 20,
                                      .memory = std::size_t{64} << 20,
                                      .scratch = std::size_t{64} << 20,
                                      .written = ReplicaRead::kInputs["writing"] == s.input
                                                     ? 8192 * kCommits
                                                     : 0};
                                },
                            .test_sizes = {0, 1, 100}},
                           kVariants);

}  // namespace
}  // namespace headroom
