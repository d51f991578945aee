// headroom-bench-cluster: the kernels that link MPI on the ranks of an MPI job, started by
// mpirun. The first rank is the benchmark program, as headroom-bench is; the others follow it
// (support/mpi/session.h).
#include <cstdio>
#include <exception>
#include <functional>

#include "bench/program.h"
#include "support/mpi/session.h"

int main(int argc, char** argv) {
  headroom::prepare_process(argv);
  try {
    headroom::cluster::Session session(&argc, &argv);
    std::function<void()> follow;
    if (!session.leads()) follow = [&] { session.follow(); };
    return headroom::run_program(argc, argv, follow);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "headroom-bench: %s\n", error.what());
    return 2;
  }
}
