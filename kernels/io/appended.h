// Work of kernels that write a file from its start: the file, emptied before each call, and read
// back whole after it.
#pragma once

#include <vector>

#include "core/scratch.h"
#include "support/files.h"

namespace headroom {

template <class Call>
struct AppendedFile {
  explicit AppendedFile(const auto&) {}
  void refill(const Call& call) {
    in = &call;
    files::empty(file.fd());
  }
  void answer(std::vector<unsigned char>& out) const { files::contents(file.fd(), out); }
  const Call* in = nullptr;
  ScratchFile file;
};

}  // namespace headroom
