#include "core/need.h"

#include <fcntl.h>
#include <unistd.h>

#include "core/cpu.h"
#include "core/scratch.h"

#if HEADROOM_HAVE_URING
#include <liburing.h>
#endif

namespace headroom::internal {

bool has_io_uring() {
#if HEADROOM_HAVE_URING
  // Containers often forbid the system call, so only trying tells.
  static const bool works = [] {
    io_uring ring;
    if (io_uring_queue_init(2, &ring, 0) != 0) return false;
    io_uring_queue_exit(&ring);
    return true;
  }();
  return works;
#else
  return false;
#endif
}

bool has_direct_io() {
#ifdef O_DIRECT
  static const bool works = [] {
    try {
      const ScratchFile file;
      const int fd = file.reopen(O_RDWR | O_DIRECT);
      close(fd);
      return true;
    } catch (const std::exception&) {
      return false;
    }
  }();
  return works;
#else
  return false;
#endif
}

bool has_two_cores() { return core_count() >= 2; }

bool built_with_openmp() { return HEADROOM_HAVE_OPENMP != 0; }
bool built_with_sqlite() { return HEADROOM_HAVE_SQLITE != 0; }
bool built_with_openblas() { return HEADROOM_HAVE_OPENBLAS != 0; }
bool built_with_tbb() { return HEADROOM_HAVE_TBB != 0; }
bool built_with_fast_float() { return HEADROOM_HAVE_FAST_FLOAT != 0; }
bool built_with_vqsort() { return HEADROOM_HAVE_VQSORT != 0; }
bool built_with_zlib() { return HEADROOM_HAVE_ZLIB != 0; }
bool built_with_isal() { return HEADROOM_HAVE_ISAL != 0; }
bool built_with_simdjson() { return HEADROOM_HAVE_SIMDJSON != 0; }
bool built_with_re2() { return HEADROOM_HAVE_RE2 != 0; }
bool built_with_primesieve() { return HEADROOM_HAVE_PRIMESIEVE != 0; }
bool built_with_boost_flat_map() { return HEADROOM_HAVE_BOOST_FLAT_MAP != 0; }
bool built_with_roaring() { return HEADROOM_HAVE_ROARING != 0; }

}  // namespace headroom::internal
