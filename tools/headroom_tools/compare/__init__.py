"""What changed between runs. Across runs nothing is paired.

Everything but `terminal` and `forms` returns data; these print it.
"""
