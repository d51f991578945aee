#include "core/scratch.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <filesystem>
#include <mutex>
#include <set>
#include <system_error>
#include <utility>

namespace headroom {
namespace {

namespace fs = std::filesystem;

std::string& folder() {
  static std::string path = "build/scratch";
  return path;
}

constexpr char kPrefix[] = "headroom-";  // headroom-<pid>-<number>

std::set<std::string>& live_folders() {
  static std::set<std::string> all;
  return all;
}
std::mutex live_mutex;

void remove_live_folders() {
  // At exit and on a signal nothing else of the program matters any more; a lock held by the
  // interrupted thread must not keep the files on disk.
  const bool locked = live_mutex.try_lock();
  std::error_code ignored;
  for (const std::string& path : live_folders()) fs::remove_all(path, ignored);
  live_folders().clear();
  if (locked) live_mutex.unlock();
}

extern "C" void clean_and_die(int signal_number) {
  remove_live_folders();
  signal(signal_number, SIG_DFL);
  raise(signal_number);
}

void clean_up_at_end() {
  static const bool once = [] {
    live_folders();  // constructed before, so destroyed after, the handler runs
    return std::atexit(remove_live_folders) == 0;
  }();
  (void)once;
  for (int s : {SIGINT, SIGTERM, SIGHUP}) signal(s, clean_and_die);
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
  std::string path = scratch_folder() + "/" + kPrefix + "file-XXXXXX";
  fd_ = mkstemp(path.data());
  if (fd_ < 0) fail("scratch folder " + scratch_folder());
  if (flags != 0) {
    const int opened = open(path.c_str(), O_RDWR | O_CLOEXEC | flags);
    if (opened < 0) {
      const int saved = errno;
      unlink(path.c_str());
      close(std::exchange(fd_, -1));
      errno = saved;
      fail("scratch folder " + scratch_folder());
    }
    close(std::exchange(fd_, opened));
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

std::string ScratchFile::path() const { return "/dev/fd/" + std::to_string(fd_); }

int ScratchFile::reopen(int flags) const {
  const int opened = open(path().c_str(), flags | O_CLOEXEC);
  if (opened < 0) fail("scratch file in " + scratch_folder());
  return opened;
}

ScratchFolder::ScratchFolder() {
  make_scratch_folder();
  clean_up_at_end();
  static std::atomic<int> number{0};
  path_ = scratch_folder() + "/" + kPrefix + std::to_string(getpid()) + "-" +
          std::to_string(number.fetch_add(1));
  const std::lock_guard lock(live_mutex);
  live_folders().insert(path_);
  std::error_code error;
  fs::create_directory(path_, error);
  if (error) throw std::system_error(error, "scratch folder " + path_);
}

ScratchFolder::~ScratchFolder() {
  if (path_.empty()) return;
  const std::lock_guard lock(live_mutex);
  std::error_code ignored;
  fs::remove_all(path_, ignored);
  live_folders().erase(path_);
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
