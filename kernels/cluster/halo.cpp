// cluster/halo: kSteps steps of a five-point stencil on a grid of n by n cells that the ranks share
// out in rectangles; before a step each needs the cells beyond its edges, which are its
// neighbours'.
//
// Out: this rank's rectangle after the last step, whole, row by row. Cells are integers, and
// outside of the grid all are 0: a cell becomes (4 * itself + its four neighbours) / 8, rounded
// down, the same for any rectangles. n is the whole grid's side: with more ranks each has less to
// do (strong scaling), and more of it lies at an edge.
//
// Links: mpi
#include "core/kernel.h"
#include "support/ranks.h"

#if HEADROOM_HAVE_MPI
#include <algorithm>
#include <array>
#include <vector>

#include "support/mpi/session.h"
#endif

namespace headroom {
namespace {

constexpr int kSteps = 8;

// Which ranks are beside which: rows of ranks, as near to a square as their number lets them.
struct RankGrid {
  explicit RankGrid(int ranks) {
    for (int i = 1; i * i <= ranks; ++i)
      if (ranks % i == 0) rows = i;
    columns = ranks / rows;
  }
  int rows = 1, columns = 1;
};

struct Halo {
  struct Input {
    cluster::Place place;
    std::size_t n = 0;
    Share rows, columns;  // this rank's rectangle of the grid
    Buffer<std::uint32_t> cells;
  };
  using Output = Buffer<std::uint32_t>;

  static Input make(const Setting& setting, Rng& rng) {
    const std::uint64_t seed = rng();
    Input in{cluster::place(setting), setting.n, {}, {}, {}};
    const RankGrid grid(in.place.ranks);
    in.rows = share(in.n, 1, in.place.rank / grid.columns, grid.rows);
    in.columns = share(in.n, 1, in.place.rank % grid.columns, grid.columns);
    in.cells = Buffer<std::uint32_t>(in.rows.size() * in.columns.size());
    std::size_t at = 0;
    for (std::size_t y = in.rows.begin; y < in.rows.end; ++y)
      for (std::size_t x = in.columns.begin; x < in.columns.end; ++x)
        in.cells[at++] = static_cast<std::uint32_t>(cluster::bits_at(seed, y * in.n + x) >> 48);
    return in;
  }
  static void size(const Input& in, Output& out) { out = Output(in.cells.size()); }
  static absl::Status same(const Input&, const Output& want, const Output& got) {
    return exact(want, got);
  }
};

#if HEADROOM_HAVE_MPI
using Cell = std::uint32_t;
enum Side { kUp, kDown, kLeft, kRight };

// A rank's rectangle with `depth` cells around it, now and after the next step.
struct Rectangle {
  Rectangle(const Halo::Input& in, const Setting& setting, std::size_t depth_)
      : comm(cluster::comm_of(setting)),
        height(in.rows.size()),
        width(in.columns.size()),
        depth(depth_),
        pitch(width + 2 * depth),
        now(pitch * (height + 2 * depth)),
        next(now.size()) {
    const RankGrid grid(in.place.ranks);
    const int row = in.place.rank / grid.columns, column = in.place.rank % grid.columns;
    // Nobody is beyond the grid's own edges: a message to or from there is none.
    neighbour[kUp] = row > 0 ? in.place.rank - grid.columns : MPI_PROC_NULL;
    neighbour[kDown] = row + 1 < grid.rows ? in.place.rank + grid.columns : MPI_PROC_NULL;
    neighbour[kLeft] = column > 0 ? in.place.rank - 1 : MPI_PROC_NULL;
    neighbour[kRight] = column + 1 < grid.columns ? in.place.rank + 1 : MPI_PROC_NULL;
    const std::size_t tall = depth * height;
    for (int side : {kLeft, kRight}) out[side].resize(tall), came[side].resize(tall);
  }

  Cell* row(std::vector<Cell>& cells, std::size_t y) { return cells.data() + y * pitch; }

  void load(const Halo::Input& in) {
    std::fill(now.begin(), now.end(), 0);
    std::fill(next.begin(), next.end(), 0);
    for (std::size_t y = 0; y < height; ++y)
      std::copy_n(in.cells.data() + y * width, width, row(now, y + depth) + depth);
  }
  void store(Buffer<Cell>& to) const {
    for (std::size_t y = 0; y < height; ++y)
      std::copy_n(now.data() + (y + depth) * pitch + depth, width, to.data() + y * width);
  }

  // The next values of rows [top, bottom) and columns [left, right), as `now` and `next` count.
  void step(std::size_t top, std::size_t bottom, std::size_t left, std::size_t right) {
    for (std::size_t y = top; y < bottom; ++y) {
      const Cell* const above = row(now, y - 1);
      const Cell* const here = row(now, y);
      const Cell* const below = row(now, y + 1);
      Cell* const to = row(next, y);
      for (std::size_t x = left; x < right; ++x)
        to[x] = (4 * here[x] + here[x - 1] + here[x + 1] + above[x] + below[x]) >> 3;
    }
  }

  // The `depth` columns at the left or right edge, and those beyond it, from and to a message: they
  // don't lie in one piece.
  void pack(Side side) {
    const std::size_t x = side == kLeft ? depth : width;
    for (std::size_t y = 0; y < height; ++y)
      std::copy_n(row(now, y + depth) + x, depth, out[side].data() + y * depth);
  }
  void unpack(Side side) {
    if (neighbour[side] == MPI_PROC_NULL) return;
    const std::size_t x = side == kLeft ? 0 : depth + width;
    for (std::size_t y = 0; y < height; ++y)
      std::copy_n(came[side].data() + y * depth, depth, row(now, y + depth) + x);
  }

  MPI_Comm comm;
  std::size_t height, width, depth, pitch;
  std::vector<Cell> now, next;
  std::array<int, 4> neighbour{};
  std::array<std::vector<Cell>, 4> out, came;
};

struct OneDeep : Rectangle {
  OneDeep(const Halo::Input& in, const Setting& setting) : Rectangle(in, setting, 1) {}
  void refill(const Halo::Input& in) { load(in); }
  void answer(Buffer<Cell>& to) const { store(to); }
};

// Sends towards `to` what lies there, and receives what the neighbour opposite sent this way.
void shift_rows(Rectangle& of, Side to, Side from, std::size_t give, std::size_t take) {
  const int all = static_cast<int>(of.depth * of.pitch);
  MPI_Sendrecv(of.row(of.now, give), all, MPI_UINT32_T, of.neighbour[to], 0, of.row(of.now, take),
               all, MPI_UINT32_T, of.neighbour[from], 0, of.comm, MPI_STATUS_IGNORE);
}
void shift_columns(Rectangle& of, Side to, Side from) {
  const int all = static_cast<int>(of.depth * of.height);
  of.pack(to);
  MPI_Sendrecv(of.out[to].data(), all, MPI_UINT32_T, of.neighbour[to], 0, of.came[from].data(), all,
               MPI_UINT32_T, of.neighbour[from], 0, of.comm, MPI_STATUS_IGNORE);
  of.unpack(from);
}

// Columns first; the rows after them then bring the corners along.
void exchange(Rectangle& of) {
  shift_columns(of, kLeft, kRight);
  shift_columns(of, kRight, kLeft);
  shift_rows(of, kUp, kDown, of.depth, of.depth + of.height);
  shift_rows(of, kDown, kUp, of.height, 0);
}

// Before each step four exchanges, one after the other, each waited for.
void naive(OneDeep& of, Buffer<Cell>&) {
  for (int step = 0; step < kSteps; ++step) {
    exchange(of);
    of.step(1, of.height + 1, 1, of.width + 1);
    std::swap(of.now, of.next);
  }
}

// All four at once, and meanwhile the cells that need none of them: only those at the edges wait.
// (A five-point stencil needs no corners.)
void overlapped(OneDeep& of, Buffer<Cell>&) {
  const std::size_t h = of.height, w = of.width;
  const int wide = static_cast<int>(w), tall = static_cast<int>(h);
  for (int step = 0; step < kSteps; ++step) {
    MPI_Request requests[8];
    MPI_Irecv(of.row(of.now, 0) + 1, wide, MPI_UINT32_T, of.neighbour[kUp], kDown, of.comm,
              &requests[0]);
    MPI_Irecv(of.row(of.now, h + 1) + 1, wide, MPI_UINT32_T, of.neighbour[kDown], kUp, of.comm,
              &requests[1]);
    MPI_Irecv(of.came[kLeft].data(), tall, MPI_UINT32_T, of.neighbour[kLeft], kRight, of.comm,
              &requests[2]);
    MPI_Irecv(of.came[kRight].data(), tall, MPI_UINT32_T, of.neighbour[kRight], kLeft, of.comm,
              &requests[3]);
    // A message's tag is the side that it leaves by.
    MPI_Isend(of.row(of.now, 1) + 1, wide, MPI_UINT32_T, of.neighbour[kUp], kUp, of.comm,
              &requests[4]);
    MPI_Isend(of.row(of.now, h) + 1, wide, MPI_UINT32_T, of.neighbour[kDown], kDown, of.comm,
              &requests[5]);
    for (Side side : {kLeft, kRight}) {
      of.pack(side);
      MPI_Isend(of.out[side].data(), tall, MPI_UINT32_T, of.neighbour[side], side, of.comm,
                &requests[4 + side]);
    }
    if (h > 2 && w > 2) of.step(2, h, 2, w);
    MPI_Waitall(8, requests, MPI_STATUSES_IGNORE);
    of.unpack(kLeft);
    of.unpack(kRight);
    of.step(1, std::min<std::size_t>(2, h + 1), 1, w + 1);
    if (h > 1) of.step(h, h + 1, 1, w + 1);
    if (h > 2) {
      of.step(2, h, 1, 2);
      if (w > 1) of.step(2, h, w, w + 1);
    }
    std::swap(of.now, of.next);
  }
}

// The depth that all ranks can have: no more than the lowest and the narrowest rectangle.
std::size_t deep(const Halo::Input& in) {
  const RankGrid grid(in.place.ranks);
  const std::size_t least = in.n / static_cast<std::size_t>(std::max(grid.rows, grid.columns));
  return std::clamp<std::size_t>(least, 1, 4);
}

// Four cells deep, exchanged every fourth step: a quarter of the messages, for cells near the edges
// that both neighbours compute (Ding and He, "A Ghost Cell Expansion Method", 2001).
struct FourDeep : Rectangle {
  FourDeep(const Halo::Input& in, const Setting& setting)
      : Rectangle(in, setting, deep(in)),
        above(in.rows.begin),
        below(in.n - in.rows.end),
        before(in.columns.begin),
        after(in.n - in.columns.end) {}
  void refill(const Halo::Input& in) { load(in); }
  void answer(Buffer<Cell>& to) const { store(to); }
  std::size_t above, below, before, after;  // cells of the grid beyond the rectangle
};
void deep_halo(FourDeep& of, Buffer<Cell>&) {
  for (int step = 0; step < kSteps;) {
    exchange(of);
    // Each step needs one cell more around it than it gives; beyond the grid all stays 0.
    for (std::size_t more = of.depth; more-- > 0 && step < kSteps; ++step) {
      of.step(of.depth - std::min(more, of.above), of.depth + of.height + std::min(more, of.below),
              of.depth - std::min(more, of.before), of.depth + of.width + std::min(more, of.after));
      std::swap(of.now, of.next);
    }
  }
}
constexpr auto kNaive = run<naive>;
constexpr auto kOverlapped = run<overlapped>;
constexpr auto kDeep = run<deep_halo>;
#else
constexpr auto kNaive = kNotBuilt, kOverlapped = kNotBuilt, kDeep = kNotBuilt;
#endif

constexpr Variant<Halo> kVariants[] = {
    {.name = "naive",
     .run = kNaive,
     .what = "MPI_Sendrecv with each of four neighbours in turn, before each step",
     .needs = cluster::kNeedsRanks},
    {.name = "overlapped",
     .run = kOverlapped,
     .what = "MPI_Isend and MPI_Irecv with all four at once, and the inner cells meanwhile",
     .needs = cluster::kNeedsRanks},
    {.name = "deep_halo",
     .run = kDeep,
     .what = "four cells deep, every fourth step: a quarter of the messages, some cells twice",
     .needs = cluster::kNeedsRanks},
};

const Registrar kRegistrar(
    {.name = "cluster/halo",
     .axis = Axis::kNetwork,
     .technique = "exchange edges while the inside is computed, or more rarely and more of them",
     .sizes = {64, 256, 512, 1024, 2048},
     .headline = {256, 1024},
     .params = {{cluster::kRanks, cluster::rank_counts(1)}},
     .one_group = true,
     .demand =
         [](const Setting& s) {
           const double cells = static_cast<double>(s.n) * static_cast<double>(s.n);
           const auto ranks = static_cast<std::size_t>(s.params[cluster::kRanks]);
           return Demand{.items = kSteps * cells,
                         .bytes = kSteps * cells * 8,
                         .working_set = 8 * s.n * s.n / ranks,
                         .memory = 4 * s.n * s.n * (2 + 3 * std::size(kVariants))};
         },
     .test_sizes = {8, 9, 10, 13, 16, 17, 33, 100}},
    kVariants);

}  // namespace
}  // namespace headroom
