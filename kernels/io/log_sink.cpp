// io/log_sink: requests that each write a line to a log.
//
// n requests arrive as from many independent users, 2,500 per second (open loop, Poisson), and one
// thread answers them: each brings a document of 96 KiB, whose hash it computes, byte by byte,
// which takes it some 100 us, and logs, in a line of up to 48 bytes. Out: all replies, and of each
// request the line that the log then holds, in order. The measure is p99, the latency that one
// request in a hundred exceeds.
//
// The naive service waits until its line is durable, as an audit log demands, and users also wait
// for the flushes of the users before them. The wait in line grows with utilization / (1 -
// utilization), so a flush costs its own time several times over, the more the nearer the service
// is to its capacity. Where the disk takes longer than 0.3 ms to be sure, the naive service can't
// keep up at this rate, and its latency grows with n.
//
// Who can do without durability need not wait for the disk at all: a writer in the background takes
// the lines from a bounded queue. That is a weaker promise, and is shown apart: what was answered
// last may be lost, with a crash of the machine or (what is still in the queue) of the program. A
// full queue makes requests wait: nothing is dropped, and memory is bounded; a log that drops lines
// instead, and counts them, keeps its latency and loses its completeness.
#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <chrono>
#include <exception>
#include <span>
#include <thread>

#include "core/cpu.h"
#include "support/bounded_queue.h"
#include "support/disk.h"
#include "support/files.h"
#include "support/served.h"

namespace headroom {
namespace {

constexpr double kPerSecond = 2'500;
constexpr std::size_t kDocument = std::size_t{96} << 10;
// All documents lie in one array that L2 holds: what is measured is not how they come from memory.
constexpr std::size_t kDocuments = std::size_t{512} << 10;
constexpr std::size_t kRoom = 1024;  // of the queue, in lines

struct LogLine {
  std::array<char, 48> text;
  std::size_t size = 0;
};

struct LogSink {
  struct Request {
    std::uint32_t number = 0;
    std::span<const unsigned char> document = {};
  };
  struct Reply {
    std::uint64_t hash;
    std::uint64_t logged;  // of the line that the log holds of it; 0 where it has none
    friend bool operator==(const Reply&, const Reply&) = default;
  };
  struct Input {
    std::vector<unsigned char> documents;
    std::vector<Request> requests;
    Arrivals arrivals;
  };
  using Output = std::vector<Reply>;

  static Input make(const Setting& setting, Rng& rng) {
    FastRng fast(rng());
    Input in;
    in.documents.resize(kDocuments);
    for (unsigned char& byte : in.documents) byte = static_cast<unsigned char>(fast() >> 56);
    in.requests.resize(setting.n);
    std::uint32_t number = 0;
    for (Request& request : in.requests) {
      request.number = number++;
      const std::size_t begin = bounded(fast, kDocuments - kDocument);
      request.document = std::span(in.documents).subspan(begin, kDocument);
    }
    in.arrivals = poisson_arrivals(setting.n, kPerSecond, fast());
    return in;
  }
  static LoadPlan plan(const Input& in, const Setting&) { return {.arrivals = in.arrivals}; }
  static absl::Status same(const Input&, const Output& want, const Output& got) {
    return exact(want, got);
  }
};

std::uint64_t fnv1a(const void* bytes, std::size_t size) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (std::size_t i = 0; i < size; ++i)
    hash = (hash ^ static_cast<const unsigned char*>(bytes)[i]) * 0x100000001b3;
  return hash;
}

// What every service does with a request, but for writing the line.
LogLine serve_request(const LogSink::Request& request, LogSink::Reply& reply) {
  reply.hash = fnv1a(request.document.data(), request.document.size());
  LogLine line;
  char* const end = line.text.data() + line.text.size();
  char* to = std::to_chars(line.text.data(), end, request.number).ptr;
  *to++ = ' ';
  to = std::to_chars(to, end, reply.hash).ptr;
  *to++ = '\n';
  line.size = static_cast<std::size_t>(to - line.text.data());
  return line;
}

// Of each line of a log, in order, its hash. Lines that were lost leave a 0 at the end, so that
// what follows a lost line can't pass for it.
void read_log(int fd, LogSink::Output& out) {
  std::vector<unsigned char> log;
  files::contents(fd, log);
  for (LogSink::Reply& reply : out) reply.logged = 0;
  std::size_t line = 0;
  for (auto at = log.begin(); line < out.size(); ++line) {
    const auto end = std::find(at, log.end(), '\n');
    if (end == log.end()) break;
    out[line].logged = fnv1a(&*at, static_cast<std::size_t>(end - at));
    at = end + 1;
  }
}

// Written in the request. A request must not throw (load.h), so the first error is kept, and ends
// the measurement.
struct InRequest {
  explicit InRequest(const LogSink::Input&) { files::require(fsync(file.fd()) == 0, "fsync"); }
  void write(const LogLine& line, bool durable) { write(line.text.data(), line.size, durable); }
  void write(const char* text, std::size_t size, bool durable) {
    try {
      files::write_all(file.fd(), text, size);
      files::require(!durable || fdatasync(file.fd()) == 0, "fdatasync");
    } catch (...) {
      if (!error) error = std::current_exception();
    }
  }
  void answer(LogSink::Output& out) const {
    if (error) std::rethrow_exception(error);
    read_log(file.fd(), out);
  }
  ScratchFile file;
  std::exception_ptr error;
};

void naive(InRequest& log, const LogSink::Request& request, LogSink::Reply& reply) {
  log.write(serve_request(request, reply), true);
}

// A log that was written over in advance: there is no length to make durable with each line.
struct LaidOut : InRequest {
  explicit LaidOut(const LogSink::Input& in) : InRequest(in) {
    const std::vector<unsigned char> nothing(
        disk::round_up(in.requests.size() * sizeof(LogLine::text)), 0);
    files::write_all(file.fd(), nothing.data(), nothing.size());
    files::require(fsync(file.fd()) == 0, "fsync");
    files::rewind(file.fd());
  }
};
void preallocated(LaidOut& log, const LogSink::Request& request, LogSink::Reply& reply) {
  log.write(serve_request(request, reply), true);
}

// Whoever waits while the disk is at work shares the next flush: the more there are, the fewer
// flushes a request, so the line can't grow without end. The first to come also waits for the work
// of the others. (Redis does this with appendfsync always: all clients that are ready, one write,
// one flush, then all replies.)
void group(LaidOut& log, std::span<const LogSink::Request> requests,
           std::span<LogSink::Reply> replies) {
  std::vector<char> block;
  for (std::size_t i = 0; i < requests.size(); ++i) {
    const LogLine line = serve_request(requests[i], replies[i]);
    block.insert(block.end(), line.text.data(), line.text.data() + line.size);
  }
  log.write(block.data(), block.size(), true);
}

// The system has the line when the request is answered, the disk some seconds later.
void written(InRequest& log, const LogSink::Request& request, LogSink::Reply& reply) {
  log.write(serve_request(request, reply), false);
}

// A writer in the background on the next core, which looks for lines every millisecond, and writes
// and makes durable all that are there.
class Background {
 public:
  explicit Background(const LogSink::Input&) : writer_([this] { work(); }) {}
  ~Background() {
    queue_.close();
    writer_.join();
  }
  Background(const Background&) = delete;
  void log(const LogLine& line) {
    ++handed_over_;
    queue_.push({line, Now::now()});
  }
  void answer(LogSink::Output& out) const {
    wait();
    read_log(file_.fd(), out);
  }
  // How long after the request its line is durable.
  Quantities quantities() const {
    wait();
    return {{"durable_lag_p99", {static_cast<double>(lag_.percentile(99)), "ns"}}};
  }

 private:
  using Now = std::chrono::steady_clock;
  struct Job {
    LogLine line;
    Now::time_point at;
  };
  void work() {
    pin_to_core(1);
    std::vector<Job> jobs;
    std::vector<char> block;
    for (Now::time_point tick = Now::now(); queue_.pop_all(jobs);) {
      if (!jobs.empty()) {
        block.clear();
        for (const Job& job : jobs)
          block.insert(block.end(), job.line.text.data(), job.line.text.data() + job.line.size);
        write(block);
        for (const Job& job : jobs)
          lag_.record(
              static_cast<std::uint64_t>((Now::now() - job.at) / std::chrono::nanoseconds(1)));
        done_.fetch_add(jobs.size(), std::memory_order_release);
        done_.notify_one();
      }
      tick = std::max(tick + std::chrono::milliseconds(1), Now::now());
      std::this_thread::sleep_until(tick);
    }
  }
  void write(const std::vector<char>& block) {
    try {
      files::write_all(file_.fd(), block.data(), block.size());
      files::require(fdatasync(file_.fd()) == 0, "fdatasync");
    } catch (...) {
      error_ = std::current_exception();
    }
  }
  void wait() const {
    for (std::size_t done = done_.load(std::memory_order_acquire); done != handed_over_;
         done = done_.load(std::memory_order_acquire))
      done_.wait(done, std::memory_order_acquire);
    if (error_) std::rethrow_exception(error_);
  }

  ScratchFile file_;
  std::size_t handed_over_ = 0;
  BoundedQueue<Job> queue_{kRoom};
  LatencyRecorder lag_;
  std::exception_ptr error_;
  std::atomic<std::size_t> done_{0};
  std::thread writer_;
};

// The request pays for a lock and a copy of the line. It wakes nobody: the writer comes by itself.
void queue(Background& background, const LogSink::Request& request, LogSink::Reply& reply) {
  background.log(serve_request(request, reply));
}

constexpr Need kNeedsDisk[] = {disk::kDisk};
constexpr Need kNeedsCores[] = {disk::kDisk, kTwoCores};

constexpr Variant<LogSink> kVariants[] = {
    {.name = "naive",
     .run = serve<naive>,
     .what = "the line is appended and made durable before the reply: users wait for the disk, and "
             "for each other",
     .needs = kNeedsDisk},
    {.name = "preallocated",
     .run = serve<preallocated>,
     .what = "into a log that was written over in advance: one write and one flush a line; durable",
     .needs = kNeedsDisk},
    {.name = "group",
     .run = serve<group>,
     .what = "the same, and all requests that are there share one write and one flush; durable",
     .needs = kNeedsDisk},
    {.name = "written",
     .run = serve<written>,
     .what = "write(2) alone: no wait for the disk",
     .promise = Promise::kExact,
     .promise_note = "survives a crash of the program, not of the machine",
     .needs = kNeedsDisk},
    {.name = "queue",
     .run = serve<queue>,
     .what = "a bounded queue to a writer on another core, which makes durable all that is there "
             "at once",
     .promise = Promise::kExact,
     .promise_note = "a crash loses lines that are not durable yet; a full queue makes requests "
                     "wait, and drops nothing",
     .needs = kNeedsCores},
};

const Registrar kRegistrar(
    {.name = "io/log_sink",
     .axis = Axis::kStorageSync,
     .technique = "one flush for all who wait, or a log that is written in the background",
     .sizes = {100, 200, 400, 800},
     .headline = {100},
     .one_group = true,
     .clock = Clock::kWall,
     .warm = Warm::kNone,
     .measure = {.name = "p99", .unit = "ns"},
     .promise = Promise::kExact | Promise::kDurable,
     .demand =
         [](const Setting& s) {
           const std::size_t requests = s.n * sizeof(LogSink::Request);
           return Demand{.items = static_cast<double>(s.n),
                         .working_set = requests + kDocuments,
                         .memory = 2 * requests + (std::size_t{16} << 20),
                         .scratch = 8 * s.n * sizeof(LogLine) + (std::size_t{16} << 20),
                         .written = s.n * sizeof(LogLine)};
         },
     .test_sizes = {0, 1, 2, 3, 64, 200}},
    kVariants);

}  // namespace
}  // namespace headroom
