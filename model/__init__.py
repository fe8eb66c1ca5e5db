"""The siamese net, its per-layer optimiser, training, evaluation, baselines and export."""

import os

# Before torch's first allocation: activations in huge pages. Linux gives and takes large blocks
# page by page at every step otherwise, which costs a wide net a fifth of its time on a CPU.
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
