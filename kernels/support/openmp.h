// What kernels with OpenMP regions have in common. For kernels whose file says `// Links: openmp`.
#pragma once

#include "core/need.h"
#include "support/team.h"

namespace headroom {

inline constexpr Need kNeedsOpenMp[] = {kOpenMp};

}  // namespace headroom

#if HEADROOM_HAVE_OPENMP
#include <omp.h>

#include <cstddef>

namespace headroom {

// The part of n items that the calling thread of a region works on: contiguous, in multiples of
// `unit` but for the last, and the same in each call, so that the thread finds it in its own core's
// cache.
inline Share own_part(std::size_t n, std::size_t unit = 1) {
  return share(n, unit, omp_get_thread_num(), omp_get_num_threads());
}

}  // namespace headroom
#endif
