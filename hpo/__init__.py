"""Search space, objective, study and its storage, workers, final fit and report."""
