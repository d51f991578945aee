"""`headroom selfcheck`: the statistics of these tools, measured instead of assumed.

measure.py takes samples of kernels against themselves (group selfcheck), judge.py counts what the
rules make of them, coverage.py does the same with made-up launches, between.py with whole runs.
"""
