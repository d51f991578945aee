// Bytes from one process to another through memory that both have mapped, with no system call while
// both are awake.
//
// A ring has one writer and one reader. Each has an index of its own, which counts bytes up for
// ever, and looks at the other's only when what it saw last says full or empty (as
// concurrency/queues.h; that ring's items lie in one address space, and its waiting never sleeps).
//
// Who waits looks a number of times and then sleeps, so that an idle ring costs no processor time.
// The side that moves wakes the other only where that said it sleeps. Nothing is missed between the
// two: the sleeper says so and then looks at the index once more, the mover moves the index and
// then looks whether anybody sleeps, with a full fence between the two on either side, so at least
// one of them sees the other.
//
// The other side is trusted to end the ring before it goes: a process that is killed tells nobody,
// and has to be watched by other means (a pidfd, a socket that breaks). It is not trusted with this
// process's memory: an index out of range ends the ring.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <system_error>

#include "core/need.h"
#include "support/team.h"

#ifdef __linux__
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

namespace headroom {

// What both sides see of a ring, beside its bytes. Zeros are an empty ring.
struct RingControl {
  alignas(kApart) std::atomic<std::uint64_t> written{0};
  alignas(kApart) std::atomic<std::uint64_t> read{0};
  // Written seldom, so both cores keep a copy of this line.
  alignas(kApart) std::atomic<std::uint32_t> reader_asleep{0};
  std::atomic<std::uint32_t> writer_asleep{0};
  std::atomic<std::uint32_t> ended{0};
};
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);  // or it wouldn't work across
static_assert(std::atomic<std::uint32_t>::is_always_lock_free);  // address spaces

// What the two sides have in common.
class RingSide {
 public:
  // `room` is a power of two. A side that waits looks `looks` times before it sleeps.
  RingSide(RingControl& control, std::byte* data, std::size_t room, int looks)
      : control_(&control), data_(data), room_(room), looks_(looks) {}
  // From either side. What was written before is still read.
  void end() {
    control_->ended.store(1, std::memory_order_release);
    std::atomic_thread_fence(std::memory_order_seq_cst);
    wake(control_->reader_asleep);
    wake(control_->writer_asleep);
  }

 protected:
  // Not FUTEX_PRIVATE_FLAG: the word has another address in the other process.
  static void sleep(std::atomic<std::uint32_t>& asleep) {
    // Woken, interrupted by a signal, or not asleep at all: the caller looks again.
    syscall(SYS_futex, &asleep, FUTEX_WAIT, 1, nullptr, nullptr, 0);
  }
  static void wake(std::atomic<std::uint32_t>& asleep) {
    if (asleep.load(std::memory_order_relaxed) != 0 && asleep.exchange(0) != 0)
      syscall(SYS_futex, &asleep, FUTEX_WAKE, 1, nullptr, nullptr, 0);
  }
  // Tells its own index. A store and then a fence: with one locked instruction the line of the
  // index would be asked for only when that of the bytes has come.
  void move(std::atomic<std::uint64_t>& index, std::atomic<std::uint32_t>& other_asleep) const {
    index.store(next_, std::memory_order_release);
    std::atomic_thread_fence(std::memory_order_seq_cst);
    wake(other_asleep);
  }
  template <class Ready>
  void wait(std::atomic<std::uint32_t>& asleep, Ready ready) {
    for (int look = 0; look < looks_; ++look) {
      if (ready()) return;
      spin_pause();
    }
    while (!ready()) {
      asleep.store(1, std::memory_order_relaxed);
      std::atomic_thread_fence(std::memory_order_seq_cst);
      if (!ready()) sleep(asleep);
    }
    asleep.store(0, std::memory_order_relaxed);
  }
  // body(from in the ring, offset, bytes): once, or twice where the stretch goes round the end.
  template <class Body>
  void stretch(std::uint64_t at, std::size_t bytes, Body body) const {
    const auto begin = static_cast<std::size_t>(at & (room_ - 1));
    const std::size_t first = std::min(bytes, room_ - begin);
    body(data_ + begin, std::size_t{0}, first);
    if (first != bytes) body(data_, first, bytes - first);
  }

  RingControl* control_;
  std::byte* data_;
  std::uint64_t room_;
  int looks_;
  std::uint64_t next_ = 0;  // its own index
  std::uint64_t seen_ = 0;  // the other's, as it was last seen
};

class RingWriter : public RingSide {
 public:
  using RingSide::RingSide;
  // All of it, in parts where it is longer than the room; false where the ring has ended.
  bool write(const void* from, std::size_t bytes) {
    const auto* source = static_cast<const std::byte*>(from);
    if (control_->ended.load(std::memory_order_acquire) != 0) return false;
    while (bytes != 0) {
      if (next_ - seen_ == room_ && !wait_for_room()) return false;
      const auto part = static_cast<std::size_t>(std::min<std::uint64_t>(bytes, free()));
      stretch(next_, part, [&](std::byte* to, std::size_t at, std::size_t count) {
        std::memcpy(to, source + at, count);
      });
      next_ += part;
      source += part;
      bytes -= part;
      move(control_->written, control_->reader_asleep);
    }
    // The line that is written next: its reader still has a copy.
    __builtin_prefetch(data_ + (next_ & (room_ - 1)), 1);
    return true;
  }

 private:
  std::uint64_t free() const { return room_ - (next_ - seen_); }
  bool wait_for_room() {
    wait(control_->writer_asleep, [&] {
      seen_ = control_->read.load(std::memory_order_acquire);
      return next_ - seen_ != room_ || control_->ended.load(std::memory_order_acquire) != 0;
    });
    return next_ - seen_ < room_ && control_->ended.load(std::memory_order_acquire) == 0;
  }
};

class RingReader : public RingSide {
 public:
  using RingSide::RingSide;
  // All of it; false where the ring ends before.
  bool read(void* to, std::size_t bytes) {
    auto* target = static_cast<std::byte*>(to);
    while (bytes != 0) {
      if (seen_ == next_ && !wait_for_bytes()) return false;
      const auto part = static_cast<std::size_t>(std::min<std::uint64_t>(bytes, seen_ - next_));
      stretch(next_, part, [&](const std::byte* from, std::size_t at, std::size_t count) {
        std::memcpy(target + at, from, count);
      });
      next_ += part;
      target += part;
      bytes -= part;
      move(control_->read, control_->writer_asleep);
    }
    return true;
  }

 private:
  bool wait_for_bytes() {
    wait(control_->reader_asleep, [&] {
      // The end first: what was written before it is seen then.
      const bool ended = control_->ended.load(std::memory_order_acquire) != 0;
      seen_ = control_->written.load(std::memory_order_acquire);
      return seen_ != next_ || ended;
    });
    if (seen_ - next_ > room_) seen_ = next_;  // no writer of ours left it so
    return seen_ != next_;
  }
};

// One end of a connection: a ring for each direction.
class RingEnd {
 public:
  RingEnd(RingWriter out, RingReader in) : out_(out), in_(in) {}
  bool send(const void* from, std::size_t bytes) { return out_.write(from, bytes); }
  bool receive(void* to, std::size_t bytes) { return in_.read(to, bytes); }
  void end() {
    out_.end();
    in_.end();
  }

 private:
  RingWriter out_;
  RingReader in_;
};

// A connection in a piece of anonymous shared memory that is mapped once for each end, as two
// processes would have it: nothing works here because both ends happen to have the same addresses.
class SharedRings {
 public:
  SharedRings(std::size_t room, int looks)
      : room_(room),
        memory_(memfd_create("headroom-rings", MFD_CLOEXEC), sizeof(Head) + 2 * room),
        near(end_of(memory_.near, 0, looks)),
        far(end_of(memory_.far, 1, looks)) {}

 private:
  struct Head {
    RingControl control[2];
  };
  // Two mappings, without which there is no end.
  struct Memory {
    Memory(int fd, std::size_t size) : bytes(size) {
      require(fd >= 0, "memfd_create");
      const bool sized = ftruncate(fd, static_cast<off_t>(bytes)) == 0;
      if (sized) near = mapped(fd), far = mapped(fd);
      const int error = errno;
      close(fd);
      errno = error;
      if (near == MAP_FAILED || far == MAP_FAILED) {
        unmap();
        errno = error;
        require(false, "shared memory");
      }
    }
    ~Memory() { unmap(); }
    Memory(const Memory&) = delete;
    void* mapped(int fd) const {
      return mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
    }
    void unmap() const {
      for (void* const at : {near, far})
        if (at != MAP_FAILED) munmap(at, bytes);
    }
    static void require(bool fine, const char* what) {
      if (!fine) throw std::system_error(errno, std::generic_category(), what);
    }
    const std::size_t bytes;
    void* near = MAP_FAILED;
    void* far = MAP_FAILED;
  };
  RingEnd end_of(void* memory, int out, int looks) const {
    Head& head = *static_cast<Head*>(memory);
    auto* const data = reinterpret_cast<std::byte*>(&head + 1);
    const int in = 1 - out;
    return {{head.control[out], data + static_cast<std::size_t>(out) * room_, room_, looks},
            {head.control[in], data + static_cast<std::size_t>(in) * room_, room_, looks}};
  }

  const std::size_t room_;
  const Memory memory_;

 public:
  RingEnd near, far;
};

// Met where a message really goes through such memory and back.
inline bool shared_rings_work() {
  static const bool works = [] {
    try {
      SharedRings rings(4096, 0);
      const char sent = 'h';
      char got = 0, back = 0;
      return rings.near.send(&sent, 1) && rings.far.receive(&got, 1) && rings.far.send(&got, 1) &&
             rings.near.receive(&back, 1) && back == sent;
    } catch (const std::system_error&) {
      return false;
    }
  }();
  return works;
}
inline constexpr Need kSharedRings{"memfd_create", shared_rings_work,
                                   "a Linux that lets this process create and map shared memory"};

}  // namespace headroom
#else
namespace headroom {
inline bool shared_rings_work() { return false; }
inline constexpr Need kSharedRings{"memfd_create", shared_rings_work, "Linux"};
}  // namespace headroom
#endif
