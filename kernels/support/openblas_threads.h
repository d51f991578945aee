// OpenBLAS with OpenMP's threads, the peer of kernels of several threads: they are bound as ours
// are, and as many as we say. The usual build, with threads of its own, would start them on the one
// core that the main thread is bound to. Both builds have the same names, and kernels of one thread
// link the usual one, so this one is loaded by its path, with its names hidden.
#pragma once

#include "core/need.h"

namespace headroom {

struct OpenBlasThreads {
  double (*ddot)(int, const double*, int, const double*, int) = nullptr;
  void (*saxpy)(int, float, const float*, int, float*, int) = nullptr;
  // order, transpositions, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc
  void (*sgemm)(int, int, int, int, int, int, float, const float*, int, const float*, int, float,
                float*, int) = nullptr;
  void (*set_threads)(int) = nullptr;
};

// Loaded at the first call; all null where it is not there.
const OpenBlasThreads& openblas_threads();
bool has_openblas_threads();

inline constexpr Need kOpenBlasThreads{"openblas-openmp", has_openblas_threads,
                                       "install libopenblas0-openmp (Fedora: openblas-openmp)"};

}  // namespace headroom
