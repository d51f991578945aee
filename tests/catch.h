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
