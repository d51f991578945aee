// Catch2, version 2.13 or 3.
#pragma once

// HEADROOM_TSAN: built with ThreadSanitizer.
#if defined(__SANITIZE_THREAD__)
#define HEADROOM_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define HEADROOM_TSAN 1
#endif
#endif

#ifdef HEADROOM_CATCH2_V3
#include <catch2/catch_all.hpp>
using Catch::Approx;  // version 2 has it here too
#else
#include <catch2/catch.hpp>
#endif

#include <cstdlib>

namespace headroom {

// How often what takes long and depends on luck is tried: `few` times, or as `make check-all` does.
inline int tries(int few, int in_check_all) {
  return std::getenv("HEADROOM_LONG") == nullptr ? few : in_check_all;
}

}  // namespace headroom
