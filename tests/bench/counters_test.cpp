// Hardware counters against sources that are made up, and perf_event_open(2) against software
// events, which every Linux has.
#include "bench/counters.h"

#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <limits>
#include <map>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "bench/perf_counters.h"
#include "catch.h"

#ifdef __linux__
#include <linux/perf_event.h>
#endif

namespace headroom {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

// An arm of which only run() does something.
class BodyArm final : public Arm {
 public:
  explicit BodyArm(std::function<void(std::size_t)> body) : body_(std::move(body)) {}
  void refill(std::size_t) override {}
  void run(std::size_t calls) override { body_(calls); }
  void poison() override {}
  bool spoil(Spoil) override { return false; }
  absl::Status agrees_with(const Arm&) const override { return absl::OkStatus(); }
  std::size_t turn() const override { return 0; }
  void set_turn(std::size_t) override {}
  bool rotates() const override { return false; }

 private:
  std::function<void(std::size_t)> body_;
};

// Two counters of one thread that stand at what the test says; every read costs 7 and 5.
struct FakeSource final : CounterSource {
  std::vector<std::string_view> listed = {"cycles", "instructions"};
  std::vector<std::uint64_t> now = {1000, 2000};
  std::uint64_t enabled = 500, running = 500;
  int reads = 0;
  const std::vector<std::string_view>& names() const override { return listed; }
  std::vector<CounterReading> read() override {
    ++reads;
    now[0] += 7;
    now[1] += 5;
    enabled += 100;
    running += 100;
    return {{now, enabled, running}};
  }
};

TEST_CASE("what is counted is the difference, summed over threads") {
  const std::vector<CounterReading> before = {{{10, 100}, 50, 50}, {{5, 5}, 10, 10}};
  const std::vector<CounterReading> after = {{{30, 160}, 60, 60}, {{6, 7}, 20, 20}};
  CHECK(counted(before, after) == std::vector<double>{21, 62});
}

TEST_CASE("counters that share the hardware are scaled, each thread by its own share") {
  const std::vector<CounterReading> before = {{{0}, 0, 0}, {{0}, 0, 0}};
  CHECK(counted(before, {{{30}, 100, 50}, {{10}, 100, 100}}) == std::vector<double>{70});
  // A thread that slept has nothing to scale.
  CHECK(counted(before, {{{30}, 100, 50}, {{0}, 0, 0}}) == std::vector<double>{60});
  // A tenth of the time says too little of the rest, and nothing says nothing.
  CHECK(std::isnan(counted(before, {{{3}, 100, 10}, {{10}, 100, 100}})[0]));
  CHECK(std::isnan(counted(before, {{{0}, 100, 0}, {{10}, 100, 100}})[0]));
}

TEST_CASE("a call's count is the median of the epochs, less the empty one") {
  const std::vector<std::string_view> names = {"cycles", "instructions", "cache_misses"};
  const std::vector<double> empty = {10, 4, kNone};
  const auto found =
      counts_per_call(names, {{110, kNone, kNone}, {90, 24, kNone}, {130, 44, kNone}}, empty, 10);
  CHECK(found == std::map<std::string, double>{{"cycles", 10.0}, {"instructions", 3.0}});
  CHECK(counts_per_call({"cycles"}, {{3}}, {10}, 1).at("cycles") == 0);
  CHECK(counts_per_call({"cycles"}, {}, {10}, 1).empty());
}

TEST_CASE("an epoch is read once before and once after, and reading it is no part of the call") {
  FakeSource source;
  std::size_t called = 0;
  int reads_at_start = 0;
  BodyArm arm([&](std::size_t calls) {
    reads_at_start = source.reads;
    called = calls;
    source.now[0] += 30 * calls;
    source.now[1] += 60 * calls;
  });
  const std::vector<double> whole = count_epoch(source, arm, 8);
  CHECK(called == 8);
  CHECK(reads_at_start == 1);
  CHECK(source.reads == 2);
  const std::vector<double> empty = count_empty_epoch(source, arm);
  CHECK(empty == std::vector<double>{7, 5});
  const auto found = counts_per_call(source.names(), {whole}, empty, 8);
  CHECK(found == std::map<std::string, double>{{"cycles", 30.0}, {"instructions", 60.0}});
}

TEST_CASE("the factory stands in for this system's counters") {
  set_counter_factory([] { return CountersOpened{nullptr, "made up", "cure"}; });
  CHECK(open_counters().why == "made up");
  set_counter_factory(nullptr);
  const CountersOpened own = open_counters();
  CHECK((own.source != nullptr) == own.why.empty());
  CHECK(own.why.empty() == own.cure.empty());
}

#ifdef __linux__

TEST_CASE("why there are no counters, and the cure") {
  const auto cure = [](int error, int paranoid, bool virtual_machine) {
    return why_no_counters(error, paranoid, virtual_machine).cure;
  };
  CHECK(cure(EACCES, 3, false) == "sudo sysctl kernel.perf_event_paranoid=2");
  CHECK(cure(EPERM, 4, true) == "sudo sysctl kernel.perf_event_paranoid=2");
  CHECK(cure(EPERM, 2, false).find("docker") != std::string::npos);
  CHECK(cure(ENOENT, 2, true).find("bare machine") != std::string::npos);
  CHECK(cure(ENOENT, 2, false).find("newer kernel") != std::string::npos);
  CHECK(cure(ENOSYS, -100, false).find("boot") != std::string::npos);
  CHECK(why_no_counters(EACCES, 3, true).why.find("perf_event_paranoid is 3") != std::string::npos);
}

constexpr std::size_t kPages = 100;

// A sanitizer touches pages of its own for each that the program touches.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::size_t kShadow = 8;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
constexpr std::size_t kShadow = 8;
#else
constexpr std::size_t kShadow = 1;
#endif
#else
constexpr std::size_t kShadow = 1;
#endif

// Touches fresh pages: one page fault each.
void touch_pages() {
  const std::size_t page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  void* memory =
      mmap(nullptr, kPages * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) std::abort();
  madvise(memory, kPages * page, MADV_NOHUGEPAGE);
  for (std::size_t i = 0; i < kPages; ++i) static_cast<volatile char*>(memory)[i * page] = 1;
  munmap(memory, kPages * page);
}

const PerfEvent kFaults = {"cycles", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_PAGE_FAULTS};
const PerfEvent kNoSuchEvent = {"branch_misses", PERF_TYPE_HARDWARE, 0xfff};
const PerfEvent kClock = {"instructions", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_TASK_CLOCK};

// The page faults that `body` counts as, per perf_event_open; -1 where it may not be called.
double faults_of(const std::function<void()>& body) {
  const CountersOpened opened = open_perf_events({kFaults, kNoSuchEvent, kClock});
  if (opened.source == nullptr) {
    WARN("no perf events here: " << opened.why);
    return -1;
  }
  // What the machine lacks is left out, and the rest still counts.
  CHECK(opened.source->names() == std::vector<std::string_view>{"cycles", "instructions"});
  BodyArm arm([&](std::size_t) { body(); });
  return count_epoch(*opened.source, arm, 1).at(0);
}

TEST_CASE("perf events count the calling thread") {
  const double faults = faults_of(touch_pages);
  if (faults < 0) return;
  CHECK(faults >= kPages);
  CHECK(faults < 2 * kPages * kShadow);
  CHECK(faults_of([] {}) < kPages / 2);
}

TEST_CASE("perf events count threads that were there before, and those started later") {
  std::atomic<int> go{0};
  std::thread before([&] {
    while (go == 0) std::this_thread::yield();
    touch_pages();
    go = 2;
    while (go != 3) std::this_thread::yield();
  });
  const double faults = faults_of([&] {
    go = 1;
    while (go != 2) std::this_thread::yield();
    std::thread(touch_pages).join();
  });
  go = 1;
  while (faults < 0 && go != 2) std::this_thread::yield();
  go = 3;
  before.join();
  if (faults < 0) return;
  CHECK(faults >= 2 * kPages);
  CHECK(faults < 4 * kPages * kShadow);
}

TEST_CASE("without any event that can be counted there is no source, and a reason") {
  const CountersOpened opened = open_perf_events({kNoSuchEvent});
  CHECK(opened.source == nullptr);
  CHECK(!opened.why.empty());
  CHECK(!opened.cure.empty());
}

#endif

}  // namespace
}  // namespace headroom
