// io/write_records beyond agreement: a file system that takes no more is an error that says where.
#include <sys/resource.h>

#include <csignal>
#include <string>

#include "catch.h"
#include "core/kernel.h"
#include "core/scratch.h"
#include "subset.h"

namespace headroom {
namespace {

// While one lives, files can't grow beyond `bytes`: the same error path as a full disk.
struct FileLimit {
  explicit FileLimit(rlim_t bytes) : handler(std::signal(SIGXFSZ, SIG_IGN)) {
    getrlimit(RLIMIT_FSIZE, &before);
    rlimit limit = before;
    limit.rlim_cur = bytes;
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileLimit() {
    setrlimit(RLIMIT_FSIZE, &before);
    std::signal(SIGXFSZ, handler);
  }
  rlimit before;
  void (*handler)(int);
};

TEST_CASE("what the file system refuses is an error that names the folder") {
  for (const char* name : {"io/write_records", "database/insert"}) {
    const Kernel* const kernel = built_kernel(name);
    if (kernel == nullptr) continue;
    const Setting setting{1000, kernel->meta.inputs.front(), 1};
    const auto instance = kernel->bind(setting);
    for (std::size_t v = 0; v < kernel->variants.size(); ++v) {
      if (!kernel->variants[v].available()) continue;
      INFO(name);
      INFO(kernel->variants[v].name);
      const auto arm = instance->arm(v, 1);
      std::string error;
      try {
        arm->refill(1);
        const FileLimit limit(8192);
        arm->run(1);
      } catch (const std::exception& e) {
        error = e.what();
      }
      // Memory that is there needs no more room.
      if (kernel->variants[v].name == "overwrite_mapped")
        CHECK(error.empty());
      else
        CHECK(error.find(scratch_folder()) != std::string::npos);
    }
  }
}

}  // namespace
}  // namespace headroom
