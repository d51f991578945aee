// Files that kernels read and write. They never outlive the program.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace headroom {

// The folder for scratch files; created, with parents, on first use. Default: build/scratch below
// the current folder. Set once, before any file is made.
void set_scratch_folder(std::string_view folder);
const std::string& scratch_folder();

// Free bytes on the scratch folder's file system; 0 where that can't be told.
std::size_t scratch_free_bytes();

// An open file without a name: the space is freed when it is closed, however the program ends
// (kill -9 too). Throws std::system_error with a message that names the folder.
class ScratchFile {
 public:
  // `flags` are added to O_RDWR, for example O_DIRECT or O_DSYNC.
  explicit ScratchFile(int flags = 0);
  ScratchFile(ScratchFile&& other) noexcept;
  ScratchFile& operator=(ScratchFile&& other) noexcept;
  ~ScratchFile();

  int fd() const { return fd_; }
  // A path that opens this file again (for a library that wants a name, or other flags).
  std::string path() const { return path_of(fd_); }
  // The same of any descriptor.
  static std::string path_of(int fd);
  // Another descriptor of the same file, opened anew with `flags`; the caller closes it.
  int reopen(int flags) const;

 private:
  int fd_ = -1;
};

// A folder of its own below the scratch folder, for libraries that make files by name. Removed with
// all its contents by the destructor, at exit and on SIGINT, SIGTERM and SIGHUP; what a kill -9
// leaves behind is removed by sweep_scratch() of the next program.
class ScratchFolder {
 public:
  ScratchFolder();
  ScratchFolder(ScratchFolder&& other) noexcept : path_(std::move(other.path_)) {
    other.path_.clear();
  }
  ScratchFolder& operator=(ScratchFolder&&) = delete;
  ~ScratchFolder();
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// Removes the folders that programs no longer running left behind.
void sweep_scratch();

}  // namespace headroom
