#include "support/mpi/session.h"

#ifdef __linux__
#include <signal.h>
#include <sys/prctl.h>
#endif
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace headroom::cluster {
namespace {

// --- communicators

// The first ranks of a job. Orders and replies have a communicator of their own, so that they are
// never taken for a kernel's messages.
struct Group {
  MPI_Comm kernel = MPI_COMM_NULL;
  MPI_Comm control = MPI_COMM_NULL;
};

MPI_Comm orders = MPI_COMM_NULL;  // of all ranks
int spoiled_rank = -1;            // the last one

std::map<int, Group>& groups() {
  static std::map<int, Group> all;
  return all;
}

// Collective over the first `ranks` ranks.
const Group& group_of(int ranks) {
  Group& group = groups()[ranks];
  if (group.kernel != MPI_COMM_NULL) return group;
  MPI_Group all = MPI_GROUP_NULL, first = MPI_GROUP_NULL;
  MPI_Comm_group(MPI_COMM_WORLD, &all);
  int range[1][3] = {{0, ranks - 1, 1}};
  MPI_Group_range_incl(all, 1, range, &first);
  MPI_Comm_create_group(MPI_COMM_WORLD, first, 0, &group.kernel);
  MPI_Comm_dup(group.kernel, &group.control);
  MPI_Group_free(&first);
  MPI_Group_free(&all);
  return group;
}

// --- what rank 0 tells the others

enum class Do { kBind, kMake, kPoison, kEpoch, kSettle, kCompare, kSpoil, kDropArm, kDrop, kEnd };

// Copied byte by byte: all ranks run the same program.
struct Order {
  Do what = Do::kEnd;
  int id = 0;     // of the instance or arm that it is about
  int other = 0;  // kMake: the instance; kCompare: the baseline's arm
  std::size_t variant = 0;
  Spoil how = Spoil::kFirst;
  std::size_t count = 0;  // kEpoch: calls; kSettle: how many calls back
  std::size_t turn = 0;
  // kBind: the setting.
  std::size_t n = 0;
  std::uint64_t seed = 0;
  int threads = 1;
  int ranks = 1;
  int params = 0;
  char kernel[64] = {};
  char input[64] = {};
  char names[8][32] = {};
  std::int64_t values[8] = {};
};

struct Reply {
  bool good = true;
  char text[240] = {};
};

constexpr int kOrder = 1, kReply = 2;

void copy_text(std::span<char> to, std::string_view text) {
  const std::size_t size = std::min(text.size(), to.size() - 1);
  std::memcpy(to.data(), text.data(), size);
  to[size] = 0;
}

Reply reply_of(const absl::Status& status) {
  Reply reply{status.ok()};
  const std::string text(status.message());
  copy_text(reply.text, text);
  return reply;
}

// What a step gave on this rank: an exception is a reply like another.
Reply attempted(const std::function<absl::Status()>& step) {
  try {
    return reply_of(step());
  } catch (const std::exception& error) {
    return reply_of(absl::InternalError(error.what()));
  }
}

// The epoch that the others are ready for, if any: of its arm the calls, and where they wait.
struct Awaited {
  std::size_t* calls = nullptr;
  MPI_Comm control = MPI_COMM_NULL;
};
Awaited awaited;

constexpr std::uint64_t kPoisonFirst = ~std::uint64_t{0};

// Rank 0 says how many calls to make, and the others wait until it does. 0: none, it has changed
// its mind; kPoisonFirst: overwrite the output, and wait again.
std::uint64_t say_or_wait_for_go(MPI_Comm control, std::uint64_t go) {
  MPI_Bcast(&go, 1, MPI_UINT64_T, 0, control);
  return go;
}

// They take no order while they wait for an epoch.
void call_off() {
  if (awaited.calls == nullptr) return;
  *awaited.calls = 0;
  say_or_wait_for_go(awaited.control, 0);
  awaited = {};
}

void tell(const Order& order, int ranks) {
  call_off();
  for (int rank = 1; rank < ranks; ++rank)
    MPI_Send(&order, sizeof order, MPI_BYTE, rank, kOrder, orders);
}

void answer(const Reply& reply) { MPI_Send(&reply, sizeof reply, MPI_BYTE, 0, kReply, orders); }

// All replies are taken, and the first that isn't good is told with its rank. A job of one rank has
// no need to be told which.
absl::Status hear(const Reply& own, int ranks) {
  std::string wrong;
  for (int rank = 0; rank < ranks; ++rank) {
    Reply reply = own;
    if (rank != 0)
      MPI_Recv(&reply, sizeof reply, MPI_BYTE, rank, kReply, orders, MPI_STATUS_IGNORE);
    if (reply.good || !wrong.empty()) continue;
    wrong = "rank " + std::to_string(rank) + ": " + reply.text;
  }
  return wrong.empty() ? absl::OkStatus() : absl::FailedPreconditionError(wrong);
}

// The same where anything wrong is an exception.
void require(const absl::Status& status) {
  if (!status.ok()) throw std::runtime_error(std::string(status.message()));
}

// --- an epoch, on all ranks

void tell_done(MPI_Comm control) {
  const int own = 1;
  int all = 0;
  MPI_Reduce(&own, &all, 1, MPI_INT, MPI_SUM, 0, control);
}

void run_or_abort(Arm& arm, std::size_t calls) {
  try {
    arm.run(calls);
  } catch (const std::exception& error) {
    abort_job(error.what());
  }
}

// --- rank 0's instances and arms

int last_id = 0;
bool session_lasts = false;

class LeadingArm final : public Arm {
 public:
  // `how` says which variant of which instance; the arm is made on all ranks.
  LeadingArm(Order how, int ranks, const std::function<std::unique_ptr<Arm>()>& make)
      : id_(how.id), ranks_(ranks), control_(group_of(ranks).control) {
    tell(how, ranks);
    const Reply own = attempted([&] {
      own_ = make();
      return absl::OkStatus();
    });
    if (const absl::Status all = hear(own, ranks); !all.ok()) {
      drop();
      throw std::runtime_error(std::string(all.message()));
    }
  }
  ~LeadingArm() override { drop(); }
  LeadingArm(const LeadingArm&) = delete;
  LeadingArm& operator=(const LeadingArm&) = delete;

  // An epoch without calls is none: rank 0's own overhead is measured by it.
  void refill(std::size_t calls) override {
    own_->refill(calls);
    if (calls == 0) return;
    Order order = about(Do::kEpoch);
    order.count = calls;
    order.turn = own_->turn();
    tell(order, ranks_);
    ready_ = calls;
    awaited = {&ready_, control_};
    require(hear({}, ranks_));
  }
  void run(std::size_t calls) override {
    if (calls == 0) return own_->run(0);
    if (calls != ready_) throw std::logic_error("an epoch that its refill() was not for");
    ready_ = 0;
    awaited = {};
    say_or_wait_for_go(control_, calls);
    run_or_abort(*own_, calls);
    tell_done(control_);
  }
  void poison() override {
    own_->poison();
    if (ready_ != 0) {
      say_or_wait_for_go(control_, kPoisonFirst);
      return;
    }
    tell(about(Do::kPoison), ranks_);
    require(hear({}, ranks_));
  }
  void settle() override { settle_earlier(0); }
  std::size_t results() const override { return own_->results(); }
  void settle_earlier(std::size_t back) override {
    Order order = about(Do::kSettle);
    order.count = back;
    tell(order, ranks_);
    require(hear(attempted([&] {
                   if (back == 0)
                     own_->settle();
                   else
                     own_->settle_earlier(back);
                   return absl::OkStatus();
                 }),
                 ranks_));
  }
  absl::Status agrees_with(const Arm& baseline) const override {
    const auto& other = static_cast<const LeadingArm&>(baseline);
    Order order = about(Do::kCompare);
    order.other = other.id_;
    tell(order, ranks_);
    return hear(attempted([&] { return own_->agrees_with(*other.own_); }), ranks_);
  }
  // On the rank that spoil_on() names, or the last; where it has nothing to change, on one before.
  bool spoil(Spoil how) override {
    const int first = spoiled_rank < 0 ? ranks_ - 1 : std::min(spoiled_rank, ranks_ - 1);
    call_off();
    for (int rank = first; rank > 0; --rank) {
      Order order = about(Do::kSpoil);
      order.how = how;
      MPI_Send(&order, sizeof order, MPI_BYTE, rank, kOrder, orders);
      Reply reply;
      MPI_Recv(&reply, sizeof reply, MPI_BYTE, rank, kReply, orders, MPI_STATUS_IGNORE);
      if (reply.good) return true;
    }
    return own_->spoil(how);
  }
  std::size_t turn() const override { return own_->turn(); }
  void set_turn(std::size_t turn) override { own_->set_turn(turn); }
  bool rotates() const override { return own_->rotates(); }
  double build_ns() const override { return own_->build_ns(); }
  Quantities quantities() const override {
    Quantities all = own_->quantities();
    all["hosts"] = {static_cast<double>(job()->hosts(ranks_)), "hosts"};
    return all;
  }
  std::string refused() const override { return own_->refused(); }

 private:
  Order about(Do what) const {
    Order order;
    order.what = what;
    order.id = id_;
    return order;
  }
  void drop() {
    if (!session_lasts) return;
    tell(about(Do::kDropArm), ranks_);
    own_.reset();
  }

  const int id_;
  const int ranks_;
  MPI_Comm control_;
  std::unique_ptr<Arm> own_;
  std::size_t ready_ = 0;  // the calls of the epoch that all are ready for
};

class LeadingInstance final : public Instance {
 public:
  LeadingInstance(const Order& order, const std::function<std::unique_ptr<Instance>()>& bind)
      : id_(order.id), ranks_(order.ranks) {
    tell(order, ranks_);
    group_of(ranks_);
    const Reply own = attempted([&] {
      own_ = bind();
      return absl::OkStatus();
    });
    if (const absl::Status all = hear(own, ranks_); !all.ok()) {
      drop();
      throw std::runtime_error(std::string(all.message()));
    }
  }
  ~LeadingInstance() override { drop(); }
  LeadingInstance(const LeadingInstance&) = delete;
  LeadingInstance& operator=(const LeadingInstance&) = delete;

  std::unique_ptr<Arm> arm(std::size_t variant, int threads) const override {
    Order order;
    order.what = Do::kMake;
    order.id = ++last_id;
    order.other = id_;
    order.variant = variant;
    order.threads = threads;
    return std::make_unique<LeadingArm>(order, ranks_, [&] { return own_->arm(variant, threads); });
  }

 private:
  void drop() {
    if (!session_lasts) return;
    Order order;
    order.what = Do::kDrop;
    order.id = id_;
    tell(order, ranks_);
    own_.reset();
  }

  const int id_;
  const int ranks_;
  std::unique_ptr<Instance> own_;
};

Order order_to_bind(const Kernel& kernel, const Setting& setting) {
  Order order;
  order.what = Do::kBind;
  order.id = ++last_id;
  order.n = setting.n;
  order.seed = setting.seed;
  order.threads = setting.threads;
  order.ranks = static_cast<int>(setting.params[kRanks]);
  copy_text(order.kernel, kernel.meta.name);
  copy_text(order.input, setting.input.text());
  const auto& entries = setting.params.entries();
  if (entries.size() > std::size(order.values)) throw std::runtime_error("too many params");
  for (const auto& [name, value] : entries) {
    copy_text(order.names[order.params], name);
    order.values[order.params++] = value;
  }
  if (order.ranks < 1 || order.ranks > job()->ranks())
    throw std::runtime_error("needs " + std::to_string(order.ranks) + " ranks, the job has " +
                             std::to_string(job()->ranks()));
  return order;
}

// How each kernel was bound before: on this rank alone.
std::map<std::string, std::function<std::unique_ptr<Instance>(const Setting&)>>& own_binds() {
  static std::map<std::string, std::function<std::unique_ptr<Instance>(const Setting&)>> all;
  return all;
}

// The rank counts that this job has. Kernels without a param `ranks` (a probe) are rank 0's own.
bool fit_to_job(Kernel& kernel) {
  for (Param& param : kernel.meta.params) {
    if (param.name != kRanks) continue;
    param.values = rank_counts(param.values.front());
    return true;
  }
  return false;
}

void bind_on_all(Kernel& kernel) {
  if (!fit_to_job(kernel)) return;
  const auto own = own_binds()[kernel.meta.name] = kernel.bind;
  // By name: the table of kernels is sorted later.
  kernel.bind = [own, name = kernel.meta.name](const Setting& setting) {
    return std::make_unique<LeadingInstance>(order_to_bind(*find_kernel(name), setting),
                                             [&] { return own(setting); });
  };
}

// --- the other ranks

// Asleep between two looks: a rank that waits awake between epochs would take its core, or a part
// of it, from what rank 0 measures meanwhile.
Order next_order() {
  int there = 0;
  while (true) {
    MPI_Iprobe(0, kOrder, orders, &there, MPI_STATUS_IGNORE);
    if (there != 0) break;
    std::this_thread::sleep_for(std::chrono::microseconds(50));
  }
  Order order;
  MPI_Recv(&order, sizeof order, MPI_BYTE, 0, kOrder, orders, MPI_STATUS_IGNORE);
  return order;
}

Setting setting_of(const Order& order) {
  std::vector<Params::Entry> entries;
  entries.reserve(static_cast<std::size_t>(order.params));
  for (int i = 0; i < order.params; ++i) entries.emplace_back(order.names[i], order.values[i]);
  return {order.n, std::string_view(order.input), order.seed, order.threads,
          Params(std::move(entries))};
}

struct Followed {
  std::unique_ptr<Arm> arm;
  int ranks = 1;
};

class Follower {
 public:
  // False at the end.
  bool obey(const Order& order) {
    switch (order.what) {
      case Do::kBind:
        group_of(order.ranks);
        ranks_[order.id] = order.ranks;
        answer(attempted([&] {
          instances_[order.id] = own_binds().at(order.kernel)(setting_of(order));
          return absl::OkStatus();
        }));
        break;
      case Do::kMake:
        answer(attempted([&] {
          Followed& made = arms_[order.id];
          made.ranks = ranks_.at(order.other);
          made.arm = instances_.at(order.other)->arm(order.variant, order.threads);
          return absl::OkStatus();
        }));
        break;
      case Do::kPoison:
        arm(order.id).poison();
        answer({});
        break;
      case Do::kEpoch:
        epoch(order);
        break;
      case Do::kSettle:
        answer(attempted([&] {
          if (order.count == 0)
            arm(order.id).settle();
          else
            arm(order.id).settle_earlier(order.count);
          return absl::OkStatus();
        }));
        break;
      case Do::kCompare:
        answer(attempted([&] { return arm(order.id).agrees_with(arm(order.other)); }));
        break;
      case Do::kSpoil:
        answer({arm(order.id).spoil(order.how)});
        break;
      case Do::kDropArm:
        arms_.erase(order.id);
        break;
      case Do::kDrop:
        instances_.erase(order.id);
        break;
      case Do::kEnd:
        return false;
    }
    return true;
  }

 private:
  Arm& arm(int id) { return *arms_.at(id).arm; }

  void epoch(const Order& order) {
    Followed& followed = arms_.at(order.id);
    answer(attempted([&] {
      followed.arm->set_turn(order.turn);
      followed.arm->refill(order.count);
      return absl::OkStatus();
    }));
    MPI_Comm control = group_of(followed.ranks).control;
    std::uint64_t calls = kPoisonFirst;
    while ((calls = say_or_wait_for_go(control, 0)) == kPoisonFirst) followed.arm->poison();
    if (calls == 0) return;
    run_or_abort(*followed.arm, calls);
    tell_done(control);
  }

  std::map<int, int> ranks_;  // by instance
  std::map<int, std::unique_ptr<Instance>> instances_;
  std::map<int, Followed> arms_;
};

// --- the job

// "Open MPI v4.1.4, package: Debian Open MPI, ident: ..." -> "Open MPI 4.1.4": the rest may name
// whoever built it.
std::string library() {
  char text[MPI_MAX_LIBRARY_VERSION_STRING] = {};
  int length = 0;
  MPI_Get_library_version(text, &length);
  std::string told(text, static_cast<std::size_t>(length));
  told = told.substr(0, told.find_first_of(",\n"));
  if (const std::size_t v = told.find(" v"); v != std::string::npos) told.erase(v + 1, 1);
  return told.substr(0, 60);
}

// Hosts as MPI takes them: ranks that can share memory are on one.
std::vector<int> host_of_each() {
  int rank = 0, ranks = 1;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &ranks);
  MPI_Comm near = MPI_COMM_NULL;
  MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &near);
  int least = 0;
  MPI_Allreduce(&rank, &least, 1, MPI_INT, MPI_MIN, near);
  MPI_Comm_free(&near);
  std::vector<int> first(static_cast<std::size_t>(ranks));
  MPI_Allgather(&least, 1, MPI_INT, first.data(), 1, MPI_INT, MPI_COMM_WORLD);
  std::map<int, int> number;
  std::vector<int> hosts;
  hosts.reserve(first.size());
  for (const int one : first)
    hosts.push_back(number.try_emplace(one, static_cast<int>(number.size())).first->second);
  return hosts;
}

// As Open MPI reads it.
bool yields() {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): at the start, by one thread
  const char* const asked = std::getenv("OMPI_MCA_mpi_yield_when_idle");
  return asked != nullptr && std::strcmp(asked, "0") != 0 && std::strcmp(asked, "false") != 0;
}

// Throws on all ranks alike where a host has more of them than CPUs: ranks that wait look for
// messages all the time, and would keep each other from working for whole time slices.
void require_cpus(const std::vector<int>& host_of, int rank) {
  const auto host = host_of[static_cast<std::size_t>(rank)];
  const auto here = std::count(host_of.begin(), host_of.end(), host);
  const long cpus = sysconf(_SC_NPROCESSORS_ONLN);
  // So that the largest excess is told, with its two numbers.
  struct {
    long more;
    int rank;
  } own{here > cpus ? here - cpus : 0, rank}, worst{};
  MPI_Allreduce(&own, &worst, 1, MPI_LONG_INT, MPI_MAXLOC, MPI_COMM_WORLD);
  if (worst.more == 0) return;
  long numbers[2] = {here, cpus};
  MPI_Bcast(numbers, 2, MPI_LONG, worst.rank, MPI_COMM_WORLD);
  throw std::runtime_error(
      std::to_string(numbers[0]) + " ranks on a host of " + std::to_string(numbers[1]) +
      " CPUs: ranks that wait spin; fewer ranks, or to test and not to measure "
      "OMPI_MCA_mpi_yield_when_idle=1");
}

// A rank must not outlive whoever started it, mpirun or its daemon, however that ends.
void die_with_parent() {
#ifdef __linux__
  prctl(PR_SET_PDEATHSIG, SIGKILL);
#endif
}

}  // namespace

Session::Session(int* argc, char*** argv) {
  die_with_parent();
  int provided = MPI_THREAD_SINGLE;
  if (MPI_Init_thread(argc, argv, MPI_THREAD_FUNNELED, &provided) != MPI_SUCCESS)
    throw std::runtime_error("MPI_Init failed");
  Job job;
  MPI_Comm_rank(MPI_COMM_WORLD, &job.rank);
  job.host_of = host_of_each();
  job.library = library();
  job.yields = yields();
  const bool tells = job.rank == 0;
  try {
    if (!job.yields) require_cpus(job.host_of, job.rank);
  } catch (const std::runtime_error& error) {
    if (tells) std::fprintf(stderr, "headroom-bench: %s\n", error.what());
    std::fflush(stderr);
    MPI_Finalize();
    std::exit(2);  // NOLINT(concurrency-mt-unsafe): by the one thread that there is
  }
  set_job(std::move(job));
  MPI_Comm_dup(MPI_COMM_WORLD, &orders);
  if (leads())
    adapt_kernels(bind_on_all);
  else
    adapt_kernels([](Kernel& kernel) { own_binds()[kernel.meta.name] = kernel.bind; });
  session_lasts = true;
}

Session::~Session() {
  if (leads()) tell(Order{}, job()->ranks());
  session_lasts = false;
  MPI_Finalize();
}

void Session::follow() {
  Follower follower;
  try {
    while (follower.obey(next_order())) {
    }
  } catch (const std::exception& error) {
    abort_job(error.what());
  }
}

void abort_job(const char* why) {
  std::fprintf(stderr, "headroom-bench: rank %d: %s\n", job()->rank, why);
  std::fflush(stderr);
  MPI_Abort(MPI_COMM_WORLD, 2);
  std::_Exit(2);
}

MPI_Comm comm_of(const Setting& setting) {
  return groups().at(static_cast<int>(setting.params[kRanks])).kernel;
}

void spoil_on(int rank) { spoiled_rank = rank; }

}  // namespace headroom::cluster
