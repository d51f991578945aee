"""What is kept of a run: run.json and machine.json, decided to be valid, and read as rows.

A record is made in measure/; everything after it reads rows (`cells`), and nothing but rows.
"""
