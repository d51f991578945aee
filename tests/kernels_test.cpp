// Every registered kernel: all variants agree with the baseline over sizes, inputs, seeds, thread
// counts, misaligned memory and SIMD targets; and the table keeps its promises.
//
// Each kernel is a section: `headroom-tests -c simd/sum` runs that one alone, and `-d yes` shows
// what each takes.
#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

#define HWY_WANT_AVX3_DL 1
#include "bench/ladder.h"
#include "catch.h"
#include "core/agreement.h"
#include "core/cpu.h"
#include "hwy/targets.h"

namespace headroom {
namespace {

constexpr std::size_t kTurns = 2;  // each alone, then an epoch of three calls

// Every combination of the values of a kernel's params; one empty one where it has none.
std::vector<Params> every_params(const Kernel& kernel) {
  std::vector<Params> all;
  for (const Ladder& ladder : ladders(kernel))
    if (std::find(all.begin(), all.end(), ladder.params) == all.end()) all.push_back(ladder.params);
  return all;
}

// Those that are measured, and those for tests.
std::vector<std::string> every_input(const Kernel& kernel) {
  std::vector<std::string> all = kernel.meta.inputs;
  all.insert(all.end(), kernel.meta.test_inputs.begin(), kernel.meta.test_inputs.end());
  return all;
}

std::vector<int> thread_counts(const Kernel& kernel) {
  std::vector<int> all = {1};
  while (kernel.meta.sweeps_threads && all.back() < core_count()) all.push_back(all.back() + 1);
  return all;
}

// Kernels that wait for a disk, the network or the next request rather than compute: what can go
// wrong with memory and SIMD can't go wrong in them, and they take long.
bool waits(const Kernel& kernel) {
  const Demand demand = kernel.meta.demand(
      {kernel.meta.sizes.front(), kernel.meta.inputs.front(), 1, 1, every_params(kernel).front()});
  return kernel.meta.axis == Axis::kNetwork || kernel.variants.front().shape == Shape::kServed ||
         noise_class(kernel.meta.axis) == NoiseClass::kStorage || demand.scratch != 0;
}

void check_all(const Kernel& kernel, std::size_t n, std::uint64_t seed) {
  // An epoch of what waits takes long: at the largest size but one that tests go to.
  const std::vector<std::size_t>& sizes = kernel.meta.test_sizes;
  const std::size_t turns =
      waits(kernel) && n != sizes[std::max<std::size_t>(sizes.size(), 2) - 2] ? 1 : kTurns;
  for (const std::string& input : every_input(kernel)) {
    for (const Params& params : every_params(kernel)) {
      for (const int threads : thread_counts(kernel)) {
        const absl::Status status =
            check_agreement(kernel, {n, input, seed, threads, params}, turns);
        INFO(std::string(status.message()));
        CHECK(status.ok());
      }
    }
  }
}

TEST_CASE("variants agree at edge sizes, for several seeds") {
  for (const Kernel& kernel : kernels()) {
    DYNAMIC_SECTION(kernel.meta.name) {
      for (std::size_t n : kernel.meta.test_sizes)
        for (std::uint64_t seed = 1; seed <= (waits(kernel) ? 1 : 3); ++seed)
          check_all(kernel, n, seed);
    }
  }
}

TEST_CASE("variants agree at their smallest benchmark size") {
  for (const Kernel& kernel : kernels()) {
    DYNAMIC_SECTION(kernel.meta.name) { check_all(kernel, kernel.meta.sizes.front(), 4); }
  }
}

TEST_CASE("variants agree on memory aligned to no more than an element") {
  for (const Kernel& kernel : kernels()) {
    if (waits(kernel)) continue;
    DYNAMIC_SECTION(kernel.meta.name) {
      for (std::size_t offset : {1, 3}) {
        const ScopedMisalignment misaligned(offset);
        const std::vector<std::size_t>& sizes = kernel.meta.test_sizes;
        for (std::size_t i = sizes.size() / 2; i < sizes.size(); ++i)
          check_all(kernel, sizes[i], 5);
      }
    }
  }
}

TEST_CASE("variants agree on every SIMD target of this host") {
  const std::int64_t targets = hwy::SupportedTargets() & HWY_TARGETS;
  for (const Kernel& kernel : kernels()) {
    if (waits(kernel)) continue;
    DYNAMIC_SECTION(kernel.meta.name) {
      for (std::int64_t left = targets; left != 0; left &= left - 1) {
        const std::int64_t target = left & -left;
        INFO(hwy::TargetName(target));
        hwy::DisableTargets(target - 1);
        for (std::size_t n : kernel.meta.test_sizes) check_all(kernel, n, 6);
        // No variant has asked which target to take: with another all would be the same again.
        if (!hwy::GetChosenTarget().IsInitialized()) break;
      }
    }
  }
  hwy::DisableTargets(0);
}

// A run brings the baseline's answer once more for each variant whose earlier calls it compares. An
// answer that is taken from where it lies, as a message is from a queue, must not be gone then.
TEST_CASE("variants agree when they are asked for their answers twice") {
  for (const Kernel& kernel : kernels()) {
    DYNAMIC_SECTION(kernel.meta.name) {
      const std::vector<std::size_t>& sizes = kernel.meta.test_sizes;
      const std::size_t n =
          *std::find_if(sizes.begin(), sizes.end() - 1, [](auto s) { return s > 0; });
      const Setting setting{n, kernel.meta.inputs.front(), 9, 1, every_params(kernel).front()};
      const std::unique_ptr<Instance> instance = kernel.bind(setting);
      std::unique_ptr<Arm> baseline;
      for (std::size_t v = 0; v < kernel.variants.size(); ++v) {
        if (!kernel.variants[v].available() || n > kernel.variants[v].max_n) continue;
        INFO(kernel.variants[v].name);
        std::unique_ptr<Arm> arm = instance->arm(v, 1);
        if (baseline == nullptr) {
          baseline = std::move(arm);
          continue;
        }
        for (Arm* each : {baseline.get(), arm.get()}) {
          each->set_turn(0);
          each->refill(1);
          each->poison();
          each->run(1);
          each->settle();
          each->settle();
        }
        const absl::Status status = arm->agrees_with(*baseline);
        INFO(std::string(status.message()));
        CHECK(status.ok());
      }
    }
  }
}

// What threads do to each other shows only where they work at the same time, and not every time:
// sizes around those of blocks and shares, at which each thread works for a while, again and again.
TEST_CASE("variants of several threads agree, again and again") {
  for (const Kernel& kernel : kernels()) {
    if (waits(kernel) || !kernel.meta.sweeps_threads || kernel.group() == "machine") continue;
    DYNAMIC_SECTION(kernel.meta.name) {
      const std::size_t least = kernel.meta.sizes.front();
      for (const std::size_t n : {least - 1, least + 1, 2 * least + 63})
        for (std::uint64_t seed = 10; seed < 13; ++seed) check_all(kernel, n, seed);
    }
  }
}

// Minutes: only where HEADROOM_LONG is set, as `make check-all` does. A run checks what it
// measures; this is for the sizes and inputs that `standard` leaves out.
TEST_CASE("variants agree at every benchmark size, input and param") {
  if (std::getenv("HEADROOM_LONG") == nullptr) return;
  constexpr std::size_t kMostMemory = std::size_t{2} << 30;
  for (const Kernel& kernel : kernels()) {
    if (waits(kernel) || kernel.group() == "machine") continue;
    DYNAMIC_SECTION(kernel.meta.name) {
      for (std::size_t n : kernel.meta.sizes)
        for (const std::string& input : every_input(kernel))
          for (const Params& params : every_params(kernel)) {
            for (const int threads : thread_counts(kernel)) {
              const Setting setting{n, input, 7, threads, params};
              if (kernel.meta.demand(setting).memory > kMostMemory) continue;
              const absl::Status status = check_agreement(kernel, setting, kTurns);
              INFO(std::string(status.message()));
              CHECK(status.ok());
            }
          }
    }
  }
}

TEST_CASE("every kernel says what it needs to be listed, timed and cited") {
  REQUIRE_FALSE(kernels().empty());
  for (const Kernel& kernel : kernels()) {
    INFO(kernel.meta.name);
    CHECK_FALSE(kernel.meta.technique.empty());
    // A file may hold one problem for several types (sort and sort_u64), never several problems.
    const std::string file = kernel.source.substr(0, kernel.source.rfind(".cpp"));
    CHECK(kernel.meta.name.rfind(file, 0) == 0);
    if (kernel.meta.unit.empty()) {
      CHECK(kernel.variants.size() >= 2);
      CHECK(kernel.variants.front().name == "naive");
    } else {
      CHECK(kernel.group() == "machine");
    }
    for (std::size_t n : kernel.meta.sizes) {
      const Demand demand =
          kernel.meta.demand({n, kernel.meta.inputs.front(), 1, 1, every_params(kernel).front()});
      CHECK(demand.items > 0);
    }
    for (const VariantInfo& v : kernel.variants) {
      INFO(v.name);
      CHECK(v.what.size() <= 160);
      CHECK(v.what.find('\n') == std::string_view::npos);
    }
  }
}

// The answer of a variant, right before, made wrong in one way: `same` must refuse it.
TEST_CASE("each kernel's comparison refuses an answer that is wrong in one place") {
  for (const Kernel& kernel : kernels()) {
    DYNAMIC_SECTION(kernel.meta.name) {
      bool spoiled = false;
      const std::size_t n = kernel.meta.test_sizes.back();
      for (const std::string& input : kernel.meta.inputs) {
        const std::unique_ptr<Instance> instance =
            kernel.bind({n, input, 8, 1, every_params(kernel).front()});
        const auto first =
            std::find_if(kernel.variants.begin(), kernel.variants.end(),
                         [n](const VariantInfo& v) { return v.available() && n <= v.max_n; });
        if (first == kernel.variants.end()) continue;
        const auto variant = static_cast<std::size_t>(first - kernel.variants.begin());
        const std::unique_ptr<Arm> baseline = instance->arm(variant, 1);
        const std::unique_ptr<Arm> arm = instance->arm(variant, 1);
        for (Spoil how : {Spoil::kFirst, Spoil::kLast, Spoil::kOrder, Spoil::kLength}) {
          const absl::Status sound = check_turn(*arm, *baseline, 0);
          INFO(input << " " << static_cast<int>(how) << " " << std::string(sound.message()));
          REQUIRE(sound.ok());
          if (!arm->spoil(how)) continue;
          spoiled = true;
          CHECK_FALSE(arm->agrees_with(*baseline).ok());
        }
      }
      // A probe's comparison knows the truth from the input (probe_truth_test.cpp).
      if (!kernel.meta.unit.empty() || !kernel.variants.front().available()) continue;
      INFO("its Output needs a member spoil(Spoil)");
      CHECK(spoiled);
    }
  }
}

}  // namespace
}  // namespace headroom
