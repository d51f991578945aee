// io_uring: requests to files, many under way from one thread.
#pragma once

#include <cstddef>

#include "core/need.h"

#if HEADROOM_HAVE_URING
#include <liburing.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <vector>
#endif

namespace headroom {

// How a ring hands its requests in, and takes up the answers.
enum class Pace {
  // A request follows each answer at once, with a system call of its own: requests in bursts leave
  // a disk idle between them.
  kEach,
  // A quarter of the ring at a time, so that one system call serves many.
  kTogether,
  // Each at once again; and answers are worked off when this thread, the only one that uses the
  // ring, asks for them, which each of its calls does, not by interrupting it
  // (IORING_SETUP_DEFER_TASKRUN and SINGLE_ISSUER, Linux 6.1).
  kDeferred
};

#if HEADROOM_HAVE_URING
// Keeps up to `entries` requests under way. Errors are thrown as std::system_error, with the name
// of the call that failed.
template <Pace kPace>
class Ring {
 public:
  explicit Ring(unsigned entries);
  ~Ring() { io_uring_queue_exit(&ring_); }
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;

  // Pins memory, and looks up a file, once and for all instead of for each request: number 0 of
  // io_uring_prep_read_fixed and of IOSQE_FIXED_FILE.
  void register_memory(void* memory, std::size_t bytes);
  void register_file(int fd);

  // Runs requests 0 .. count-1. prepare(entry, request, slot) fills in one, done(request, slot)
  // follows when it has transferred all its bytes(request); no two under way have the same slot,
  // and slots are below `entries`. After an error nothing new is begun, and what is under way is
  // waited for.
  template <class Prepare, class Bytes, class Done>
  void run(std::size_t count, Prepare prepare, Bytes bytes, Done done) {
    std::size_t next = 0, under_way = 0;
    int failed = 0;
    const auto begin = [&](std::size_t slot) {
      io_uring_sqe* const entry = io_uring_get_sqe(&ring_);  // as many as requests_, so never null
      requests_[slot] = next;
      prepare(entry, next++, slot);
      io_uring_sqe_set_data64(entry, slot);
      ++under_way;
    };
    for (std::size_t slot = 0; slot < requests_.size() && next < count; ++slot) begin(slot);
    while (under_way != 0) {
      const std::size_t batch =
          kPace == Pace::kTogether ? std::max<std::size_t>(1, requests_.size() / 4) : 1;
      check(io_uring_submit_and_wait(&ring_, static_cast<unsigned>(std::min(under_way, batch))),
            "io_uring_submit_and_wait");
      while (const io_uring_cqe* const answer = first_answer()) {
        const std::size_t slot = answer->user_data;
        const int result = answer->res;
        io_uring_cq_advance(&ring_, 1);
        --under_way;
        const std::size_t request = requests_[slot];
        if (result == static_cast<int>(bytes(request)))
          done(request, slot);
        else
          failed = result < 0 ? -result : EIO;
        if (next == count || failed != 0) continue;
        begin(slot);
        if constexpr (kPace == Pace::kEach) check(io_uring_submit(&ring_), "io_uring_submit");
#ifdef IORING_SETUP_DEFER_TASKRUN  // else there is no such ring
        if constexpr (kPace == Pace::kDeferred)
          check(io_uring_submit_and_get_events(&ring_), "io_uring_submit_and_get_events");
#endif
      }
    }
    if (failed != 0) fail(failed, "io_uring request");
  }

 private:
  [[noreturn]] static void fail(int error, const char* call);
  // Of a call that returns -errno. Interrupted is not failed: what was not submitted stays queued.
  static void check(int result, const char* call) {
    if (result < 0 && result != -EINTR) fail(-result, call);
  }
  const io_uring_cqe* first_answer() {
    unsigned head;
    io_uring_cqe* answer;
    io_uring_for_each_cqe(&ring_, head, answer) return answer;
    return nullptr;
  }

  io_uring ring_;
  std::vector<std::size_t> requests_;  // by slot
};

extern template class Ring<Pace::kEach>;
extern template class Ring<Pace::kTogether>;
extern template class Ring<Pace::kDeferred>;
#endif

namespace internal {
// Whether such a ring reads a block of a file; `registered`: bytes of memory, or 0.
bool ring_works(Pace pace, unsigned entries, std::size_t registered);
template <Pace kPace, unsigned kEntries, std::size_t kRegistered>
bool has_ring() {
  static const bool works = ring_works(kPace, kEntries, kRegistered);
  return works;
}
}  // namespace internal

// What a variant needs that has such a ring, and registers a file and so many bytes of memory for
// each entry, or not. Containers often forbid the system call, and large rings or much registered
// memory may pass a limit: only trying tells.
template <Pace kPace, unsigned kEntries, bool kRegistered = false, std::size_t kBytes = 4096>
inline constexpr Need kIoUring{
    "io_uring", internal::has_ring<kPace, kEntries, kRegistered ? kEntries * kBytes : 0>,
    kRegistered ? "build with liburing-dev, on Linux 6.1 or later with io_uring allowed and enough "
                  "memory that may be locked (ulimit -l)"
    : kPace == Pace::kDeferred
        ? "build with liburing-dev, on Linux 6.1 or later with io_uring allowed"
        : "build with liburing-dev, on Linux 5.6 or later with io_uring allowed"};

}  // namespace headroom
