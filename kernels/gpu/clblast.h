// CLBlast, the peer of kernels on an OpenCL device. Its database of tuning figures takes tens of
// milliseconds to set up, whenever a program that links it starts, so it is loaded by the first one
// that asks for it.
#pragma once

#include <dlfcn.h>

#include "core/need.h"
#include "support/opencl_device.h"
#if HEADROOM_HAVE_OPENCL
#include "support/opencl.h"
#endif

namespace headroom::clblast {

#if HEADROOM_HAVE_OPENCL && HEADROOM_HAVE_CLBLAST
inline constexpr int kRowMajor = 101, kTransposeNo = 111, kSuccess = 0;

// C = alpha A B + beta C, all in the device's memory: layout, transposition of A and B, m, n, k,
// alpha, then A, B (beta before) C, each with its offset and leading dimension in elements; the
// queue, and an event that may be null. It returns kSuccess or what went wrong.
using Sgemm = int (*)(int, int, int, std::size_t, std::size_t, std::size_t, float, cl_mem,
                      std::size_t, std::size_t, cl_mem, std::size_t, std::size_t, float, cl_mem,
                      std::size_t, std::size_t, cl_command_queue*, cl_event*);

// nullptr where it is not installed.
inline Sgemm sgemm() {
  static const Sgemm loaded = [] {
    for (const char* name : {"libclblast.so.1", "libclblast.so", "libclblast.dylib"}) {
      void* const library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
      if (library == nullptr) continue;
      return reinterpret_cast<Sgemm>(dlsym(library, "CLBlastSgemm"));
    }
    return Sgemm{nullptr};
  }();
  return loaded;
}
inline bool is_installed() { return sgemm() != nullptr; }
#else
inline bool is_installed() { return false; }
#endif

inline constexpr Need kClBlast{"clblast", is_installed, "make deps GPU=1"};
inline constexpr Need kNeeds[] = {opencl::kOpenCl, opencl::kDevice, kClBlast};

}  // namespace headroom::clblast
