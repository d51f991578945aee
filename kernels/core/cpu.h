// Cores, pinning, and the sizes of caches.
#pragma once

#include <cstddef>

namespace headroom {

// Cores that this process may use, counting one hardware thread of each physical core (where the
// host tells: many virtual machines hide it). At least 1.
int core_count();

// Binds the calling thread to the hardware thread of core `slot` (modulo core_count()). Returns
// false where the system refuses. Without it two threads of a virtual machine often share a core.
bool pin_to_core(int slot);

// Bytes of the level-1 data and level-2 caches of one core; a usual size where the host is silent.
std::size_t l1_bytes();
std::size_t l2_bytes();

}  // namespace headroom
