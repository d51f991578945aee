// machine/context_switch: two threads on one core wake each other in turn; n switches a call.
//
// A round trip is two switches, and a switch here is what a program pays for it: the wake-up, the
// wait, the scheduler between them. No other thread shares the memory that they use, so what a
// switch does to the caches comes on top. Out: how many times the partner answered; n / 2, rounded
// up.
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <system_error>

#include "core/kernel.h"
#include "support/on_core.h"

#ifdef __linux__
#include <linux/futex.h>
#include <sys/syscall.h>
#endif

namespace headroom {
namespace {

constexpr std::size_t trips(std::size_t n) { return (n + 1) / 2; }

struct ContextSwitch {
  struct Input {
    std::size_t trips = 0;
  };
  using Output = std::size_t;

  static Input make(const Setting& setting, Rng&) { return {trips(setting.n)}; }
  static absl::Status same(const Input& in, const Output& want, const Output& got) {
    if (want != in.trips) return exact(in.trips, want);
    return exact(want, got);
  }
};

#ifdef __linux__
void require(bool fine, const char* what) {
  if (!fine) throw std::system_error(errno, std::generic_category(), what);
}

// Whose turn it is stands in a word in memory; who waits for it sleeps in the kernel.
class Futex {
 public:
  Futex() : core_(cpus_of_core(0)), partner_([this] { answer(); }) {}
  explicit Futex(const ContextSwitch::Input&) : Futex() {}
  ~Futex() {
    pass(kQuit);
    partner_.join();
  }
  Futex(const Futex&) = delete;

  std::size_t play(std::size_t count) {
    const OnCore here(core_);
    std::size_t came = 0;
    for (std::size_t i = 0; i < count; ++i) {
      pass(kPartner);
      while (turn_.load(std::memory_order_acquire) != kCaller) wait(kPartner);
      ++came;
    }
    return came;
  }

 private:
  static constexpr int kCaller = 0, kPartner = 1, kQuit = 2;

  int* word() { return reinterpret_cast<int*>(&turn_); }
  void pass(int to) {
    turn_.store(to, std::memory_order_release);
    syscall(SYS_futex, word(), FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
  }
  void wait(int while_it_is) {
    syscall(SYS_futex, word(), FUTEX_WAIT_PRIVATE, while_it_is, nullptr, nullptr, 0);
  }
  void answer() {
    const OnCore here(core_);
    for (;;) {
      int turn;
      while ((turn = turn_.load(std::memory_order_acquire)) == kCaller) wait(kCaller);
      if (turn == kQuit) return;
      pass(kCaller);
    }
  }

  const CpuMask core_;
  std::atomic<int> turn_{kCaller};
  std::thread partner_;
};

// A byte through a pipe wakes the other side: what the classic benchmarks (lmbench's lat_ctx, perf
// bench sched pipe) do.
class Pipes {
 public:
  explicit Pipes(const ContextSwitch::Input&) : core_(cpus_of_core(0)) {
    require(pipe(to_) == 0, "pipe");
    if (pipe(from_) != 0) {
      close(to_[0]), close(to_[1]);
      require(false, "pipe");
    }
    partner_ = std::thread([this] { answer(); });
  }
  ~Pipes() {
    close(to_[1]);
    partner_.join();
    close(to_[0]), close(from_[0]), close(from_[1]);
  }
  Pipes(const Pipes&) = delete;

  std::size_t play(std::size_t count) {
    const OnCore here(core_);
    std::size_t came = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const auto sent = static_cast<unsigned char>(i);
      unsigned char got = 0;
      require(write(to_[1], &sent, 1) == 1 && read(from_[0], &got, 1) == 1, "pipe");
      came += got == static_cast<unsigned char>(sent + 1);
    }
    return came;
  }

 private:
  void answer() {
    const OnCore here(core_);
    unsigned char byte;
    while (read(to_[0], &byte, 1) == 1) {
      ++byte;
      if (write(from_[1], &byte, 1) != 1) return;
    }
  }

  const CpuMask core_;
  int to_[2], from_[2];
  std::thread partner_;
};

template <class Players>
void play(Players& players, const ContextSwitch::Input& in, std::size_t& out) {
  out = players.play(in.trips);
}
constexpr auto kFutex = run<play<Futex>>;
constexpr auto kPipe = run<play<Pipes>>;
#else
constexpr auto kFutex = kNotBuilt;
constexpr auto kPipe = kNotBuilt;
#endif

constexpr Variant<ContextSwitch> kVariants[] = {
    {.name = "pipe", .run = kPipe, .what = "a byte through a pipe and one back"},
    {.name = "futex", .run = kFutex, .what = "futex wake and wait: the kernel's shortest way"},
};

const Registrar kRegistrar({.name = "machine/context_switch",
                            .axis = Axis::kSyscall,
                            .technique = "the cost of handing the core to another thread",
                            .sizes = {128},
                            .headline = {128},
                            .clock = Clock::kWall,
                            .warm = Warm::kCall,
                            .unit = "ns",
                            .demand =
                                [](const Setting& s) {
                                  return Demand{.items = static_cast<double>(2 * trips(s.n)),
                                                .working_set = 4096};
                                },
                            .test_sizes = {1, 2, 33}},
                           kVariants);

}  // namespace
}  // namespace headroom
