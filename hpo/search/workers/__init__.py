"""Processes and machines that run trials of one study."""
