// What the kernels of this group have in common on the CPU's side: all of its cores, which is what
// a device has to beat.
#pragma once

#include <memory>

#include "core/cpu.h"
#include "core/setting.h"
#include "support/team.h"

namespace headroom::gpu {

// The State of a variant that uses every core, as many as there are.
struct AllCores {
  template <class Input>
  explicit AllCores(const Input&) : team(ready_team(core_count())) {}
  std::shared_ptr<Team> team;
};

// Whether a call has to bring its input to the device and its result back: the param `transfer`.
inline bool transfers(const Setting& setting) { return setting.params["transfer"] != 0; }

}  // namespace headroom::gpu
