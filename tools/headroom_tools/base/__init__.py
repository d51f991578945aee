"""What everything stands on: errors, text that is safe, files, paths, and the terminal."""
