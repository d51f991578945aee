// Files as programs see them: whole transfers, whatever a system call does of them; a file's whole
// content; and a file as memory, which somebody may truncate.
#pragma once

#include <fcntl.h>
#include <setjmp.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "core/scratch.h"
#include "support/disk.h"

namespace headroom::files {

using disk::require;

// All of it, in as many calls as the system wants, from where the descriptor stands.
inline void write_all(int fd, const void* from, std::size_t bytes) {
  const auto* data = static_cast<const unsigned char*>(from);
  while (bytes != 0) {
    const ssize_t put = write(fd, data, bytes);
    if (put < 0 && errno == EINTR) continue;
    require(put > 0, "write");
    data += put;
    bytes -= static_cast<std::size_t>(put);
  }
}

// One call's worth, of at most `bytes`; 0 at the end of the file. A pipe, a signal or a network's
// file system may give less than there is.
inline std::size_t read_some(int fd, void* to, std::size_t bytes) {
  for (;;) {
    const ssize_t got = read(fd, to, bytes);
    if (got < 0 && errno == EINTR) continue;
    require(got >= 0, "read");
    return static_cast<std::size_t>(got);
  }
}

// `bytes`, or as many as there are before the end.
inline std::size_t read_full(int fd, void* to, std::size_t bytes) {
  auto* const data = static_cast<unsigned char*>(to);
  std::size_t done = 0;
  while (done != bytes) {
    const std::size_t got = read_some(fd, data + done, bytes - done);
    if (got == 0) break;
    done += got;
  }
  return done;
}

inline void rewind(int fd) { require(lseek(fd, 0, SEEK_SET) == 0, "seek"); }
inline void empty(int fd) {
  require(ftruncate(fd, 0) == 0, "truncate");
  rewind(fd);
}

// Replaces `out` by all that the file holds, whatever was there.
inline void contents(int fd, std::vector<unsigned char>& out) {
  const off_t size = lseek(fd, 0, SEEK_END);
  require(size >= 0, "seek");
  out.resize(static_cast<std::size_t>(size));
  disk::read_at(fd, out.data(), out.size(), 0);
}

// An error where not all of a file's first bytes lie in the page cache: a read that has to wait for
// the disk would measure the disk.
inline void require_hot(int fd, std::size_t bytes) {
  for (const unsigned char page : disk::residency(fd, bytes))
    if ((page & 1) == 0)
      throw std::runtime_error("pages of a file in scratch folder " + scratch_folder() +
                               " left the page cache: is there too little memory?");
}

// A file with this content, which lies in the page cache, and on the disk as well, so that nobody
// writes it back while others are timed.
inline ScratchFile hot_file(std::span<const unsigned char> content) {
  ScratchFile file;
  write_all(file.fd(), content.data(), content.size());
  require(fdatasync(file.fd()) == 0, "fdatasync");
  require_hot(file.fd(), content.size());
  return file;
}

namespace internal {

// Where to go on when a page of this memory has no file behind it any more.
struct Fault {
  const unsigned char* data;
  std::size_t size;
  sigjmp_buf back;
};
// Makes it the calling thread's, until the end of its life.
class Armed {
 public:
  explicit Armed(Fault& fault);
  ~Armed();
  Armed(const Armed&) = delete;

 private:
  Fault* const before_;
};

}  // namespace internal

// The first `bytes` of a file as memory that is read, with all its pages at once or each as it is
// touched.
class Map {
 public:
  enum class Pages { kAtOnce, kAsTouched };
  Map() = default;
  Map(int fd, std::size_t bytes, Pages pages = Pages::kAtOnce) : size_(bytes) {
    if (bytes == 0) return;
    int flags = MAP_SHARED;
#ifdef MAP_POPULATE
    if (pages == Pages::kAtOnce) flags |= MAP_POPULATE;
#endif
    void* const map = mmap(nullptr, bytes, PROT_READ, flags, fd, 0);
    require(map != MAP_FAILED, "mmap");
    data_ = static_cast<unsigned char*>(map);
  }
  Map(Map&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  Map& operator=(Map&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~Map() {
    if (data_ != nullptr) munmap(data_, size_);
  }
  const unsigned char* data() const { return data_; }
  std::size_t size() const { return size_; }

  // Calls body(), which looks at the memory. A page that the file has no longer, because somebody
  // truncated it, or that the disk can't deliver, is a SIGBUS, which ends a program; here it is an
  // exception, as an error of read(2) would be. The body is then left where it stands, so it must
  // own nothing whose destructor matters.
  template <class Body>
  void read(const Body& body) const {
    internal::Fault fault{data_, size_, {}};
    const internal::Armed armed(fault);
    if (sigsetjmp(fault.back, 0) != 0)
      throw std::system_error(EIO, std::generic_category(),
                              "a mapped file in scratch folder " + scratch_folder() +
                                  " was truncated while it was read");
    body();
  }

 private:
  unsigned char* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace headroom::files
