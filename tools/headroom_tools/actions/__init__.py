"""What each command of `headroom` does with its arguments; returns the exit status."""
