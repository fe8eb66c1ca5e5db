"""The database of a study: where it lies, its lock, retries."""
