// Catch2 on the first rank of an MPI job; the others follow it.
#ifdef HEADROOM_CATCH2_V3
#include <catch2/catch_session.hpp>
#else
#define CATCH_CONFIG_RUNNER
#include <catch2/catch.hpp>
#endif

#include "support/mpi/session.h"

int main(int argc, char** argv) {
  headroom::cluster::Session session(&argc, &argv);
  if (session.leads()) return Catch::Session().run(argc, argv);
  session.follow();
  return 0;
}
