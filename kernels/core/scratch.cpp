#include "core/scratch.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/syscall.h>
#endif

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <mutex>
#include <system_error>
#include <utility>

namespace headroom {
namespace {

namespace fs = std::filesystem;

std::string& folder() {
  static std::string path = "build/scratch";
  return path;
}

// All that this program makes by name begins with headroom-<pid>: the one folder that holds its
// ScratchFolders, and files where the system has none without a name.
constexpr char kPrefix[] = "headroom-";

std::string own_name() { return scratch_folder() + "/" + kPrefix + std::to_string(getpid()); }

// The folder to remove at the end, for a signal handler: no lock, no std::string.
char root[4096] = "";
pid_t root_owner = 0;  // a forked child must not remove its parent's
std::mutex root_mutex;

#ifdef __linux__
// Removes a folder and all that it holds. A signal may interrupt the program in the middle of
// malloc or with any lock held, so this uses system calls only, where the standard library would
// allocate.
void remove_tree(int parent, const char* name) {
  if (unlinkat(parent, name, 0) == 0 || errno == ENOENT) return;
  const int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return;
  struct Entry {  // linux_dirent64
    std::uint64_t inode;
    std::int64_t offset;
    unsigned short length;
    unsigned char type;
    char name[1];
  };
  alignas(Entry) char entries[2048];
  // Removing while reading may skip some: again, until a pass finds nothing (or removes nothing).
  for (int pass = 0, found = 1; found != 0 && pass < 100; ++pass) {
    found = 0;
    lseek(fd, 0, SEEK_SET);
    for (long size; (size = syscall(SYS_getdents64, fd, entries, sizeof entries)) > 0;) {
      for (long at = 0; at < size;) {
        const auto* const entry = reinterpret_cast<const Entry*>(entries + at);
        const char* const n = entries + at + offsetof(Entry, name);
        const bool dots = n[0] == '.' && (n[1] == 0 || (n[1] == '.' && n[2] == 0));
        if (!dots) {
          remove_tree(fd, n);
          found = 1;
        }
        at += entry->length;
      }
    }
  }
  close(fd);
  unlinkat(parent, name, AT_REMOVEDIR);
}
void remove_root() {
  if (root_owner == getpid()) remove_tree(AT_FDCWD, root);
}
#else
void remove_root() {
  std::error_code ignored;
  if (root_owner == getpid()) fs::remove_all(root, ignored);
}
#endif

extern "C" void clean_and_die(int signal_number) {
  const int saved = errno;
  remove_root();
  errno = saved;
  signal(signal_number, SIG_DFL);
  raise(signal_number);
}

void clean_up_at_end(const std::string& folder) {
  if (folder.size() >= sizeof root)
    throw std::system_error(ENAMETOOLONG, std::generic_category(), folder);
  std::memcpy(root, folder.c_str(), folder.size() + 1);
  root_owner = getpid();
  static const bool once = std::atexit(remove_root) == 0;
  (void)once;
  for (int s : {SIGINT, SIGTERM, SIGHUP})
    if (signal(s, clean_and_die) == SIG_IGN) signal(s, SIG_IGN);  // nohup
}

[[noreturn]] void fail(const std::string& what) {
  throw std::system_error(errno, std::generic_category(), what);
}

void make_scratch_folder() {
  std::error_code error;
  fs::create_directories(scratch_folder(), error);
  if (error) throw std::system_error(error, "scratch folder " + scratch_folder());
}

}  // namespace

void set_scratch_folder(std::string_view path) { folder() = path; }
const std::string& scratch_folder() { return folder(); }

std::size_t scratch_free_bytes() {
  std::error_code error;
  fs::create_directories(scratch_folder(), error);
  const fs::space_info space = fs::space(scratch_folder(), error);
  return error ? 0 : static_cast<std::size_t>(space.available);
}

ScratchFile::ScratchFile(int flags) {
  make_scratch_folder();
  flags |= O_RDWR | O_CLOEXEC;
#ifdef O_TMPFILE
  fd_ = open(scratch_folder().c_str(), flags | O_TMPFILE, 0600);
  if (fd_ >= 0) return;
  if (errno == ENOSPC || errno == EDQUOT || errno == EACCES || errno == EROFS)
    fail("scratch folder " + scratch_folder());
#endif
  // A name for a moment; sweep_scratch() knows it, should the program be killed in this moment.
  static std::atomic<int> number{0};
  const std::string path = own_name() + "-file-" + std::to_string(number.fetch_add(1));
  unlink(path.c_str());  // of a dead program that had our number
  fd_ = open(path.c_str(), flags | O_CREAT | O_EXCL, 0600);
  if (fd_ < 0) {
    const int saved = errno;
    unlink(path.c_str());  // where O_DIRECT is refused, the file is there all the same
    errno = saved;
    fail("scratch folder " + scratch_folder());
  }
  unlink(path.c_str());
}

ScratchFile::ScratchFile(ScratchFile&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
ScratchFile& ScratchFile::operator=(ScratchFile&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}
ScratchFile::~ScratchFile() {
  if (fd_ >= 0) close(fd_);
}

// On Linux not by /dev/fd, a link to there that small containers lack.
std::string ScratchFile::path_of(int fd) {
#ifdef __linux__
  return "/proc/self/fd/" + std::to_string(fd);
#else
  return "/dev/fd/" + std::to_string(fd);
#endif
}

int ScratchFile::reopen(int flags) const {
  const int opened = open(path().c_str(), flags | O_CLOEXEC);
  if (opened < 0) fail("scratch file in " + scratch_folder());
  return opened;
}

ScratchFolder::ScratchFolder() {
  make_scratch_folder();
  const std::lock_guard lock(root_mutex);
  static int number = 0;
  const std::string parent = own_name();
  clean_up_at_end(parent);
  path_ = parent + "/" + std::to_string(number++);
  std::error_code error;
  fs::remove_all(path_, error);  // of a dead program that had our number
  fs::create_directories(path_, error);
  if (error) throw std::system_error(error, "scratch folder " + path_);
}

ScratchFolder::~ScratchFolder() {
  if (path_.empty()) return;
  const std::lock_guard lock(root_mutex);
  std::error_code ignored;
  fs::remove_all(path_, ignored);
  rmdir(fs::path(path_).parent_path().c_str());  // fails as long as another is in it
}

void sweep_scratch() {
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(scratch_folder(), error)) {
    const std::string name = entry.path().filename().string();
    if (name.rfind(kPrefix, 0) != 0) continue;
    const int pid = std::atoi(name.c_str() + sizeof kPrefix - 1);
    std::error_code ignored;
    if (pid > 0 && kill(pid, 0) != 0 && errno == ESRCH) fs::remove_all(entry.path(), ignored);
  }
}

}  // namespace headroom
