"""Omniglot: its archives, its published facts, its official runs."""
