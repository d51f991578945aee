// scenario/timeline_fanout: n operations of users who follow each other: one in sixteen is a post,
// the others read a timeline, the 50 newest posts of all whom the reader follows.
//
// 2,000 users follow 50 others each, whom they choose by Zipf's law (0.8): some have ten followers,
// a few nearly all. They post by the same law; there are 10,000 posts before the first call. Posts
// are rows of an SQLite file, on a write-ahead log that isn't waited for: *consistent*, a power
// failure may take the last ones, a crash of the program takes none. The question is where the work
// is done: when a timeline is read (pull), or when something is posted (push, fan-out on write).
//
// Every read sees every post that came before it, once, and the newest first. Before each call the
// data are put back, and a log that begins anew has begun. Out: the page of each read, and then the
// timelines of all users, as the variant's data have them, read through a second connection where
// they lie in the file.
//
// Inputs: a mix; reads alone; posts alone. The time of a post and of a read are reported apart too
// (per_post, per_read).
//
// Links: sqlite
#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "core/kernel.h"
#include "core/scratch.h"
#include "support/slices.h"
#include "support/sqlite.h"

namespace headroom {
namespace {

constexpr std::int64_t kUsers = 2000;
constexpr std::size_t kFollowed = 50;
constexpr std::int64_t kPosts = 10'000;
constexpr std::size_t kPage = 50;
constexpr std::size_t kCarried = 1 << 12;
constexpr std::size_t kReadsAPost = 15;
// Whoever has more followers is a star, in the variant that treats them apart: there are about
// twenty.
constexpr std::size_t kStarFrom = 400;

// A post's line on a page.
void append_line(std::string& page, std::int64_t id, std::int64_t author, std::string_view text) {
  char numbers[48];
  char* end = std::to_chars(numbers, numbers + 20, id).ptr;
  *end++ = ' ';
  end = std::to_chars(end, end + 20, author).ptr;
  *end++ = ' ';
  page.append(numbers, end);
  page += text;
  page += '\n';
}

struct Post {
  std::int64_t author = 0;
  std::string text;
};
std::string some_text(FastRng& rng) {
  std::string text(20 + bounded(rng, 60), ' ');
  for (char& c : text) c = "etaoin shrdlu"[bounded(rng, 13)];
  return text;
}

// Who follows whom, and the posts before the first call: the same for all seeds. Users are numbers
// from 0 on, a post's id is its place from 1 on.
struct Past {
  Past() : followees(kUsers), followers(kUsers), newest(kUsers) {
    FastRng rng(1);
    const Zipf popular(kUsers, 0.8);
    for (std::int64_t user = 0; user < kUsers; ++user) {
      std::vector<std::int64_t>& mine = followees[static_cast<std::size_t>(user)];
      while (mine.size() < kFollowed) {
        const std::int64_t other = user_of(popular(rng));
        if (other != user && std::find(mine.begin(), mine.end(), other) == mine.end())
          mine.push_back(other);
      }
      std::sort(mine.begin(), mine.end());
      for (const std::int64_t other : mine)
        followers[static_cast<std::size_t>(other)].push_back(user);
    }
    for (std::int64_t id = 1; id <= kPosts; ++id)
      posts.push_back({user_of(popular(rng)), some_text(rng)});
    for (std::int64_t id = kPosts; id >= 1; --id)
      for (const std::int64_t user : followers_of(posts[static_cast<std::size_t>(id - 1)].author)) {
        std::vector<std::int64_t>& page = newest[static_cast<std::size_t>(user)];
        if (page.size() < kPage) page.push_back(id);
      }
  }
  // Popularity has nothing to do with a user's number.
  static std::int64_t user_of(std::size_t rank) {
    return static_cast<std::int64_t>(rank * 7919 % static_cast<std::size_t>(kUsers));
  }
  const std::vector<std::int64_t>& followers_of(std::int64_t user) const {
    return followers[static_cast<std::size_t>(user)];
  }
  bool follows(std::int64_t user, std::int64_t author) const {
    const auto& mine = followees[static_cast<std::size_t>(user)];
    return std::binary_search(mine.begin(), mine.end(), author);
  }
  bool star(std::int64_t user) const { return followers_of(user).size() > kStarFrom; }

  std::vector<std::vector<std::int64_t>> followees, followers;  // sorted
  std::vector<Post> posts;
  std::vector<std::vector<std::int64_t>> newest;  // of each user the ids of a page
};
std::shared_ptr<const Past> past() {
  static const auto all = std::make_shared<const Past>();
  return all;
}

struct Operation {
  bool posts = false;
  std::int64_t user = 0;
  std::string text = {};
};

struct TimelineFanout {
  static constexpr auto kInputs = inputs("mixed", "reads", "posts");
  struct Call {
    std::span<const Operation> operations;
    const Past* past = nullptr;
  };
  struct Input {
    std::shared_ptr<const Past> past;
    std::vector<Operation> operations;
    Slices slices;
    Call at(std::size_t turn) const { return {slices.of(operations, turn), past.get()}; }
  };
  using Output = std::vector<std::string>;

  static Input make(const Setting& setting, Rng& rng) {
    Input in{past(), {}, Slices::covering(kCarried, setting.n)};
    FastRng fast(rng());
    const Zipf popular(kUsers, 0.8);
    const bool all_post = setting.input == kInputs["posts"];
    const bool some_post = setting.input == kInputs["mixed"];
    in.operations.resize(in.slices.items());
    std::size_t next = 0;  // of each sixteen operations, which one posts
    for (std::size_t i = 0; i < in.operations.size(); ++i) {
      if (i % (kReadsAPost + 1) == 0) next = i + bounded(fast, kReadsAPost + 1);
      Operation& operation = in.operations[i];
      operation.posts = all_post || (some_post && i == next);
      if (operation.posts)
        operation = {true, Past::user_of(popular(fast)), some_text(fast)};
      else
        operation.user = static_cast<std::int64_t>(bounded(fast, kUsers));
    }
    return in;
  }
  static absl::Status same(const Call& call, const Output& want, const Output& got) {
    const absl::Status right = exact(truth(call), want);
    return right.ok() ? exact(want, got) : right;
  }

  // Of a user, the ids of the newest of these posts (of the call, in order) and those before.
  static std::vector<std::int64_t> newest(const Past& past, const std::vector<Post>& posts,
                                          std::int64_t user) {
    std::vector<std::int64_t> ids;
    for (std::size_t i = posts.size(); i-- > 0 && ids.size() < kPage;)
      if (past.follows(user, posts[i].author))
        ids.push_back(kPosts + 1 + static_cast<std::int64_t>(i));
    for (const std::int64_t id : past.newest[static_cast<std::size_t>(user)])
      if (ids.size() < kPage) ids.push_back(id);
    return ids;
  }
  static Output truth(const Call& call) {
    Output lines;
    std::vector<Post> posts;
    for (const Operation& operation : call.operations) {
      if (operation.posts) {
        posts.push_back({operation.user, operation.text});
        continue;
      }
      std::string& page = lines.emplace_back();
      for (const std::int64_t id : newest(*call.past, posts, operation.user)) {
        const Post& post = id > kPosts ? posts[static_cast<std::size_t>(id - kPosts - 1)]
                                       : call.past->posts[static_cast<std::size_t>(id - 1)];
        append_line(page, id, post.author, post.text);
      }
    }
    for (std::int64_t user = 0; user < kUsers; ++user)
      lines.push_back(timeline_line(user, newest(*call.past, posts, user)));
    return lines;
  }
  static std::string timeline_line(std::int64_t user, const std::vector<std::int64_t>& ids) {
    std::string line = "timeline of " + std::to_string(user) + ':';
    char number[20];
    for (const std::int64_t id : ids)
      (line += ' ').append(number, std::to_chars(number, std::end(number), id).ptr);
    return line;
  }
};
using Input = TimelineFanout::Input;
using Call = TimelineFanout::Call;
using Output = TimelineFanout::Output;

#if HEADROOM_HAVE_SQLITE

using sqlite::Connection, sqlite::Statement;
using Timelines = std::vector<std::vector<std::int64_t>>;  // of each user, the newest post first

// What a variant has beside users and posts.
enum class Kind { kPlain, kIndexed, kByTime, kPushed, kHybrid, kPosts };

// A file with the past, made once for each kind, of which each variant has a copy.
template <Kind kKind>
struct PastFile {
  explicit PastFile(std::size_t posts) : rows(posts) {}
  const std::size_t rows;
  const sqlite::File file{[](const Connection& made) {
    const auto all = past();
    made.execute(
        "CREATE TABLE posts (id INTEGER PRIMARY KEY, author INTEGER NOT NULL, at INTEGER NOT NULL, "
        "text TEXT NOT NULL);"
        "CREATE TABLE follows (follower INTEGER NOT NULL, followee INTEGER NOT NULL);");
    Statement post(made, "INSERT INTO posts (author, at, text) VALUES (?1, ?2, ?3)");
    for (std::size_t i = 0; i < all->posts.size(); ++i) {
      post.bind(1, all->posts[i].author);
      post.bind(2, static_cast<std::int64_t>(i + 1));
      post.bind(3, all->posts[i].text);
      post.run();
    }
    Statement follow(made, "INSERT INTO follows VALUES (?, ?)");
    for (std::int64_t user = 0; user < kUsers; ++user)
      for (const std::int64_t other : all->followees[static_cast<std::size_t>(user)]) {
        follow.bind(1, user);
        follow.bind(2, other);
        follow.run();
      }
    if (kKind == Kind::kIndexed || kKind == Kind::kByTime || kKind == Kind::kHybrid)
      made.execute("CREATE UNIQUE INDEX follows_follower ON follows (follower, followee)");
    if (kKind == Kind::kIndexed) made.execute("CREATE INDEX posts_author ON posts (author, at)");
    if (kKind == Kind::kByTime) made.execute("CREATE INDEX posts_at ON posts (at)");
    if (kKind != Kind::kPushed && kKind != Kind::kHybrid) return;
    made.execute(
        "CREATE INDEX follows_followee ON follows (followee, follower);"
        "CREATE TABLE timelines (user INTEGER NOT NULL, post INTEGER NOT NULL, PRIMARY KEY (user, "
        "post)) WITHOUT ROWID;");
    Statement entry(made, "INSERT INTO timelines VALUES (?, ?)");
    for (std::int64_t user = 0; user < kUsers; ++user) {
      const auto& page = all->newest[static_cast<std::size_t>(user)];
      for (std::size_t i = page.size(); i-- > 0;) {
        if (kKind == Kind::kHybrid &&
            all->star(all->posts[static_cast<std::size_t>(page[i] - 1)].author))
          continue;
        entry.bind(1, user);
        entry.bind(2, page[i]);
        entry.run();
      }
    }
    if (kKind != Kind::kHybrid) return;
    made.execute("CREATE TABLE star_posts (id INTEGER PRIMARY KEY, author INTEGER NOT NULL)");
    Statement star(made, "INSERT INTO star_posts VALUES (?, ?)");
    for (std::size_t i = 0; i < all->posts.size(); ++i) {
      if (!all->star(all->posts[i].author)) continue;
      star.bind(1, static_cast<std::int64_t>(i + 1));
      star.bind(2, all->posts[i].author);
      star.run();
    }
  }};
};

constexpr char kAddPost[] = "INSERT INTO posts (author, at, text) VALUES (?, ?, ?)";

// The service: its file, what a call asks, and what was answered.
template <Kind kKind>
class Service {
  ScratchFolder folder_;
  const std::string path_ = folder_.path() + "/timelines.db";

 public:
  explicit Service(const Input& in) : past(*in.past) {
    std::filesystem::copy_file(
        sqlite::tables_of<PastFile<kKind>>(in.past->posts.size())->file.path(), path_);
    connection = Connection(path_, sqlite::kWal);
    connection.execute("PRAGMA cache_size = -32768");  // all of the file
    begin = Statement(connection, "BEGIN IMMEDIATE");
    commit = Statement(connection, "COMMIT");
    add_post = Statement(connection, kAddPost);
  }
  void refill(const Call& next) {
    connection.execute("PRAGMA wal_checkpoint(RESTART)");
    connection.execute("BEGIN IMMEDIATE");
    if (kKind == Kind::kPushed || kKind == Kind::kHybrid) {
      Statement entry(connection, "DELETE FROM timelines WHERE user = ? AND post > ?");
      for (const Operation& operation : call.operations) {
        if (!operation.posts) continue;
        for (const std::int64_t user : past.followers_of(operation.user)) {
          entry.bind(1, user);
          entry.bind(2, kPosts);
          entry.run();
        }
      }
    }
    forget("posts");
    if (kKind == Kind::kHybrid) forget("star_posts");
    connection.execute("COMMIT");
    call = next;
    now_ = kPosts;
    pages.resize(static_cast<std::size_t>(
        std::count_if(next.operations.begin(), next.operations.end(),
                      [](const Operation& operation) { return !operation.posts; })));
  }
  Quantities quantities() const {
    Quantities all;
    if (posts_ != 0) all["per_post"] = {posts_ns_ / posts_, "ns"};
    if (reads_ != 0) all["per_read"] = {reads_ns_ / reads_, "ns"};
    return all;
  }
  // The post's row. Returns its id.
  std::int64_t put(const Operation& operation) {
    add_post.bind(1, operation.user);
    add_post.bind(2, ++now_);
    add_post.bind(3, operation.text);
    add_post.run();
    return sqlite3_last_insert_rowid(connection.get());
  }
  // A page of the rows that a statement has for a user: id, author, text.
  static void read_page(Statement& rows, std::int64_t user, std::string& page) {
    rows.bind(1, user);
    while (rows.step()) append_line(page, rows.number(0), rows.number(1), rows.text(2));
    rows.reset();
  }
  // All timelines, from the posts that a statement has (id, author; the newest first) and whom
  // everybody follows, which no call changes.
  Timelines pulled(
      const char* sql = "SELECT id, author FROM posts NOT INDEXED ORDER BY id DESC") const {
    const Connection reader(path_);
    Timelines all(kUsers);
    Statement posts(reader, sql);
    while (posts.step())
      for (const std::int64_t follower : past.followers_of(posts.number(1))) {
        auto& timeline = all[static_cast<std::size_t>(follower)];
        if (timeline.size() < kPage) timeline.push_back(posts.number(0));
      }
    return all;
  }
  const std::string& path() const { return path_; }
  // Serves the call: post(operation) and read(user, page).
  template <class PostIt, class ReadIt>
  void serve(const PostIt& post, const ReadIt& read) {
    using Clock = std::chrono::steady_clock;
    const Clock::time_point start = Clock::now();
    Clock::duration posting{};
    std::size_t at = 0;
    for (const Operation& operation : call.operations) {
      if (operation.posts) {
        const Clock::time_point before = Clock::now();
        post(operation);
        posting += Clock::now() - before;
      } else {
        std::string& page = pages[at++];
        page.clear();
        read(operation.user, page);
      }
    }
    const auto ns = [](Clock::duration d) {
      return std::chrono::duration<double, std::nano>(d).count();
    };
    posts_ns_ += ns(posting);
    posts_ += static_cast<double>(call.operations.size() - at);
    reads_ns_ += ns(Clock::now() - start - posting);
    reads_ += static_cast<double>(at);
  }
  void answer_with(const Timelines& timelines, Output& out) const {
    out = pages;
    for (std::size_t user = 0; user < timelines.size(); ++user)
      out.push_back(
          TimelineFanout::timeline_line(static_cast<std::int64_t>(user), timelines[user]));
  }

  const Past& past;
  Call call;
  Connection connection;
  Statement begin, commit, add_post;
  std::vector<std::string> pages;

 private:
  void forget(const std::string& table) {
    connection.execute(("DELETE FROM " + table + " WHERE id > " + std::to_string(kPosts)).c_str());
  }
  std::int64_t now_ = 0;  // the time, which each post moves on
  double posts_ns_ = 0, posts_ = 0, reads_ns_ = 0, reads_ = 0;
};

// --- Pull: a post is a row, and each read looks for the rows that it wants.

template <Kind kKind>
struct Pull : Service<kKind> {
  Pull(const Input& in, const std::string& sql, const char* plan) : Service<kKind>(in) {
    page = sqlite::planned(this->connection, sql, plan);
  }
  void answer(Output& out) const { this->answer_with(this->pulled(), out); }
  Statement page;
};
template <Kind kKind>
void serve_by_pull(Pull<kKind>& service) {
  service.serve(
      [&](const Operation& operation) { service.put(operation); },
      [&](std::int64_t user, std::string& page) { service.read_page(service.page, user, page); });
}

constexpr char kSelect[] =
    "SELECT id, author, text FROM posts WHERE author IN (SELECT followee FROM follows WHERE "
    "follower = ?) ORDER BY at DESC, id DESC LIMIT 50";

// All rows of both tables are looked at.
struct Scanned : Pull<Kind::kPlain> {
  explicit Scanned(const Input& in) : Pull(in, kSelect, "SCAN follows") {}
};
void naive(Scanned& service, Output&) { serve_by_pull(service); }

// The rows of those whom the reader follows are found, all they ever posted, and the newest of them
// by sorting.
struct Indexed : Pull<Kind::kIndexed> {
  explicit Indexed(const Input& in) : Pull(in, kSelect, "USING INDEX posts_author") {}
};
void index(Indexed& service, Output&) { serve_by_pull(service); }

// From the newest post on backwards, each looked at whether the reader follows its author, until a
// page is full: a few hundred rows, however many there are. It is slow for who follows nobody that
// posts.
struct NewestFirst : Pull<Kind::kByTime> {
  explicit NewestFirst(const Input& in)
      : Pull(in,
             "SELECT id, author, text FROM posts WHERE EXISTS (SELECT 1 FROM follows WHERE "
             "follower = ? AND followee = author) ORDER BY at DESC, id DESC LIMIT 50",
             "SCAN posts USING INDEX posts_at") {}
};
void newest_first(NewestFirst& service, Output&) { serve_by_pull(service); }

// --- Push: a post is put into the timelines of all who follow its author, in one transaction.

struct Pushed : Service<Kind::kPushed> {
  explicit Pushed(const Input& in) : Service(in) {
    page = sqlite::planned(connection,
                           "SELECT id, author, text FROM timelines CROSS JOIN posts ON id = post "
                           "WHERE user = ? ORDER BY post DESC LIMIT 50",
                           "SEARCH timelines USING PRIMARY KEY (user=?)");
    fan_out = sqlite::planned(
        connection, "INSERT INTO timelines SELECT follower, ?1 FROM follows WHERE followee = ?2",
        "USING COVERING INDEX follows_followee");
  }
  void answer(Output& out) const {
    const Connection reader(path());
    Statement entries(reader, "SELECT user, post FROM timelines ORDER BY user, post DESC");
    Timelines all(kUsers);
    while (entries.step()) {
      auto& timeline = all.at(static_cast<std::size_t>(entries.number(0)));
      if (timeline.size() < kPage) timeline.push_back(entries.number(1));
    }
    answer_with(all, out);
  }
  Statement page, fan_out;
};
// A read finds its page side by side, in order. What it saves each reader, a post pays for each
// follower.
void push(Pushed& service, Output&) {
  service.serve(
      [&](const Operation& operation) {
        service.begin.run();
        service.fan_out.bind(1, service.put(operation));
        service.fan_out.bind(2, operation.user);
        service.fan_out.run();
        service.commit.run();
      },
      [&](std::int64_t user, std::string& page) { service.read_page(service.page, user, page); });
}

struct Hybrid : Service<Kind::kHybrid> {
  explicit Hybrid(const Input& in) : Service(in) {
    // Both sides are in order, so what is merged is two pages at most.
    page = sqlite::planned(
        connection,
        "SELECT id, author, text FROM (SELECT * FROM (SELECT post FROM timelines WHERE user = ?1 "
        "ORDER BY post DESC LIMIT 50) UNION ALL SELECT * FROM (SELECT id AS post FROM star_posts "
        "WHERE EXISTS (SELECT 1 FROM follows WHERE follower = ?1 AND followee = author) "
        "ORDER BY id DESC LIMIT 50) ORDER BY 1 DESC LIMIT 50) CROSS JOIN posts ON id = post "
        "ORDER BY id DESC",
        "SCAN star_posts");
    fan_out = sqlite::planned(
        connection, "INSERT INTO timelines SELECT follower, ?1 FROM follows WHERE followee = ?2",
        "USING COVERING INDEX follows_followee");
    add_star = Statement(connection, "INSERT INTO star_posts VALUES (?, ?)");
  }
  void answer(Output& out) const {
    Timelines all = pulled("SELECT id, author FROM star_posts ORDER BY id DESC");
    const Connection reader(path());
    Statement entries(reader, "SELECT user, post FROM timelines");
    while (entries.step())
      all.at(static_cast<std::size_t>(entries.number(0))).push_back(entries.number(1));
    for (auto& timeline : all) {
      std::sort(timeline.begin(), timeline.end(), std::greater<>());
      timeline.resize(std::min(timeline.size(), kPage));
    }
    answer_with(all, out);
  }
  Statement page, fan_out, add_star;
};
// Few authors have many followers, and cause most of the writes. Their posts are pulled, from a
// list of their own that is short; those of all others are pushed.
void hybrid(Hybrid& service, Output&) {
  service.serve(
      [&](const Operation& operation) {
        service.begin.run();
        const std::int64_t id = service.put(operation);
        const bool star = service.past.star(operation.user);
        Statement& add = star ? service.add_star : service.fan_out;
        add.bind(1, id);
        add.bind(2, operation.user);
        add.run();
        service.commit.run();
      },
      [&](std::int64_t user, std::string& page) { service.read_page(service.page, user, page); });
}

// The posts are in the file, as ever. The timelines, which follow from them, are in memory: rings
// of ids, made anew from the file at a start, and the line of each post, written once.
struct InMemory : Service<Kind::kPosts> {
  static constexpr std::size_t kRing = 64;  // a power of two, and no less than a page
  using Ring = std::array<std::uint32_t, kRing>;

  explicit InMemory(const Input& in) : Service(in), rings(kUsers), counts(kUsers) {
    Statement follows(connection, "SELECT follower, followee FROM follows");
    std::vector<std::vector<std::uint32_t>> lists(kUsers);
    while (follows.step())
      lists[static_cast<std::size_t>(follows.number(1))].push_back(
          static_cast<std::uint32_t>(follows.number(0)));
    first.push_back(0);
    for (const auto& list : lists) {
      followers.insert(followers.end(), list.begin(), list.end());
      first.push_back(followers.size());
    }
    Statement posts(connection, "SELECT id, author, text FROM posts ORDER BY id");
    while (posts.step()) push(posts.number(0), posts.number(1), posts.text(2));
    rings_before = rings;
    counts_before = counts;
  }
  void refill(const Call& next) {
    Service::refill(next);
    rings = rings_before;
    counts = counts_before;
    lines.resize(static_cast<std::size_t>(kPosts) + 1);
  }
  void answer(Output& out) const {
    Timelines all(kUsers);
    for (std::size_t user = 0; user < all.size(); ++user)
      for (std::uint32_t i = 0; i < std::min<std::uint32_t>(kPage, counts[user]); ++i)
        all[user].push_back(rings[user][(counts[user] - 1 - i) % kRing]);
    answer_with(all, out);
  }
  void push(std::int64_t id, std::int64_t author, std::string_view text) {
    append_line(lines.emplace_back(), id, author, text);
    const auto of = static_cast<std::size_t>(author);
    for (std::size_t i = first[of]; i < first[of + 1]; ++i) {
      const std::uint32_t user = followers[i];
      rings[user][counts[user]++ % kRing] = static_cast<std::uint32_t>(id);
    }
  }
  void read(std::int64_t of, std::string& page) const {
    const auto user = static_cast<std::size_t>(of);
    const std::uint32_t count = counts[user];
    for (std::uint32_t i = 0; i < std::min<std::uint32_t>(kPage, count); ++i)
      page += lines[rings[user][(count - 1 - i) % kRing]];
  }

  std::vector<std::uint32_t> followers;  // of each user after the other
  std::vector<std::size_t> first;        // where those of a user begin
  std::vector<std::string> lines{1};     // by a post's id
  std::vector<Ring> rings, rings_before;
  std::vector<std::uint32_t> counts, counts_before;
};
// To push is a store for each follower; to read, fifty lines to copy. So cheap are both that stars
// need no treatment of their own.
void memory(InMemory& service, Output&) {
  service.serve(
      [&](const Operation& operation) {
        service.push(service.put(operation), operation.user, operation.text);
      },
      [&](std::int64_t user, std::string& page) { service.read(user, page); });
}

constexpr auto kNaive = run<naive>;
constexpr auto kIndex = run<index>;
constexpr auto kNewestFirst = run<newest_first>;
constexpr auto kPush = run<push>;
constexpr auto kHybrid = run<hybrid>;
constexpr auto kMemory = run<memory>;
#else
constexpr auto kNaive = kNotBuilt, kIndex = kNotBuilt, kNewestFirst = kNotBuilt, kPush = kNotBuilt,
               kHybrid = kNotBuilt, kMemory = kNotBuilt;
#endif

constexpr Need kNeeds[] = {kSqlite};

constexpr Variant<TimelineFanout> kVariants[] = {
    {.name = "naive",
     .run = kNaive,
     .what = "each read selects the newest posts of whom the reader follows, from all there are",
     .max_n = 16,
     .needs = kNeeds},
    {.name = "index",
     .run = kIndex,
     .what =
         "indexes lead to whom the reader follows, and to all that they posted, which is sorted",
     .needs = kNeeds},
    {.name = "newest_first",
     .run = kNewestFirst,
     .what = "posts from the newest on, each checked against whom the reader follows, until a page "
             "is full",
     .needs = kNeeds},
    {.name = "push",
     .run = kPush,
     .what = "a post is put into each follower's timeline, by its transaction: a read finds a page "
             "in order",
     .needs = kNeeds},
    {.name = "hybrid",
     .run = kHybrid,
     .what = "posts of the few with more than 400 followers are pulled, those of all others pushed",
     .needs = kNeeds},
    {.name = "memory",
     .run = kMemory,
     .what = "timelines are rings of ids in memory, made anew from the posts at a start; lines are "
             "written once",
     .needs = kNeeds},
};

const Registrar kRegistrar({.name = "scenario/timeline_fanout",
                            .axis = Axis::kScalar,
                            .technique = "work moved from the many reads to the few writes",
                            .sizes = {16, 128},
                            .headline = {16, 128},
                            .clock = Clock::kWall,
                            .promise = Promise::kExact | Promise::kOrdered | Promise::kFresh |
                                       Promise::kConsistent,
                            .demand =
                                [](const Setting& s) {
                                  return Demand{.items = static_cast<double>(s.n),
                                                .working_set = std::size_t{8} << 20,
                                                .memory = std::size_t{128} << 20,
                                                .scratch = std::size_t{256} << 20,
                                                .written = 4096 * s.n};
                                },
                            .test_sizes = {0, 1, 5}},
                           kVariants);

}  // namespace
}  // namespace headroom
