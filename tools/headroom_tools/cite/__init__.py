"""`headroom cite`: figures in documents that are what the records in results/ say.

`markers` finds them in a document, `records` the run that a marker means, `figures` says what it
stands for, `documents` fills and checks, `latex` is for papers.
"""
