// Waits for the disk that no test can see the use of, and that most of the tests' time would go to:
// here fsync and fdatasync return as soon as they know that there is such a file, also to the
// libraries that kernels use. A program that is killed leaves to the system what it wrote, flushed
// or not; only a machine that falls doesn't, and no test fells one. `make check-all` flushes
// (HEADROOM_LONG), and what goes past these two functions, such as io_uring's flush, always does.
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdlib>

#ifdef __linux__
namespace {

int flush(long call, int file) {
  static const bool flushes = std::getenv("HEADROOM_LONG") != nullptr;
  if (flushes) return static_cast<int>(syscall(call, file));
  return fcntl(file, F_GETFD) == -1 ? -1 : 0;
}

}  // namespace

extern "C" int fsync(int file) { return flush(SYS_fsync, file); }
extern "C" int fdatasync(int file) { return flush(SYS_fdatasync, file); }
#endif
