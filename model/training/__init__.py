"""One configuration in training."""
