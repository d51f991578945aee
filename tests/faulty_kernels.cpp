// The kernels of headroom-bench-faulty, and counters that are made up: with HEADROOM_FAKE_COUNTERS
// set, a call counts as what its variant says, and what a reading costs comes on top.
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bench/counters.h"
#include "faulty.h"
#include "support/opencl.h"

namespace headroom::faulty {
namespace {

std::uint64_t made_up_cycles = 0;

class MadeUpCounters final : public CounterSource {
 public:
  const std::vector<std::string_view>& names() const override { return names_; }
  std::vector<CounterReading> read() override {
    made_up_cycles += 11;
    clock_ += 100;
    return {{{made_up_cycles, 2 * made_up_cycles}, clock_, clock_}};
  }

 private:
  std::vector<std::string_view> names_ = {"cycles", "instructions"};
  std::uint64_t clock_ = 0;
};

const bool kMadeUp = [] {
  if (std::getenv("HEADROOM_FAKE_COUNTERS") == nullptr) return false;
  set_counter_factory([] { return CountersOpened{std::make_unique<MadeUpCounters>()}; });
  return true;
}();

// Three cycles an element, and half of that.
void three_cycles(const Totals::Input& in, Totals::Output& out) {
  naive(in, out);
  made_up_cycles += 3 * in.x.size();
}
void half_the_cycles(const Totals::Input& in, Totals::Output& out) {
  naive(in, out);
  made_up_cycles += 3 * in.x.size() / 2;
}
constexpr Variant<Totals> kCountedTable[] = {
    {.name = "naive", .run = run<three_cycles>, .what = "counts as 3 cycles an element"},
    {.name = "better", .run = run<half_the_cycles>, .what = "counts as half of that"},
};

const Registrar kSound(metadata("faulty/sound"), kPair<naive>);
const Registrar kWrongAtOneSize(metadata("faulty/wrong_at_one_size"), kPair<wrong_at_one_size>);
const Registrar kSkipsPart(metadata("faulty/skips_part"), kPair<skips_part>);
const Registrar kWrongLater(metadata("faulty/wrong_later"), kPair<wrong_later>);
const Registrar kProbeOfBytes(probe_metadata("faulty/probe"), kProbe);
const Registrar kHonest(claiming("faulty/honest", 0.5), kPair<naive>);
const Registrar kCheats(claiming("faulty/cheats", 10), kPair<naive>);
// One variant of several that throws, at once or after a while; and a baseline that does.
constexpr Variant<Totals> kThrowing[] = {
    {.name = "naive", .run = run<naive>, .what = "the reference"},
    {.name = "broken", .run = run<throws>, .what = "broken on purpose"},
    {.name = "later", .run = run<throws_later>, .what = "broken after a while"},
    {.name = "sound", .run = run<naive>, .what = "the same as the reference"},
};
constexpr Variant<Totals> kThrowingBaseline[] = {
    {.name = "naive", .run = run<throws>, .what = "broken on purpose"},
    {.name = "second", .run = run<naive>, .what = "stands in for it"},
    {.name = "third", .run = run<naive>, .what = "the same"},
};
const Registrar kThrows(metadata("faulty/throws"), kThrowing);
const Registrar kBaselineThrows(metadata("faulty/baseline_throws"), kThrowingBaseline);
#if HEADROOM_HAVE_OPENCL
// A variant whose program the device's compiler refuses.
struct NoProgram {
  explicit NoProgram(const Totals::Input&)
      : kernel("__kernel void totals() { nonsense; }", "totals") {}
  opencl::Kernel kernel;
};
void on_device(NoProgram&, const Totals::Input& in, Totals::Output& out) { naive(in, out); }
constexpr Variant<Totals> kBuildingFails[] = {
    {.name = "naive", .run = run<naive>, .what = "the reference"},
    {.name = "opencl",
     .run = run<on_device>,
     .what = "broken on purpose",
     .needs = opencl::kNeedsDevice},
    {.name = "sound", .run = run<naive>, .what = "the same as the reference"},
};
const Registrar kNoProgram(metadata("faulty/no_program"), kBuildingFails);
#endif

// Right, but all that it measures is refused, but for each kGood-th run (0: none).
template <int kGood>
class RefusedArm final : public ArmOf<Totals> {
 public:
  using ArmOf<Totals>::ArmOf;
  void run(std::size_t calls) override {
    ++runs_;
    repeat(calls, [&](const Totals::Input& in) { naive(in, output_); });
  }
  std::string refused() const override {
    return kGood != 0 && runs_ % kGood == 0 ? "" : "the load generator was late";
  }

 private:
  int runs_ = 0;
};
template <int kGood>
struct Refused {
  template <class P>
  static consteval Shape shape() {
    return Shape::kPure;
  }
  template <class P>
  static std::unique_ptr<Arm> make(const InputOf<P>& input, const Setting& setting) {
    return std::make_unique<RefusedArm<kGood>>(input, setting);
  }
};
constexpr Variant<Totals> kRefusing[] = {
    {.name = "naive", .run = run<naive>, .what = "the reference"},
    {.name = "always", .run = Refused<0>{}, .what = "never a run that counts"},
    {.name = "at_times", .run = Refused<3>{}, .what = "each third run counts"},
};
const Registrar kRefuses(metadata("faulty/refuses"), kRefusing);
const Registrar kCrashes(metadata("faulty/crashes"), kPair<crashes>);
const Registrar kCounted(metadata("faulty/counted"), kCountedTable);
const Registrar kHangs(metadata("faulty/hangs"), kPair<hangs>);

}  // namespace
}  // namespace headroom::faulty
