"""From the benchmark program to a record: a run plans, starts launches, keeps each, and finishes.

`runner` goes through a run; `bench` is the one that starts the program.
"""
