#include "bench/program.h"

#include <benchmark/benchmark.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/syscall.h>
#endif

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <iostream>
#include <string>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/reflection.h"
#include "absl/flags/usage.h"
#include "absl/flags/usage_config.h"
#include "bench/catalogue.h"
#include "bench/ladder_benchmark.h"
#include "bench/plan.h"
#include "bench/simd_target.h"
#include "bench/single_benchmark.h"
#include "bench/slot.h"
#include "core/allowance.h"
#include "core/cpu.h"
#include "core/scratch.h"
#include "nlohmann/json.hpp"
#include "support/ranks.h"

ABSL_FLAG(bool, headroom_catalogue, false, "print kernels, variants and ladders as JSON, and stop");
ABSL_FLAG(std::string, headroom_plan, "", "JSON file: the ladders to run, of one kernel");
ABSL_FLAG(std::string, headroom_out, "", "JSON file to write: what the planned ladders measured");
ABSL_FLAG(int, headroom_launch, 0,
          "number of this launch; an odd one and the next place the arms in opposite order");
ABSL_FLAG(std::uint64_t, headroom_chance, 0, "seed of the order of the arms in memory and in time");
ABSL_FLAG(bool, headroom_pilot, false,
          "check agreement, choose calls and rounds, complete the plan");
ABSL_FLAG(std::string, headroom_scratch, "build/scratch", "folder for the files of I/O kernels");
ABSL_FLAG(std::string, headroom_simd_target, "", "use no better SIMD target than this one");

namespace headroom {
namespace {

// What the libraries of a launch must find in their environment.
struct EnvironmentEntry {
  const char* name;
  const char* value;  // null: nothing of that name
  bool forced;        // also where somebody set it
};
constexpr EnvironmentEntry kEnvironment[] = {
    {"OMP_PROC_BIND", "true", true},
    {"OMP_PLACES", "cores", true},
    {"OMP_DYNAMIC", "false", true},
    // Idle workers stop spinning after tens of microseconds, so that they don't take the core's
    // other hardware thread from the next arm of the ladder.
    {"GOMP_SPINCOUNT", "10000", false},
    {"KMP_BLOCKTIME", "1", false},  // ms, the least that keeps a region from waking its threads
    {"OPENBLAS_THREAD_TIMEOUT", "16", false},
    // A peer runs the code that it has for this host, not what somebody once forced on it.
    {"OPENBLAS_CORETYPE", nullptr, true},
};

// NOLINTBEGIN(concurrency-mt-unsafe): they run before there is a second thread

// The same as JSON, for a caller that starts this program often: with it, and the CPUs in
// HEADROOM_CPUS, one start is enough.
nlohmann::ordered_json environment() {
  nlohmann::ordered_json all = nlohmann::ordered_json::object();
  for (const EnvironmentEntry& e : kEnvironment) {
    const char* const value = e.forced ? e.value : std::getenv(e.name);
    all[e.name] = value == nullptr ? nlohmann::ordered_json() : nlohmann::ordered_json(value);
  }
  return all;
}

#ifdef __linux__
// The CPUs that this process was started on. An OpenMP runtime that finds OMP_PROC_BIND in the
// environment narrows the mask before main, in its constructor, so this one is read earlier: before
// any shared library's constructor, where the C library has that (glibc has, musl hasn't).
constexpr std::size_t kMaskBytes = 8192;  // 65,536 CPUs
unsigned char first_mask[kMaskBytes];
long first_mask_bytes = 0;
constexpr long kWordBits = 8 * sizeof(unsigned long);

extern "C" void keep_first_mask() {
  first_mask_bytes = syscall(SYS_sched_getaffinity, 0, kMaskBytes, first_mask);
}
#ifdef __GLIBC__
[[gnu::section(".preinit_array"), gnu::used]] void (*const run_first)() = keep_first_mask;
#endif

std::vector<int> first_affinity() {
  std::vector<int> cpus;
  for (long bit = 0; bit < 8 * first_mask_bytes; ++bit) {
    unsigned long word = 0;
    std::memcpy(&word, first_mask + bit / kWordBits * sizeof word, sizeof word);
    if ((word >> (bit % kWordBits) & 1) != 0) cpus.push_back(static_cast<int>(bit));
  }
  return cpus.empty() ? affinity() : cpus;
}
#endif

// OpenMP reads its environment before main, so what is missing is set for a second start of the
// same program. The mask of allowed CPUs goes along: binding narrows it.
void restart_with_environment(char** argv) {
#ifdef __linux__
  if (std::getenv("HEADROOM_CPUS") != nullptr) return;
  const std::vector<int> all = first_affinity();
  if (all.empty()) return;
  set_affinity(all);
  std::string cpus;
  for (int cpu : all) cpus += (cpus.empty() ? "" : ",") + std::to_string(cpu);
  setenv("HEADROOM_CPUS", cpus.c_str(), 1);
  for (const EnvironmentEntry& e : kEnvironment) {
    if (e.value == nullptr) {
      unsetenv(e.name);
    } else {
      setenv(e.name, e.value, e.forced);
    }
  }
  execv("/proc/self/exe", argv);  // returns only where it failed: go on unbound
#else
  (void)argv;
#endif
}

// glibc's malloc learns from what is freed: which blocks come fresh from the kernel and which are
// used again would depend on what the other variants of the ladder, or their checks, gave back.
// From the start it is as after a block of 32 MiB was freed, the most that it learns.
void fix_malloc() {
#ifdef __GLIBC__
  constexpr int kMost = 32 << 20;
  mallopt(M_MMAP_THRESHOLD, kMost);
  mallopt(M_TRIM_THRESHOLD, 2 * kMost);
#endif
}

// NOLINTEND(concurrency-mt-unsafe)

int fail(const std::string& message, int status) {
  std::fprintf(stderr, "headroom-bench: %s\n", message.c_str());
  return status;
}

// "--name=value" -> "name"; empty for what is no flag.
std::string flag_name(const std::string& argument) {
  if (argument.rfind("--", 0) != 0) return "";
  return argument.substr(
      2, argument.find('=') == std::string::npos ? std::string::npos : argument.find('=') - 2);
}

// Ladders for use without a plan: everything, calibrated when it runs.
void register_all_ladders() {
  for (const Kernel& kernel : kernels()) {
    Plan plan;
    plan.kernel = kernel.meta.name;
    for (const Ladder& ladder : ladders(kernel))
      if (ladder.blocked.empty())
        plan.ladders.push_back({ladder.n, ladder.input, ladder.threads, ladder.params});
    register_ladders(plan, {});
  }
}

nlohmann::ordered_json launch_report(const Plan& plan, const LaunchOptions& options) {
  nlohmann::ordered_json report = {{"version", kFileVersion},
                                   {"kernel", plan.kernel},
                                   {"launch", options.launch},
                                   {"pilot", options.pilot},
                                   {"simd_target", chosen_simd_target()},
                                   {"conditions", to_json(launch_conditions())},
                                   {"sentinel", sentinel_told()},
                                   {"no_counters", counters_missing()}};
  if (options.pilot) report["plan"] = to_json(completed_plan());
  report["ladders"] = ladder_results();
  return report;
}

int run_planned() {
  const std::string out = absl::GetFlag(FLAGS_headroom_out);
  if (out.empty()) return fail("--headroom_plan needs --headroom_out", 2);
  const Plan plan = read_plan(absl::GetFlag(FLAGS_headroom_plan));
  const LaunchOptions options = {absl::GetFlag(FLAGS_headroom_launch),
                                 absl::GetFlag(FLAGS_headroom_pilot), true,
                                 absl::GetFlag(FLAGS_headroom_chance)};
  register_ladders(plan, options);
  benchmark::RunSpecifiedBenchmarks("^ladder/");
  write_whole(out, launch_report(plan, options).dump());
  if (!any_mismatch()) return 0;
  for (const auto& ladder : ladder_results())
    if (ladder["status"] == "mismatch") fail(ladder["message"].get<std::string>(), 1);
  return 1;
}

// The ranks of a job are where mpirun bound them: a core each, on whichever host.
bool pinned_to_core() { return cluster::in_job() ? affinity().size() == 1 : pin_to_core(0); }

int run_or_follow(int argc, char** argv, const std::function<void()>& follow) {
  // Google Benchmark takes its own flags out of argv, Abseil reads the rest.
  bool filtered = false;
  for (int i = 1; i < argc; ++i) filtered |= std::strncmp(argv[i], "--benchmark_filter", 18) == 0;
  const bool help = argc > 1 && (std::strcmp(argv[1], "--help") == 0);
  if (!help) benchmark::Initialize(&argc, argv);
  absl::SetProgramUsageMessage(
      "Headroom's kernels under Google Benchmark. Without a plan: an ordinary benchmark program\n"
      "(--benchmark_filter=^simd/sum/ and Google Benchmark's other flags; ladders are behind\n"
      "--benchmark_filter=^ladder/). `tools/headroom run` drives it with plans.");
  absl::FlagsUsageConfig usage;
  usage.contains_helpshort_flags = [](absl::string_view file) {
    return file.find("program.cpp") != absl::string_view::npos;
  };
  usage.contains_help_flags = usage.contains_helpshort_flags;
  absl::SetFlagsUsageConfig(usage);
  // Abseil would end the program with status 1.
  for (int i = 1; i < argc; ++i) {
    const std::string flag = flag_name(argv[i]);
    if (!flag.empty() && flag.rfind("help", 0) != 0 && absl::FindCommandLineFlag(flag) == nullptr)
      return fail("unknown flag " + std::string(argv[i]) + "; see --help", 2);
  }
  const std::vector<char*> rest = absl::ParseCommandLine(argc, argv);
  if (rest.size() > 1) return fail("unknown argument " + std::string(rest[1]), 2);

  const bool pinned = pinned_to_core();
  set_scratch_folder(absl::GetFlag(FLAGS_headroom_scratch));
  if (const std::string target = absl::GetFlag(FLAGS_headroom_simd_target); !target.empty())
    limit_simd_target(target);
  if (follow) {
    follow();
    return 0;
  }
  sweep_scratch();
  if (absl::GetFlag(FLAGS_headroom_catalogue)) {
    nlohmann::ordered_json all = catalogue();
    all["environment"] = environment();
    all["pinned"] = pinned;
    std::cout << all.dump() << "\n";
    return std::cout.flush() ? 0 : fail("can't write to standard output", 2);
  }
  if (!absl::GetFlag(FLAGS_headroom_plan).empty()) return run_planned();
  register_single_benchmarks();
  register_all_ladders();
  const std::size_t matched = filtered ? benchmark::RunSpecifiedBenchmarks()
                                       : benchmark::RunSpecifiedBenchmarks("-^ladder/");
  if (matched == 0) return 2;  // Google Benchmark has said so
  return any_mismatch() ? 1 : 0;
}

}  // namespace

void prepare_process(char** argv) {
  restart_with_environment(argv);
  fix_malloc();
}

int run_program(int argc, char** argv, const std::function<void()>& follow) {
  int status = 0;
  try {
    status = run_or_follow(argc, argv, follow);
  } catch (const std::exception& error) {
    status = fail(error.what(), 2);
  }
  drop_instances();
  benchmark::Shutdown();
  return status;
}

}  // namespace headroom
