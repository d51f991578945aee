// The instances that are bound at a time: one kernel's, and one probe's as its ceiling. Google
// Benchmark calls a benchmark's function more than once, and making an input can take far longer
// than a call.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "core/kernel.h"

namespace headroom {

enum class Slot { kKernel, kCeiling };

// The instance of `kernel` at `setting`, made if it isn't the one in the slot (which is dropped
// first; its arms must be gone). Throws std::runtime_error where memory or scratch space would not
// do, and what the kernel's make() throws.
const Instance& bound_instance(const Kernel& kernel, const Setting& setting,
                               Slot slot = Slot::kKernel);

// Empties both slots.
void drop_instances();

// Bytes held by the bound kernel's input, as the allocator saw them.
std::size_t bound_input_bytes();

// Bytes now allocated by this process: malloc's own count and the Buffers.
std::size_t allocated_bytes();

// By how much that has grown since it was `before`; 0 where it has shrunk.
std::size_t allocated_since(std::size_t before);

}  // namespace headroom
