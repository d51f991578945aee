"""The command line: arguments, what each command does with them, and errors as one line."""
