"""Scores of a net: one-shot trials, verification, intervals."""
