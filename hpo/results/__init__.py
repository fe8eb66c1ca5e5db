"""Results as plain records, and their plots."""
