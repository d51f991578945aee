// io/compute_overlap and io/compute_overlap_random: read n pieces of 64 KiB from the disk, and
// compute something of each.
//
// compute_overlap reads them in the order in which they lie in the file, the other in random order.
// What is computed is the FNV-1a hash, byte by byte, which takes about as long as a disk takes for
// such a piece: the case in which doing both at once can gain most. Out: all hashes, in order.
//
// Cold: O_DIRECT, past the page cache. In a virtual machine: cold for the guest.
//
// One after the other, reading and computing take the sum of both; at once, they take as long as
// the longer of the two. Each call is told what its variant could reach: `of_max` is the longer of
// reading alone (measured before each call, untimed, in this variant's way of reading) and of
// computing alone, over the time that the call took: 1 is a perfect overlap.
//
// Links: uring
#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <numeric>
#include <thread>

#include "core/kernel.h"
#include "support/bounded_queue.h"
#include "support/disk.h"
#include "support/files.h"
#include "support/on_core.h"
#include "support/pages.h"
#include "support/ring.h"

namespace headroom {
namespace {

constexpr std::size_t kPiece = std::size_t{64} << 10;

std::uint64_t fnv1a(const unsigned char* bytes) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (std::size_t i = 0; i < kPiece; ++i) hash = (hash ^ bytes[i]) * 0x100000001b3;
  return hash;
}

template <bool kRandom>
struct ComputeOverlap {
  struct Input {
    std::unique_ptr<ScratchFile> file;  // with O_DIRECT
    std::vector<std::uint32_t> order;   // of the pieces
    std::vector<std::uint64_t> hashes;  // of what was written, in that order
    std::size_t size() const { return order.size(); }
    std::size_t offset(std::size_t i) const { return order[i] * kPiece; }
  };
  struct Output {
    std::vector<std::uint64_t> hashes;
    double longer_ns = 0, both_ns = 0;  // of all calls
    void poison() { headroom::poison(hashes); }
    bool spoil(Spoil how) { return headroom::spoil(hashes, how); }
    Quantities quantities() const {
      return {{"of_max", {both_ns > 0 ? longer_ns / both_ns : 0, "ratio"}}};
    }
  };

  static Input make(const Setting& setting, Rng& rng) {
    Input in{nullptr, std::vector<std::uint32_t>(setting.n), {}};
    std::iota(in.order.begin(), in.order.end(), 0u);
    FastRng fast(rng());
    if (kRandom) shuffle(std::span(in.order), fast);
    in.hashes.resize(setting.n);
    if (!disk::on_disk()) return in;
    in.file = std::make_unique<ScratchFile>(disk::kDirect);
    const Mapping piece = touched_pages(kPiece);
    for (std::size_t i = 0; i < setting.n; ++i) {
      for (std::size_t w = 0; w < kPiece / 8; ++w) piece.words()[w] = fast();
      in.hashes[i] = fnv1a(piece.data());
      disk::write_at(in.file->fd(), piece.data(), kPiece, in.offset(i));
    }
    files::require(fsync(in.file->fd()) == 0, "fsync");
    return in;
  }
  static absl::Status same(const Input& in, const Output& want, const Output& got) {
    if (absl::Status fine = exact(in.hashes, want.hashes); !fine.ok()) return fine;
    return exact(in.hashes, got.hashes);
  }
};

using Now = std::chrono::steady_clock;
double ns_since(Now::time_point start) {
  return std::chrono::duration<double, std::nano>(Now::now() - start).count();
}

// A way of reading: calls body(i, piece) for each piece, in any order.
template <bool kRandom>
struct OneByOne {
  using Input = typename ComputeOverlap<kRandom>::Input;
  explicit OneByOne(const Input&) {}
  template <class Body>
  void read(const Input& in, Body body) {
    for (std::size_t i = 0; i < in.size(); ++i) {
      disk::read_at(in.file->fd(), piece.data(), kPiece, in.offset(i));
      body(i, piece.data());
    }
  }
  Mapping piece = touched_pages(kPiece);
};

// Threads read while the caller computes: a queue each way, of pieces that are full, and of those
// that may be filled again. Each thread has one read under way, so there are as many as threads.
template <bool kRandom, std::size_t kThreads>
struct ReadingThreads {
  using Input = typename ComputeOverlap<kRandom>::Input;
  static constexpr std::size_t kSlots = kThreads + 3;  // some that wait to be worked on
  explicit ReadingThreads(const Input& in) {
    try {
      for (std::size_t i = 0; i < kThreads; ++i) threads.emplace_back([this, &in] { work(in); });
    } catch (...) {  // no more threads to be had
      dismiss();
      throw;
    }
  }
  ~ReadingThreads() { dismiss(); }
  ReadingThreads(const ReadingThreads&) = delete;

  template <class Body>
  void read(const Input& in, Body body) {
    std::size_t asked = 0;
    for (; asked < std::min(kSlots, in.size()); ++asked) orders.push({asked, asked});
    for (std::size_t i = 0; i < in.size(); ++i) {
      Order done;
      full.pop(done);
      // After an error what was asked for still comes, so that the next call finds nothing.
      if (!done.error.empty()) {
        for (std::size_t left = asked - i - 1; left != 0; --left) full.pop(done);
        throw std::runtime_error(done.error);
      }
      body(done.piece, slot(done.slot));
      if (asked < in.size()) orders.push({asked++, done.slot});
    }
  }

 private:
  struct Order {
    std::size_t piece = 0;
    std::size_t slot = 0;
    std::string error = {};
  };
  unsigned char* slot(std::size_t s) const { return pieces.data() + s * kPiece; }
  void dismiss() {
    orders.close();
    for (std::thread& thread : threads) thread.join();
  }
  void work(const Input& in) {
    move_to_any_core();
    for (Order order; orders.pop(order); full.push(order)) {
      try {
        disk::read_at(in.file->fd(), slot(order.slot), kPiece, in.offset(order.piece));
      } catch (const std::exception& error) {
        order.error = error.what();
      }
    }
  }

  Mapping pieces = touched_pages(kSlots * kPiece);
  BoundedQueue<Order> orders{kSlots};
  BoundedQueue<Order> full{kSlots};
  std::vector<std::thread> threads;
};

#if HEADROOM_HAVE_URING
// No thread: while one piece is worked on, others are on their way.
template <bool kRandom, unsigned kDepth>
struct InRing {
  using Input = typename ComputeOverlap<kRandom>::Input;
  explicit InRing(const Input&) {}
  template <class Body>
  void read(const Input& in, Body body) {
    ring.run(
        in.size(),
        [&](io_uring_sqe* entry, std::size_t i, std::size_t slot) {
          io_uring_prep_read(entry, in.file->fd(), pieces.data() + slot * kPiece, kPiece,
                             in.offset(i));
        },
        [](std::size_t) { return kPiece; },
        [&](std::size_t i, std::size_t slot) { body(i, pieces.data() + slot * kPiece); });
  }
  Mapping pieces = touched_pages(kDepth * kPiece);
  Ring<Pace::kEach> ring{kDepth};
};
#endif

// A way of reading at work; and how long it takes alone, and computing alone.
template <bool kRandom, class Reader>
struct Overlap {
  using Input = typename ComputeOverlap<kRandom>::Input;
  explicit Overlap(const Input& input) : in(input), hashes(input.size()), reader(input) {}
  void refill(const Input&) {
    const OnAnyCore anywhere;
    std::fill(hashes.begin(), hashes.end(), 0);
    auto start = Now::now();
    reader.read(in, [](std::size_t, const unsigned char*) {});
    read_ns = ns_since(start);
    const std::vector<unsigned char> piece(kPiece, 0x5a);
    // As many as there are, as with reading: the best of a few would be a moment's figure.
    start = Now::now();
    for (std::size_t i = 0; i < in.size(); ++i) hashes_alone = fnv1a(opaque(piece.data()));
    compute_ns = ns_since(start);
  }
  void answer(typename ComputeOverlap<kRandom>::Output& out) const { out.hashes = hashes; }
  const Input& in;
  std::vector<std::uint64_t> hashes;
  Reader reader;
  volatile std::uint64_t hashes_alone = 0;
  double read_ns = 0, compute_ns = 0;
};

template <bool kRandom, class Reader>
void compute(Overlap<kRandom, Reader>& work, typename ComputeOverlap<kRandom>::Output& out) {
  const OnAnyCore anywhere;
  const auto start = Now::now();
  work.reader.read(
      work.in, [&](std::size_t i, const unsigned char* piece) { work.hashes[i] = fnv1a(piece); });
  out.both_ns += ns_since(start);
  out.longer_ns += std::max(work.read_ns, work.compute_ns);
}

template <bool kRandom>
constexpr auto kNaive = run<compute<kRandom, OneByOne<kRandom>>>;
template <bool kRandom, std::size_t kThreads>
constexpr auto kReading = run<compute<kRandom, ReadingThreads<kRandom, kThreads>>>;
#if HEADROOM_HAVE_URING
template <bool kRandom, unsigned kDepth>
constexpr auto kRing = run<compute<kRandom, InRing<kRandom, kDepth>>>;
#else
template <bool kRandom, unsigned kDepth>
constexpr auto kRing = kNotBuilt;
#endif

constexpr Need kNeedsDisk[] = {disk::kDisk};
template <unsigned kDepth>
constexpr Need kNeedsRing[] = {disk::kDisk, kIoUring<Pace::kEach, kDepth>};

template <bool kRandom>
constexpr Variant<ComputeOverlap<kRandom>> kVariants[] = {
    {.name = "naive",
     .run = kNaive<kRandom>,
     .what = "read a piece, compute, read the next: the sum of both times",
     .needs = kNeedsDisk},
    {.name = "thread",
     .run = kReading<kRandom, 1>,
     .what = "another thread reads up to four pieces ahead; two switches of context a piece",
     .needs = kNeedsDisk},
    {.name = "threads_4",
     .run = kReading<kRandom, 4>,
     .what = "four threads, so that the disk has a queue; what a read costs the CPU is paid on "
             "other cores",
     .needs = kNeedsDisk},
    {.name = "uring_2",
     .run = kRing<kRandom, 2>,
     .what = "io_uring, two buffers in turn: one is filled while the other is worked on",
     .needs = kNeedsRing<2>},
    {.name = "uring_8",
     .run = kRing<kRandom, 8>,
     .what = "eight buffers: one late answer doesn't stop the work, and the disk has a queue",
     .needs = kNeedsRing<8>},
};

Metadata metadata(bool random) {
  return {.name = random ? "io/compute_overlap_random" : "io/compute_overlap",
          .axis = random ? Axis::kStorageRandom : Axis::kStorageSequential,
          .technique = "compute while the disk reads",
          .sizes = {16, 64, 256, 1024},
          .headline = {16, 64},
          .one_group = true,
          .clock = Clock::kWall,
          .warm = Warm::kNone,
          .demand =
              [](const Setting& s) {
                const std::size_t bytes = s.n * kPiece;
                return Demand{.items = static_cast<double>(s.n),
                              .bytes = static_cast<double>(bytes),
                              // One Work a variant is enough: they are large.
                              .working_set = std::max(bytes, std::size_t{64} << 20),
                              .memory = std::size_t{32} << 20,
                              .scratch = bytes};
              },
          .test_sizes = {0, 1, 2, 3, 4, 5, 9, 33}};
}

const Registrar kRegistrar(metadata(false), kVariants<false>);
const Registrar kRandomRegistrar(metadata(true), kVariants<true>);

}  // namespace
}  // namespace headroom
