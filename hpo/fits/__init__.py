"""Final fits: chosen, trained, tested, written."""
