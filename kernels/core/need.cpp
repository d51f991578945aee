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

}  // namespace headroom::internal
