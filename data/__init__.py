"""Drawings: where they come from, the split, pairs, distortions and one-shot trials."""
