"""What the dashboard shows of a trial beside its numbers."""
