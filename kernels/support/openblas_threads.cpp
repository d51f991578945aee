#include "support/openblas_threads.h"

#include <dlfcn.h>

namespace headroom {
namespace {

// Without RTLD_DEEPBIND its calls of itself would end in the other build, where both are there.
// AddressSanitizer refuses it, and ThreadSanitizer can't see how its threads meet.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(RTLD_DEEPBIND)
constexpr bool kCanBeHidden = false;
constexpr int kHidden = 0;
#elif defined(__has_feature)
constexpr bool kCanBeHidden = !__has_feature(address_sanitizer) && !__has_feature(thread_sanitizer);
constexpr int kHidden = RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND;
#else
constexpr bool kCanBeHidden = true;
constexpr int kHidden = RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND;
#endif
// A build without peers has none of them.
constexpr bool kMayLoad = kCanBeHidden && HEADROOM_HAVE_OPENBLAS_THREADS != 0;

template <class Function>
bool find(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  return function != nullptr;
}

OpenBlasThreads load() {
  if (!kMayLoad) return {};
  // By path where the two builds share a name (Debian); by name where they don't (Fedora), or where
  // there is only one (Arch).
  for (const char* path : {"/usr/lib/x86_64-linux-gnu/openblas-openmp/libopenblas.so.0",
                           "/usr/lib/aarch64-linux-gnu/openblas-openmp/libopenblas.so.0",
                           "libopenblaso.so.0", "libopenblas.so.0", "libopenblas.so"}) {
    void* const library = dlopen(path, kHidden);
    if (library == nullptr) continue;
    // 2: built with OpenMP.
    int (*kind)() = nullptr;
    OpenBlasThreads found;
    if (find(library, "openblas_get_parallel", kind) && kind() == 2 &&
        find(library, "cblas_ddot", found.ddot) && find(library, "cblas_saxpy", found.saxpy) &&
        find(library, "cblas_sgemm", found.sgemm) &&
        find(library, "openblas_set_num_threads", found.set_threads))
      return found;
    dlclose(library);
  }
  return {};
}

}  // namespace

const OpenBlasThreads& openblas_threads() {
  static const OpenBlasThreads loaded = load();
  return loaded;
}

bool has_openblas_threads() { return openblas_threads().set_threads != nullptr; }

}  // namespace headroom
