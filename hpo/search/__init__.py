"""Trials: what one is, where the first ones come from, who runs them."""
