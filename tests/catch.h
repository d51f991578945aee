// Catch2, version 2.13 or 3.
#pragma once

#ifdef HEADROOM_CATCH2_V3
#include <catch2/catch_all.hpp>
using Catch::Approx;  // version 2 has it here too
#else
#include <catch2/catch.hpp>
#endif
