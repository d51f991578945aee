"""How kernels scale with threads: two laws fitted to the thread sweeps of a run."""
