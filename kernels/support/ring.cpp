#include "support/ring.h"

#if HEADROOM_HAVE_URING
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <exception>
#include <string>
#include <system_error>

#include "core/scratch.h"
#include "support/pages.h"

namespace headroom {

template <Pace kPace>
Ring<kPace>::Ring(unsigned entries) : requests_(entries) {
  io_uring_params params{};
  if (kPace == Pace::kDeferred) {
#if defined(IORING_SETUP_SINGLE_ISSUER) && defined(IORING_SETUP_DEFER_TASKRUN)
    params.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN;
#else
    fail(ENOSYS, "io_uring_queue_init_params with deferred work (liburing 2.3)");
#endif
  }
  check(io_uring_queue_init_params(entries, &ring_, &params), "io_uring_queue_init_params");
}

template <Pace kPace>
void Ring<kPace>::register_memory(void* memory, std::size_t bytes) {
  const iovec piece{memory, bytes};
  check(io_uring_register_buffers(&ring_, &piece, 1),
        "io_uring_register_buffers (is the limit of locked memory, ulimit -l, too low?)");
}

template <Pace kPace>
void Ring<kPace>::register_file(int fd) {
  check(io_uring_register_files(&ring_, &fd, 1), "io_uring_register_files");
}

template <Pace kPace>
void Ring<kPace>::fail(int error, const char* call) {
  throw std::system_error(error, std::generic_category(),
                          std::string(call) + " in scratch folder " + scratch_folder());
}

template class Ring<Pace::kEach>;
template class Ring<Pace::kTogether>;
template class Ring<Pace::kDeferred>;

namespace {

constexpr std::size_t kBlock = 4096;

template <Pace kPace>
bool reads(unsigned entries, std::size_t registered) {
  const ScratchFile file;
  const Mapping written = touched_pages(kBlock),
                memory = touched_pages(std::max(kBlock, registered));
  std::memset(written.data(), 0x5a, kBlock);
  if (pwrite(file.fd(), written.data(), kBlock, 0) != static_cast<ssize_t>(kBlock)) return false;
  Ring<kPace> ring(entries);
  if (registered != 0) {
    ring.register_memory(memory.data(), memory.size());
    ring.register_file(file.fd());
  }
  ring.run(
      1,
      [&](io_uring_sqe* entry, std::size_t, std::size_t) {
        if (registered != 0) {
          io_uring_prep_read_fixed(entry, 0, memory.data(), kBlock, 0, 0);
          entry->flags |= IOSQE_FIXED_FILE;
        } else {
          io_uring_prep_read(entry, file.fd(), memory.data(), kBlock, 0);
        }
      },
      [](std::size_t) { return kBlock; }, [](std::size_t, std::size_t) {});
  return std::memcmp(written.data(), memory.data(), kBlock) == 0;
}

}  // namespace

bool internal::ring_works(Pace pace, unsigned entries, std::size_t registered) {
  try {
    switch (pace) {
      case Pace::kEach:
        return reads<Pace::kEach>(entries, registered);
      case Pace::kTogether:
        return reads<Pace::kTogether>(entries, registered);
      case Pace::kDeferred:
        return reads<Pace::kDeferred>(entries, registered);
    }
    return false;
  } catch (const std::exception&) {
    return false;
  }
}

}  // namespace headroom
#else
bool headroom::internal::ring_works(Pace, unsigned, std::size_t) { return false; }
#endif
