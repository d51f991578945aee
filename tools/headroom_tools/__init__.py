"""The `headroom` command: runs the benchmark program, keeps its records, and reads them."""
