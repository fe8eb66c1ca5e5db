"""Characters of embedded fonts as drawn by simulated drawers."""
