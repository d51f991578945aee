// Kernels that read and write files, where the system refuses, interrupts or takes away: an error
// that says where, or the right answer; never a crash, and never a wrong answer that is timed.
#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/mount.h>
#endif

#include <string>

#include "catch.h"
#include "core/agreement.h"
#include "core/kernel.h"
#include "core/scratch.h"
#include "interrupted.h"
#include "subset.h"

namespace headroom {
namespace {

// While one lives, files can't grow beyond `bytes`: the same error path as a full disk.
struct FileLimit {
  explicit FileLimit(rlim_t bytes) : handler(signal(SIGXFSZ, SIG_IGN)) {
    getrlimit(RLIMIT_FSIZE, &before);
    rlimit limit = before;
    limit.rlim_cur = bytes;
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileLimit() {
    setrlimit(RLIMIT_FSIZE, &before);
    signal(SIGXFSZ, handler);
  }
  rlimit before;
  void (*handler)(int);
};

// What one call of a variant throws, with `Fault` made after all is ready; empty where it doesn't.
template <class Fault>
std::string error_of(Arm& arm, Fault fault) {
  try {
    arm.refill(1);
    [[maybe_unused]] const auto alive = fault();
    arm.run(1);
    arm.settle();
  } catch (const std::exception& error) {
    return error.what();
  }
  return "";
}

struct Case {
  const char* kernel;
  std::size_t n;
};

TEST_CASE("what the file system refuses is an error that names the folder") {
  for (const auto& [name, n] : {Case{"io/write_records", 1000}, Case{"io/write_bytes", 20'000},
                                Case{"io/write_lines", 2000}, Case{"io/copy_file", 100'000},
                                Case{"io/copy_file_cold", 100'000}, Case{"io/commit", 100},
                                Case{"io/log_sink", 500}, Case{"database/insert", 1000}}) {
    const Kernel* const kernel = built_kernel(name);
    if (kernel == nullptr) continue;
    const auto instance = kernel->bind({n, kernel->meta.inputs.front(), 1});
    for (std::size_t v = 0; v < kernel->variants.size(); ++v) {
      if (!kernel->variants[v].available()) continue;
      const auto arm = instance->arm(v, 1);
      const std::string error = error_of(*arm, [] { return FileLimit(8192); });
      INFO(name << "/" << kernel->variants[v].name << ": " << error);
      // Memory that is there needs no more room.
      if (kernel->variants[v].name == "overwrite_mapped")
        CHECK(error.empty());
      else
        CHECK(error.find(scratch_folder()) != std::string::npos);
    }
  }
}

#ifdef __linux__
// A scratch folder on a file system of 4 MiB, where one may be mounted.
class TinyDisk {
 public:
  TinyDisk() : before_(scratch_folder()) {
    if (mkdtemp(folder_) == nullptr) return;
    mounted = mount("none", folder_, "tmpfs", 0, "size=4m") == 0;
    if (mounted) set_scratch_folder(folder_);
  }
  ~TinyDisk() {
    set_scratch_folder(before_);
    if (mounted) umount2(folder_, MNT_DETACH);
    rmdir(folder_);
  }
  TinyDisk(const TinyDisk&) = delete;
  bool mounted = false;

 private:
  const std::string before_;
  char folder_[32] = "/tmp/headroom-tiny-XXXXXX";
};

// Takes all the room that there is.
ScratchFile filler() {
  ScratchFile file;
  const std::string block(4096, 'x');
  while (write(file.fd(), block.data(), block.size()) > 0) continue;
  return file;
}

TEST_CASE("a full disk is an error that says so, whichever way a file is written") {
  const TinyDisk disk;
  CHECK(true);
  if (!disk.mounted) return;
  for (const auto& [name, n] : {Case{"io/write_records", 1000}, Case{"io/write_bytes", 20'000},
                                Case{"io/write_lines", 2000}, Case{"io/copy_file", 100'000}}) {
    const Kernel* const kernel = built_kernel(name);
    if (kernel == nullptr) continue;
    const auto instance = kernel->bind({n, kernel->meta.inputs.front(), 1});
    for (std::size_t v = 0; v < kernel->variants.size(); ++v) {
      const std::string variant(kernel->variants[v].name);
      // Those that overwrite have their room.
      if (!kernel->variants[v].available() || variant.find("overwrite") == 0) continue;
      const auto arm = instance->arm(v, 1);
      const std::string error = error_of(*arm, filler);
      INFO(name << "/" << variant << ": " << error);
      CHECK(error.find("No space left on device") != std::string::npos);
      CHECK(error.find(scratch_folder()) != std::string::npos);
    }
  }
}

#if !defined(HEADROOM_TSAN)  // it doesn't survive a jump out of a signal's handler
// Empties every file in the scratch folder that this process has open, as another one could.
void truncate_scratch_files() {
  char* const whole = realpath(scratch_folder().c_str(), nullptr);
  REQUIRE(whole != nullptr);
  const std::string folder = whole;
  free(whole);
  DIR* const open_files = opendir("/proc/self/fd");
  REQUIRE(open_files != nullptr);
  int emptied = 0;
  while (const dirent* const entry = readdir(open_files)) {
    char target[4096] = "";
    const std::string link = std::string("/proc/self/fd/") + entry->d_name;
    if (readlink(link.c_str(), target, sizeof target - 1) <= 0) continue;
    if (std::string(target).rfind(folder + "/", 0) == 0 && truncate(link.c_str(), 0) == 0)
      ++emptied;
  }
  closedir(open_files);
  CHECK(emptied > 0);
}

TEST_CASE("a file that is truncated while it is read is an error, mapped or not") {
  struct Row {
    const char* kernel;
    const char* variant;
    std::size_t n;
  };
  for (const auto& [name, variant, n] :
       {Row{"io/read_records", "naive", 1000}, Row{"io/read_records", "fread", 1000},
        Row{"io/read_records", "ifstream", 1000}, Row{"io/read_records", "buffer_64k", 1000},
        Row{"io/read_records", "mapped_each", 1000}, Row{"io/read_records", "mapped", 1000},
        Row{"io/read_lines", "mapped_memchr", 1000}, Row{"io/read_lines", "mapped_simd", 1000},
        Row{"io/copy_file", "mapped", 100'000}, Row{"io/copy_file", "sendfile", 100'000},
        Row{"io/read_cold", "naive", 100'000}, Row{"io/read_cold", "mapped", 100'000},
        Row{"io/read_cold", "direct", 100'000}, Row{"io/read_cold", "uring", 100'000}}) {
    const Kernel* const kernel = built_kernel(name);
    if (kernel == nullptr) continue;
    bool found = false;
    for (std::size_t v = 0; v < kernel->variants.size(); ++v) {
      if (kernel->variants[v].name != variant) continue;
      found = true;
      if (!kernel->variants[v].available()) continue;
      const auto instance = kernel->bind({n, kernel->meta.inputs.front(), 1});
      const auto arm = instance->arm(v, 1);
      const std::string error = error_of(*arm, [] {
        truncate_scratch_files();
        return 0;
      });
      INFO(name << "/" << variant << ": " << error);
      CHECK(error.find(scratch_folder()) != std::string::npos);
    }
    INFO(name << "/" << variant);
    CHECK(found);
  }
}
#endif
#endif

TEST_CASE("kernels of files agree while signals interrupt them") {
  for (const Kernel& kernel : kernels()) {
    if (kernel.group() != "io" || kernel.variants.front().shape == Shape::kServed) continue;
    const std::size_t n = kernel.meta.test_sizes.back();
    const auto instance = kernel.bind({n, kernel.meta.inputs.front(), 1});
    for (std::size_t v = 0; v < kernel.variants.size(); ++v) {
      const VariantInfo& variant = kernel.variants[v];
      if (!variant.available() || !kernel.variants.front().available()) continue;
      std::string error;
      try {
        const auto baseline = instance->arm(0, 1), arm = instance->arm(v, 1);
        const Interrupted interrupted;
        const absl::Status status = check_turn(*arm, *baseline, 0);
        error = std::string(status.message());
      } catch (const std::exception& thrown) {
        error = thrown.what();
      }
      INFO(kernel.meta.name << "/" << variant.name << ": " << error);
      // The standard library's gives up, and says so.
      if (variant.name == "std_copy_file" && !error.empty())
        CHECK(error.find("Interrupted system call") != std::string::npos);
      else
        CHECK(error.empty());
    }
  }
}

}  // namespace
}  // namespace headroom
