"""The siamese net, its per-layer optimiser, training, evaluation, baselines and export."""
