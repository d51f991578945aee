// What a bank's program has beside its database: the audit log, a mailbox for notices, and the
// replies that clients have seen. Both bank kernels use it, and the tests that kill them.
#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "core/scratch.h"
#include "scenario/bank.h"
#include "support/files.h"

namespace headroom::bank {

// A descriptor that is closed at its end.
class Descriptor {
 public:
  Descriptor(const std::string& path, int flags, const char* what = "open")
      : fd_(open(path.c_str(), flags | O_CLOEXEC, 0600)) {
    files::require(fd_ >= 0, what);
  }
  ~Descriptor() { close(fd_); }
  Descriptor(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

// Lines in a file, each on the disk before append() returns.
class AuditLog {
 public:
  explicit AuditLog(const std::string& folder)
      : path_(folder + "/audit.log"), file_(path_, O_WRONLY | O_CREAT | O_APPEND) {}
  void append(const std::string& line) {
    const std::string whole = line + '\n';
    files::write_all(file_.get(), whole.data(), whole.size());
    files::require(fdatasync(file_.get()) == 0, "fdatasync");
  }
  Lines lines() const { return lines_of(path_); }
  static Lines lines_of(const std::string& path) {
    Lines all;
    std::ifstream in(path);
    for (std::string line; std::getline(in, line);) all.push_back(line);
    return all;
  }
  void clear() {
    files::require(ftruncate(file_.get(), 0) == 0, "truncate");
    files::require(fsync(file_.get()) == 0, "fsync");
  }

 private:
  const std::string path_;
  Descriptor file_;
};

// Notices, handed to the mail system as its users do: each a file that is whole and on the disk
// when it appears in the folder from which it is sent. It appears once, however often it is handed
// over.
class Mailbox {
 public:
  explicit Mailbox(const std::string& folder)
      : path_(made(folder + "/mail")), folder_(path_, O_RDONLY | O_DIRECTORY) {}
  void hand_over(const std::string& reference, const char* to, const std::string& text) const {
    const std::string name = path_ + '/' + reference + '-' + to;
    {
      const Descriptor file(name + ".new", O_WRONLY | O_CREAT | O_TRUNC);
      files::write_all(file.get(), text.data(), text.size());
      files::require(fdatasync(file.get()) == 0, "fdatasync");
    }
    files::require(rename((name + ".new").c_str(), name.c_str()) == 0, "rename");
    files::require(fsync(folder_.get()) == 0, "fsync");
  }
  // All of them, as a ledger lists them, sorted.
  Lines notices() const { return notices_of(path_); }
  static Lines notices_of(const std::string& path) {
    Lines all;
    for (const auto& entry : std::filesystem::directory_iterator(path)) {
      const std::string name = entry.path().filename().string();
      if (name.ends_with(".new")) continue;  // one that was never finished
      const std::size_t dash = name.rfind('-');
      std::ifstream in(entry.path());
      const std::string text{std::istreambuf_iterator<char>(in), {}};
      all.push_back(listed(name.substr(0, dash), name.c_str() + dash + 1, text));
    }
    std::sort(all.begin(), all.end());
    return all;
  }
  void clear() {
    bool any = false;
    for (const auto& entry : std::filesystem::directory_iterator(path_))
      any = std::filesystem::remove(entry.path());
    if (any) files::require(fsync(folder_.get()) == 0, "fsync");
  }

 private:
  static std::string made(std::string path) {
    files::require(mkdir(path.c_str(), 0700) == 0 || errno == EEXIST, "mkdir");
    return path;
  }
  const std::string path_;
  Descriptor folder_;
};

// How many of the requests have been answered, in a file that outlives the program, as its clients
// do.
class Replied {
 public:
  explicit Replied(const std::string& folder) {
    const Descriptor file(folder + "/replied", O_RDWR | O_CREAT);
    void* at = MAP_FAILED;
    if (ftruncate(file.get(), sizeof *count_) == 0)
      at = mmap(nullptr, sizeof *count_, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
    files::require(at != MAP_FAILED, "mmap");
    count_ = static_cast<std::atomic<std::uint64_t>*>(at);
  }
  ~Replied() { munmap(static_cast<void*>(count_), sizeof *count_); }
  Replied(const Replied&) = delete;
  void clear() { count_->store(0, std::memory_order_release); }
  void add(std::size_t more = 1) { count_->fetch_add(more, std::memory_order_release); }
  std::size_t count() const { return count_->load(std::memory_order_acquire); }

 private:
  std::atomic<std::uint64_t>* count_ = nullptr;
};

}  // namespace headroom::bank
