// Every variant as an ordinary Google Benchmark benchmark, "group/kernel/variant/n:..", for its own
// flags, for perf and gdb, and to see what a variant does alone, without a ladder around it.
#pragma once

namespace headroom {

void register_single_benchmarks();

}  // namespace headroom
