// cluster/pingpong: 32 messages of n bytes from the first rank to the last, and an answer to each.
//
// Out: on both ends all bytes that came; nothing on the ranks between. Each end sends data of its
// own, so that an echo is no answer. An answer doesn't depend on the answers before it: whoever
// asks is free to ask all at once.
//
// What a round trip costs is the network's latency (L of LogP, Culler and others, 1993) and what
// both ends do for each message (o); what a byte costs (G of LogGP, Alexandrov and others, 1995)
// only counts in long ones. `ranks` says between which: the first and the last of so many, which
// lie on two hosts where the job has two.
//
// Links: mpi
#include "core/kernel.h"
#include "support/ranks.h"

#if HEADROOM_HAVE_MPI
#include "cluster/requests.h"
#include "support/mpi/session.h"
#endif

namespace headroom {
namespace {

constexpr std::size_t kMessages = 32;

struct PingPong {
  struct Input {
    cluster::Place place;
    std::size_t n = 0;         // bytes per message
    Buffer<std::uint8_t> own;  // all that this end sends, one message after the other

    bool first() const { return place.rank == 0; }
    bool last() const { return place.rank == place.ranks - 1; }
  };
  using Output = Buffer<std::uint8_t>;

  static Input make(const Setting& setting, Rng& rng) {
    const std::uint64_t seed = rng();
    Input in{cluster::place(setting), setting.n, {}};
    if (!in.first() && !in.last()) return in;
    in.own = Buffer<std::uint8_t>(kMessages * setting.n);
    FastRng fast(cluster::bits_at(seed, in.first() ? 0 : 1));
    for (std::uint8_t& byte : in.own) byte = static_cast<std::uint8_t>(fast());
    return in;
  }
  static void size(const Input& in, Output& out) { out = Output(in.own.size()); }
  static absl::Status same(const Input&, const Output& want, const Output& got) {
    return exact(want, got);
  }
};

#if HEADROOM_HAVE_MPI
// Which rank an end's messages go to and come from.
int other_end(const PingPong::Input& in) { return in.first() ? in.place.ranks - 1 : 0; }

// A message, and then its answer, by calls that return when it is done.
void naive(const Setting& setting, const PingPong::Input& in, Buffer<std::uint8_t>& out) {
  MPI_Comm comm = cluster::comm_of(setting);
  const int n = static_cast<int>(in.n), other = other_end(in);
  if (in.first()) {
    for (std::size_t i = 0; i < kMessages; ++i) {
      MPI_Send(in.own.data() + i * in.n, n, MPI_BYTE, other, 0, comm);
      MPI_Recv(out.data() + i * in.n, n, MPI_BYTE, other, 0, comm, MPI_STATUS_IGNORE);
    }
  } else if (in.last()) {
    for (std::size_t i = 0; i < kMessages; ++i) {
      MPI_Recv(out.data() + i * in.n, n, MPI_BYTE, other, 0, comm, MPI_STATUS_IGNORE);
      MPI_Send(in.own.data() + i * in.n, n, MPI_BYTE, other, 0, comm);
    }
  }
}

// What a message is (where from, how long, whom to) is told to MPI once, and each is only started:
// as many round trips, with less work at both ends. What comes has a fixed place to go to.
struct Persistent {
  Persistent(const PingPong::Input& in, const Setting& setting) : came(in.own.size()) {
    if (!in.first() && !in.last()) return;
    MPI_Comm comm = cluster::comm_of(setting);
    const int n = static_cast<int>(in.n), other = other_end(in);
    for (std::size_t i = 0; i < kMessages; ++i) {
      MPI_Send_init(in.own.data() + i * in.n, n, MPI_BYTE, other, 0, comm, sends.add());
      MPI_Recv_init(came.data() + i * in.n, n, MPI_BYTE, other, 0, comm, receives.add());
    }
  }
  void answer(Buffer<std::uint8_t>& out) const { out = came; }

  Buffer<std::uint8_t> came;
  cluster::Requests sends, receives;
};
void persistent(Persistent& state, const PingPong::Input& in, Buffer<std::uint8_t>&) {
  if (in.first()) {
    for (std::size_t i = 0; i < kMessages; ++i) {
      state.receives.start(i);  // before the answer comes, so that it needs no place to wait at
      state.sends.start(i);
      state.sends.wait(i);
      state.receives.wait(i);
    }
  } else if (in.last()) {
    state.receives.start(0);
    for (std::size_t i = 0; i < kMessages; ++i) {
      state.receives.wait(i);
      if (i + 1 < kMessages) state.receives.start(i + 1);
      state.sends.start(i);
      state.sends.wait(i);
    }
  }
}

// All messages are under way at once, and each answer follows its question: together they take one
// round trip, and the ends' work for 32 messages.
void pipelined(const Setting& setting, const PingPong::Input& in, Buffer<std::uint8_t>& out) {
  if (!in.first() && !in.last()) return;
  MPI_Comm comm = cluster::comm_of(setting);
  const int n = static_cast<int>(in.n), other = other_end(in);
  MPI_Request receives[kMessages], sends[kMessages];
  for (std::size_t i = 0; i < kMessages; ++i)
    MPI_Irecv(out.data() + i * in.n, n, MPI_BYTE, other, 0, comm, &receives[i]);
  for (std::size_t i = 0; i < kMessages; ++i) {
    if (in.last()) MPI_Wait(&receives[i], MPI_STATUS_IGNORE);
    MPI_Isend(in.own.data() + i * in.n, n, MPI_BYTE, other, 0, comm, &sends[i]);
  }
  MPI_Waitall(kMessages, sends, MPI_STATUSES_IGNORE);
  if (in.first()) MPI_Waitall(kMessages, receives, MPI_STATUSES_IGNORE);
}

// One message has them all, and one answer: one round trip, and the ends' work for one. They lie
// side by side already; elsewhere a copy comes before, which is cheap beside a message.
void aggregated(const Setting& setting, const PingPong::Input& in, Buffer<std::uint8_t>& out) {
  if (!in.first() && !in.last()) return;
  MPI_Comm comm = cluster::comm_of(setting);
  const int all = static_cast<int>(in.own.size()), other = other_end(in);
  if (in.first()) MPI_Send(in.own.data(), all, MPI_BYTE, other, 0, comm);
  MPI_Recv(out.data(), all, MPI_BYTE, other, 0, comm, MPI_STATUS_IGNORE);
  if (in.last()) MPI_Send(in.own.data(), all, MPI_BYTE, other, 0, comm);
}
constexpr auto kNaive = run<naive>;
constexpr auto kPersistent = run<persistent>;
constexpr auto kPipelined = run<pipelined>;
constexpr auto kAggregated = run<aggregated>;
#else
constexpr auto kNaive = kNotBuilt, kPersistent = kNotBuilt, kPipelined = kNotBuilt,
               kAggregated = kNotBuilt;
#endif

constexpr Variant<PingPong> kVariants[] = {
    {.name = "naive",
     .run = kNaive,
     .what = "MPI_Send and MPI_Recv, an answer before the next message: a round trip each",
     .needs = cluster::kNeedsRanks},
    {.name = "persistent",
     .run = kPersistent,
     .what = "MPI_Send_init and MPI_Start: as many round trips, less work for each message",
     .needs = cluster::kNeedsRanks},
    {.name = "pipelined",
     .run = kPipelined,
     .what = "MPI_Isend of all, then their answers: one round trip, the work of 32 messages",
     .needs = cluster::kNeedsRanks},
    {.name = "aggregated",
     .run = kAggregated,
     .what = "all in one message, and all answers in one: one round trip, the work of one",
     .needs = cluster::kNeedsRanks},
};

const Registrar kRegistrar(
    {.name = "cluster/pingpong",
     .axis = Axis::kNetwork,
     .technique = "fewer, longer messages: a round trip costs what thousands of bytes do",
     .sizes = {8, 1024, 1 << 16, 1 << 20},
     .headline = {8, 1 << 16},
     .params = {{cluster::kRanks, cluster::rank_counts(2)}},
     .one_group = true,
     .demand =
         [](const Setting& s) {
           const std::size_t moved = 2 * kMessages * s.n;
           return Demand{.items = kMessages,
                         .bytes = static_cast<double>(moved),
                         .memory = moved * (1 + std::size(kVariants))};
         },
     .test_sizes = {0, 1, 8, 4097, 65536}},
    kVariants);

}  // namespace
}  // namespace headroom
