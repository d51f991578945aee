// machine/thread_start: start a thread that does nothing, and wait for its end; n of them a call,
// one after the other.
//
// On the core of the one that starts it the new thread waits for the join and then costs two
// context switches; on another core it costs an interrupt to wake that core, in a virtual machine
// an expensive one. Out: how many threads ran.
#include "core/kernel.h"
#include "support/on_core.h"

namespace headroom {
namespace {

struct ThreadStart {
  struct Input {
    std::size_t threads = 0;
  };
  using Output = std::size_t;

  static Input make(const Setting& setting, Rng&) { return {setting.n}; }
  static absl::Status same(const Input& in, const Output& want, const Output& got) {
    if (want != in.threads) return exact(in.threads, want);
    return exact(want, got);
  }
};

#ifdef __linux__
// The core is part of the attributes: a thread that moved itself would pay for the move.
template <int kSlot>
struct Place {
  explicit Place(const ThreadStart::Input&) : caller(cpus_of_core(0)) {
    const CpuMask core = cpus_of_core(kSlot);
    pthread_attr_init(&attributes);
    pthread_attr_setaffinity_np(&attributes, core.bytes(), core.set());
  }
  ~Place() { pthread_attr_destroy(&attributes); }
  Place(const Place&) = delete;
  CpuMask caller;
  pthread_attr_t attributes;
};

template <int kSlot>
void start_and_join(const Place<kSlot>& place, const ThreadStart::Input& in, std::size_t& out) {
  const OnCore here(place.caller);
  std::size_t ran = 0;
  for (std::size_t i = 0; i < in.threads; ++i) {
    pthread_t thread;
    const auto body = [](void* count) -> void* {
      ++*static_cast<std::size_t*>(count);
      return nullptr;
    };
    if (pthread_create(&thread, &place.attributes, body, &ran) == 0) pthread_join(thread, nullptr);
  }
  out = ran;
}
constexpr auto kSameCore = run<start_and_join<0>>;
constexpr auto kOtherCore = run<start_and_join<1>>;
#else
constexpr auto kSameCore = kNotBuilt;
constexpr auto kOtherCore = kNotBuilt;
#endif

constexpr Need kNeeds[] = {kTwoCores};

constexpr Variant<ThreadStart> kVariants[] = {
    {.name = "same_core", .run = kSameCore, .what = "start and join, both on core 0"},
    {.name = "other_core",
     .run = kOtherCore,
     .what = "started from core 0, runs on core 1: adds the wake-up of a core, twice",
     .needs = kNeeds},
};

const Registrar kRegistrar({.name = "machine/thread_start",
                            .axis = Axis::kSyscall,
                            .technique = "the cost of a thread for one job",
                            .sizes = {8},
                            .headline = {8},
                            .clock = Clock::kWall,
                            .warm = Warm::kCall,
                            .unit = "ns",
                            .demand =
                                [](const Setting& s) {
                                  return Demand{.items = static_cast<double>(s.n),
                                                .working_set = 64 << 10};
                                },
                            .test_sizes = {1, 2, 33}},
                           kVariants);

}  // namespace
}  // namespace headroom
