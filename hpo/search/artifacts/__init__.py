"""Notes and pictures for the dashboard."""
