// io/random_read: read n blocks of 4 KiB from random places of a file.
//
// Out: a checksum of each block, in the order of the requests, compared with that of what was
// written.
//
// Cold: every read and the writing of the file too goes past the page cache (O_DIRECT), so that the
// disk answers and not memory. No block is asked for twice before its whole region has been read,
// and each variant at work has a region of its own (with the same content), so that no variant is
// served from what another one left in the disk's cache. In a virtual machine: cold for the guest.
//
// A disk is a machine with many servers: one request at a time sees its latency, a hundred at once
// its throughput. What differs between the variants is how a hundred requests are kept waiting, and
// what that costs the processor. io_uring: Axboe, "Efficient IO with io_uring" (2019).
//
// Links: uring
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <exception>
#include <memory>
#include <mutex>
#include <numeric>
#include <system_error>
#include <thread>

#include "core/cpu.h"
#include "core/kernel.h"
#include "core/scratch.h"

#if HEADROOM_HAVE_URING
#include <liburing.h>
#endif

#ifndef O_DIRECT
#define O_DIRECT 0  // kDirectIo is not met then
#endif

namespace headroom {
namespace {

constexpr std::size_t kBlock = 4096;
constexpr std::size_t kRegion = 2048;  // blocks
constexpr std::size_t kRegions = 8;  // one for each variant; 64 MiB in all, written by each process

[[noreturn]] void fail(int error, const char* what) {
  throw std::system_error(error, std::generic_category(),
                          std::string(what) + " in scratch folder " + scratch_folder());
}

// Order-sensitive, whole: each word passes through a bijection of its lane.
std::uint64_t checksum(const unsigned char* block) {
  std::uint64_t lanes[8] = {1, 2, 3, 4, 5, 6, 7, 8};
  for (std::size_t i = 0; i < kBlock; i += 64) {
    std::uint64_t words[8];
    std::memcpy(words, block + i, 64);
    for (int j = 0; j < 8; ++j) lanes[j] = (lanes[j] ^ words[j]) * 0x9e3779b97f4a7c15u;
  }
  std::uint64_t sum = 0;
  for (const std::uint64_t lane : lanes) sum = (sum ^ lane ^ (lane >> 29)) * 0xbf58476d1ce4e5b9u;
  return sum;
}

// Memory as O_DIRECT wants it: aligned to a block.
class Blocks {
 public:
  explicit Blocks(std::size_t count) : memory_((count + 1) * kBlock) {}
  unsigned char* operator[](std::size_t i) {
    const auto past = reinterpret_cast<std::uintptr_t>(memory_.data()) % kBlock;
    return memory_.data() + (kBlock - past) + i * kBlock;
  }

 private:
  Buffer<unsigned char> memory_;
};

// The file, written once a process: its content depends on nothing.
struct Disk {
  Disk() : file(O_DIRECT), sums(kRegion) {
    Blocks content(kRegion);
    FastRng rng(4096);
    for (std::size_t b = 0; b < kRegion; ++b) {
      for (std::size_t i = 0; i < kBlock; i += 8) {
        const std::uint64_t word = rng();
        std::memcpy(content[b] + i, &word, 8);
      }
      sums[b] = checksum(content[b]);
    }
    constexpr std::size_t kBytes = kRegion * kBlock;
    if (const int error = posix_fallocate(file.fd(), 0, kRegions * kBytes))
      fail(error, "fallocate");
    for (std::size_t done = 0; done < kRegions * kBytes;) {
      const std::size_t in_region = done % kBytes;
      const ssize_t written =
          pwrite(file.fd(), content[0] + in_region,
                 std::min(kBytes - in_region, std::size_t{4} << 20), static_cast<off_t>(done));
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) fail(written == 0 ? EIO : errno, "write");
      done += static_cast<std::size_t>(written);
    }
  }
  ScratchFile file;
  std::vector<std::uint64_t> sums;  // of each block of a region
  std::atomic<std::size_t> next_region{0};
};

struct RandomRead {
  struct Call {
    std::span<const std::uint32_t> blocks;  // which to read, counted in a region
    std::size_t lap;                        // how many regions this variant has read before
    const Disk* disk;
    std::size_t size() const { return blocks.size(); }
  };
  struct Input {
    std::shared_ptr<Disk> disk;
    Buffer<std::uint32_t> blocks;  // all of a region, shuffled
    std::size_t n = 0;
    Call at(std::size_t turn) const {
      const std::size_t slices = n == 0 ? 1 : blocks.size() / n;
      return {{blocks.data() + turn % slices * n, n}, turn / slices, disk.get()};
    }
  };
  using Output = Buffer<std::uint64_t>;

  static Input make(const Setting& setting, Rng& rng) {
    static std::shared_ptr<Disk> disk;
    if (disk == nullptr && kDirectIo.met()) disk = std::make_shared<Disk>();
    Input in{disk, Buffer<std::uint32_t>(kRegion), setting.n};
    std::iota(in.blocks.begin(), in.blocks.end(), 0u);
    shuffle(std::span<std::uint32_t>(in.blocks.data(), in.blocks.size()), rng);
    return in;
  }
  static void size(const Input& in, Output& out) { out = Output(in.n); }
  static absl::Status same(const Call& in, const Output& want, const Output& got) {
    for (std::size_t i = 0; i < in.size(); ++i) {
      if (want[i] != in.disk->sums[in.blocks[i]])
        return differ("the baseline at index " + std::to_string(i) + ": ", "what was written",
                      "other content");
    }
    return exact(want, got);
  }
};
using Input = RandomRead::Input;
using Call = RandomRead::Call;
using Output = RandomRead::Output;

// Where a variant starts, and a descriptor that goes past the page cache.
struct Region {
  explicit Region(const Input& in) : fd(in.disk->file.fd()), first(in.disk->next_region++) {}
  off_t offset(const Call& in, std::size_t i) const {
    return static_cast<off_t>(((first + in.lap) % kRegions * kRegion + in.blocks[i]) * kBlock);
  }
  // Reads the block of request i and waits for it.
  void read(const Call& in, std::size_t i, unsigned char* to) const {
    ssize_t got;
    do got = pread(fd, to, kBlock, offset(in, i));
    while (got < 0 && errno == EINTR);
    if (got != static_cast<ssize_t>(kBlock)) fail(got < 0 ? errno : EIO, "read");
  }
  const int fd;
  const std::size_t first;
};

struct One : Region {
  using Region::Region;
  Blocks blocks = Blocks(1);
};

void naive(One& state, const Call& in, Output& out) {
  for (std::size_t i = 0; i < in.size(); ++i) {
    state.read(in, i, state.blocks[0]);
    out[i] = checksum(state.blocks[0]);
  }
}

// A disk with a head travels less. One without doesn't care, and still sees one request at a time.
void sorted(One& state, const Call& in, Output& out) {
  std::vector<std::pair<std::uint32_t, std::uint32_t>> order(in.size());  // block, index
  for (std::uint32_t i = 0; i < in.size(); ++i) order[i] = {in.blocks[i], i};
  std::sort(order.begin(), order.end());
  for (const auto& [block, i] : order) {
    state.read(in, i, state.blocks[0]);
    out[i] = checksum(state.blocks[0]);
  }
}

// Threads that stand ready, each with a block of memory.
template <int kThreads>
struct Pool : Region {
  explicit Pool(const Input& in) : Region(in) {
    for (int t = 0; t < kThreads; ++t) members.emplace_back([this, t] { work(t); });
  }
  ~Pool() {
    call = nullptr;
    begin();
    for (std::thread& member : members) member.join();
  }
  void begin() {
    left.store(kThreads, std::memory_order_relaxed);
    turn.fetch_add(1, std::memory_order_release);
    turn.notify_all();
  }
  // Spreads the threads over the cores: they would inherit the one that the caller is bound to.
  void work(int t) {
    pin_to_core(t);
    for (unsigned seen = 0;; ++seen) {
      turn.wait(seen, std::memory_order_acquire);
      if (call == nullptr) return;
      try {
        for (std::size_t i; (i = next.fetch_add(1, std::memory_order_relaxed)) < call->size();) {
          unsigned char* const block = blocks[static_cast<std::size_t>(t)];
          read(*call, i, block);
          (*out)[i] = checksum(block);
        }
      } catch (const std::exception&) {
        const std::lock_guard lock(mutex);
        error = std::current_exception();
      }
      if (left.fetch_sub(1, std::memory_order_release) == 1) left.notify_one();
    }
  }
  Blocks blocks = Blocks(kThreads);
  const Call* call = nullptr;
  Output* out = nullptr;
  std::atomic<std::size_t> next{0};
  std::atomic<unsigned> turn{0};
  std::atomic<int> left{0};
  std::mutex mutex;
  std::exception_ptr error;
  std::vector<std::thread> members;
};

// As many requests under way as there are threads; each costs two switches of context.
template <int kThreads>
void threads_read(Pool<kThreads>& pool, const Call& in, Output& out) {
  pool.call = &in;
  pool.out = &out;
  pool.next = 0;
  pool.begin();
  for (int left; (left = pool.left.load(std::memory_order_acquire)) != 0;) pool.left.wait(left);
  if (pool.error) std::rethrow_exception(std::exchange(pool.error, nullptr));
}

#if HEADROOM_HAVE_URING
template <unsigned kDepth, bool kRegistered>
struct Ring : Region {
  explicit Ring(const Input& in) : Region(in) {
    io_uring_params params{};
#if defined(IORING_SETUP_SINGLE_ISSUER) && defined(IORING_SETUP_DEFER_TASKRUN)
    // Completions are worked off when this thread asks for them, not by interrupting it
    // (Linux 6.1).
    params.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN;
#endif
    int error = io_uring_queue_init_params(kDepth, &ring, &params);
    if (error == -EINVAL) {
      params = {};
      error = io_uring_queue_init_params(kDepth, &ring, &params);
    }
    if (error != 0) fail(-error, "io_uring_queue_init");
    if constexpr (kRegistered) {
      const iovec memory{blocks[0], kDepth * kBlock};
      error = io_uring_register_buffers(&ring, &memory, 1);
      if (error == 0) error = io_uring_register_files(&ring, &fd, 1);
      if (error != 0) {
        io_uring_queue_exit(&ring);
        fail(-error, "io_uring_register (is RLIMIT_MEMLOCK too low?)");
      }
    }
  }
  Ring(const Ring&) = delete;
  ~Ring() { io_uring_queue_exit(&ring); }

  // Queues the read of request i into slot `slot`.
  void queue(std::size_t slot, const Call& in, std::size_t i) {
    io_uring_sqe* const sqe = io_uring_get_sqe(&ring);
    if constexpr (kRegistered) {
      io_uring_prep_read_fixed(sqe, 0, blocks[slot], kBlock, static_cast<__u64>(offset(in, i)), 0);
      sqe->flags |= IOSQE_FIXED_FILE;
    } else {
      io_uring_prep_read(sqe, fd, blocks[slot], kBlock, static_cast<__u64>(offset(in, i)));
    }
    io_uring_sqe_set_data64(sqe, slot);
    request[slot] = i;
  }
  Blocks blocks = Blocks(kDepth);
  std::array<std::size_t, kDepth> request{};  // which one is in the slot
  io_uring ring;
};

// One thread keeps kDepth requests under way. Each system call hands in all new requests and picks
// up all answers that have come; an answer's slot is filled again at once.
template <unsigned kDepth, bool kRegistered>
void uring(Ring<kDepth, kRegistered>& state, const Call& in, Output& out) {
  const std::size_t n = in.size();
  std::size_t next = 0, done = 0;
  int error = 0;
  for (; next < std::min<std::size_t>(n, kDepth); ++next) state.queue(next, in, next);
  while (done < next) {
    const auto answers = std::min<std::size_t>(next - done, std::max(1u, kDepth / 4));
    const int submitted = io_uring_submit_and_wait(&state.ring, static_cast<unsigned>(answers));
    if (submitted < 0 && submitted != -EINTR) fail(-submitted, "io_uring_enter");
    unsigned head, seen = 0;
    io_uring_cqe* cqe;
    io_uring_for_each_cqe(&state.ring, head, cqe) {
      const std::size_t slot = io_uring_cqe_get_data64(cqe);
      if (cqe->res != static_cast<int>(kBlock)) error = cqe->res < 0 ? -cqe->res : EIO;
      out[state.request[slot]] = checksum(state.blocks[slot]);
      // After an error nothing new is begun, but all that is under way is waited for.
      if (next < n && error == 0) {
        state.queue(slot, in, next);
        ++next;
      }
      ++seen;
    }
    io_uring_cq_advance(&state.ring, seen);
    done += seen;
  }
  if (error != 0) fail(error, "read");
}
template <unsigned kDepth, bool kRegistered>
constexpr auto kUring = run<uring<kDepth, kRegistered>>;
#else
template <unsigned kDepth, bool kRegistered>
constexpr auto kUring = kNotBuilt;
#endif

constexpr Need kNeedsDirectIo[] = {kDirectIo};
constexpr Need kNeedsUring[] = {kDirectIo, kIoUring};

constexpr Variant<RandomRead> kVariants[] = {
    {.name = "naive",
     .run = run<naive>,
     .what = "pread one at a time: the disk's latency, n times",
     .needs = kNeedsDirectIo},
    {.name = "sorted",
     .run = run<sorted>,
     .what = "by offset: helps a disk with a head; a solid-state one still serves one at a time",
     .needs = kNeedsDirectIo},
    {.name = "threads_8",
     .run = run<threads_read<8>>,
     .what = "eight preads under way",
     .needs = kNeedsDirectIo},
    {.name = "threads_32",
     .run = run<threads_read<32>>,
     .what = "32 preads under way; the switches of context begin to cost",
     .needs = kNeedsDirectIo},
    {.name = "uring_4",
     .run = kUring<4, false>,
     .what = "io_uring, four reads under way from one thread",
     .needs = kNeedsUring},
    {.name = "uring_32",
     .run = kUring<32, false>,
     .what = "io_uring, 32 reads under way: one system call serves many",
     .needs = kNeedsUring},
    {.name = "uring_128",
     .run = kUring<128, false>,
     .what = "io_uring, 128 reads under way: the disk is never without work",
     .needs = kNeedsUring},
    {.name = "uring_128_registered",
     .run = kUring<128, true>,
     .what = "memory pinned and file looked up once, not for each read",
     .needs = kNeedsUring},
};

const Registrar kRegistrar({.name = "io/random_read",
                            .axis = Axis::kStorageRandom,
                            .technique = "keep many requests under way",
                            .sizes = {16, 64, 256, 1024},
                            .headline = {64, 256},
                            .one_group = true,
                            .ceiling = {"machine/disk_random", "qd128"},
                            .clock = Clock::kWall,
                            .warm = Warm::kNone,
                            .demand =
                                [](const Setting& s) {
                                  return Demand{.items = static_cast<double>(s.n),
                                                .bytes = static_cast<double>(s.n * kBlock),
                                                .accesses = static_cast<double>(s.n),
                                                .working_set = kRegion * kBlock,
                                                .memory = std::size_t{64} << 20,
                                                .scratch = kRegions * kRegion * kBlock};
                                },
                            .test_sizes = {0, 1, 2, 3, 5, 31, 33, 127, 128, 129, 300}},
                           kVariants);

}  // namespace
}  // namespace headroom
