"""One resumable training, for the search and for final fits."""
