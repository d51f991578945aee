// headroom-bench: all kernels under Google Benchmark. README.md says how it is driven.
#include "bench/program.h"

int main(int argc, char** argv) {
  headroom::prepare_process(argv);
  return headroom::run_program(argc, argv);
}
