// All kernels under Google Benchmark: what headroom-bench and headroom-bench-cluster have in
// common.
#pragma once

#include <functional>

namespace headroom {

// First of all: what must be as it is before libraries or a second thread are there. May start the
// program again.
void prepare_process(char** argv);

// The program, to its exit status; an error is a line on standard error. `follow`, where there is
// one, is done in place of the benchmarks, after the flags: on the ranks of an MPI job but the
// first.
int run_program(int argc, char** argv, const std::function<void()>& follow = {});

}  // namespace headroom
