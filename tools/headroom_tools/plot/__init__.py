"""Pictures of runs: what each shows (`make`), as data (`spec`), drawn as SVG for a page (`svg`) or
by matplotlib for a document (`paper`), in one style (`style`)."""
