// What the optimizer must not see through: which variant is called, and whether its result is used.
#pragma once

namespace headroom {

// Returns `value` in a form that the compiler must treat as unknown. Used for function pointers: a
// noinline function is still folded, and a constexpr pointer specialised, by both GCC and clang.
template <class T>
[[nodiscard]] inline T opaque(T value) {
  asm volatile("" : "+r"(value));
  return value;
}

// Makes everything reachable from `result` count as read, and all memory as changed. One per call:
// without it the compiler may hoist a pure call out of the loop or drop a dead store.
template <class T>
inline void sink(T& result) {
  asm volatile("" : : "g"(&result) : "memory");
}

}  // namespace headroom
