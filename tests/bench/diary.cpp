#include "diary.h"

#include "bench/slot.h"

namespace headroom::diary {
namespace {

void tick(std::int64_t ns) {
  book().wall += ns;
  book().cpu += ns;
}

std::int64_t read_wall() {
  if (book().keep) book().entries.push_back({What::kWall});
  const std::int64_t now = book().wall;
  tick(book().wall_read ? book().wall_read(now) : kWallRead);
  return now;
}

std::int64_t read_cpu() {
  if (book().keep) book().entries.push_back({What::kCpu});
  const std::int64_t now = book().cpu;
  tick(kCpuRead);
  return now;
}

}  // namespace

Diary& book() {
  static Diary only;
  return only;
}

MadeUpTime::MadeUpTime() : real_(clocks) {
  book() = {};
  book().scripts.resize(kScripts);
  clocks = {read_wall, read_cpu};
  set_counter_factory([] { return CountersOpened{nullptr, "a test has none", "none"}; });
}

MadeUpTime::~MadeUpTime() {
  clocks = real_;
  set_counter_factory(nullptr);
  drop_instances();
}

void called(std::size_t who, std::size_t turn, std::size_t nth, std::vector<std::size_t>& output) {
  Diary& d = book();
  const Script& script = d.scripts[who];
  if (d.keep) d.entries.push_back({What::kCall, who, turn});
  ++d.counted;
  if (nth >= script.throws_from_call) throw std::runtime_error("no such luck");
  const std::int64_t wall = script.wall_of ? script.wall_of(nth) : script.wall_ns;
  d.in_a_row = d.last_who == who ? d.in_a_row + 1 : 0;
  d.last_who = who;
  const std::int64_t cold = d.in_a_row < script.cold_calls ? script.cold_ns : 0;
  d.wall += wall + cold;
  d.cpu += (script.wall_of ? wall : script.cpu_ns) + cold;
  if (!script.writes) return;
  output = {turn, turn + 1, turn + 2};
  if (nth >= script.wrong_from_call || (script.wrong_at && script.wrong_at(turn))) ++output[1];
}

Metadata metadata(const std::string& name) {
  return {.name = name,
          .axis = Axis::kScalar,
          .technique = "none: for tests",
          .sizes = {256},
          .headline = {256},
          .demand = [](const Setting&) {
            return Demand{.items = 4, .bytes = 8, .flops = 2, .accesses = 3, .working_set = 4096};
          }};
}

Work::Work(Kernel made, std::size_t n, int threads) : kernel_(std::move(made)) {
  ladder.kernel = &kernel_;
  ladder.n = n;
  ladder.input = kernel_.meta.inputs.front();
  ladder.threads = threads;
  ladder.groups.emplace_back();
  for (std::size_t i = 0; i < kernel_.variants.size(); ++i)
    ladder.groups.front().push_back({i, kernel_.variants[i].single_thread ? 1 : threads});
  own.n = n;
  own.input = ladder.input;
  own.threads = threads;
  own.group = 0;
  whole.kernel = kernel_.meta.name;
  whole.seed = 1;
}

void Work::follow(const std::vector<PlannedArm>& arms, Reported clock) {
  options.pilot = false;
  options.planned = true;
  options.launch = 1;
  own.clock = clock;
  own.rounds = 10;
  for (const PlannedArm& arm : arms)
    own.arms.push_back({arm.variant, ladder.threads, arm.calls, false, 0, ""});
}

LadderSession& Work::session() {
  if (session_ == nullptr) session_ = std::make_unique<LadderSession>(ladder, own, whole, options);
  return *session_;
}

LadderSession& Work::prepared() {
  session().prepare();
  if (options.calibrates()) session().calibrate();
  return session();
}

LadderSession& Work::rounds(std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) session().round(i + 1 == count);
  return session();
}

std::string thrown(const std::function<void()>& body) {
  try {
    body();
  } catch (const Mismatch& error) {
    return std::string("mismatch: ") + error.what();
  } catch (const std::exception& error) {
    return error.what();
  }
  return "";
}

std::vector<Epoch> timed(std::size_t from) {
  const std::vector<Entry>& all = book().entries;
  std::vector<Epoch> found;
  std::size_t warm = 0, warm_first = 0;  // of the run before, where nothing else came between
  for (std::size_t i = std::max<std::size_t>(from, 2); i < all.size(); ++i) {
    if (all[i].what == What::kCompare || all[i].what == What::kMade) warm = 0;
    if (all[i].what != What::kRun) continue;
    const std::size_t calls = all[i].n, end = i + calls + 1;
    const auto is = [&](std::size_t at, What what) {
      return at < all.size() && all[at].what == what;
    };
    const bool by_cpu = is(i - 2, What::kWall) && is(i - 1, What::kCpu) && is(end, What::kCpu) &&
                        is(end + 1, What::kWall);
    const bool by_wall = is(i - 2, What::kCpu) && is(i - 1, What::kWall) && is(end, What::kWall) &&
                         is(end + 1, What::kCpu);
    if (!by_cpu && !by_wall) {
      warm = calls;
      warm_first = calls == 0 ? 0 : all[i + 1].n;
      continue;
    }
    if (calls != 0)
      found.push_back({all[i].who, all[i + 1].n, calls, warm, warm == 0 ? 0 : warm_first,
                       by_cpu ? Reported::kCpu : Reported::kWall, i});
    warm = 0;
  }
  return found;
}

}  // namespace headroom::diary
