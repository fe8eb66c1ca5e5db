"""From drawings to batches: pairs, episodes, one-shot trials, and their distortions."""
