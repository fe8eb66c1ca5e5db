"""Command-line options, progress and tables."""
