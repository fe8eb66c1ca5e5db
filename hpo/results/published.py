"""What others published, figure by figure; accuracies and errors in percent."""

from collections.abc import Mapping

PAPER = "Koch, Zemel and Salakhutdinov (2015)"

VERIFICATION = (("30k", 90.61, 91.90), ("90k", 91.54, 93.15), ("150k", 91.63, 93.42))
"""The paper's first table: training pairs, test accuracy without distortions, and with."""

ONE_SHOT = (
    ("humans", 95.5),
    ("HBPL", 95.2),
    ("Koch's net", 92.0),
    ("affine model", 81.8),
    ("hierarchical deep", 65.2),
    ("DBM", 62.0),
    ("siamese without convolutions", 58.3),
    ("simple stroke", 35.2),
    ("1-NN", 21.7),
)
"""The paper's second table: 20-way, within alphabets, on the official runs."""

MNIST = (("Koch's net", 70.3), ("1-NN", 26.5))
"""The paper's third table: 10-way, digits, no fine-tuning."""

ERRORS = (
    ("ARC", 1.5),
    ("BPL", 3.3),
    ("people", 4.5),
    ("GNS", 5.7),
    ("RCN", 7.3),
    ("Koch's net", 8.0),
    ("simple convnet", 13.5),
    ("prototypical net", 13.7),
    ("VHE", 18.7),
)
"""Errors of other systems on the official runs, all background alphabets."""

ERRORS_SMALL = (("BPL", 4.2), ("simple convnet", 23.2), ("prototypical net", 30.1))
"""Likewise, with only the five alphabets of a small background set: of which of the two, or
whether of both, is not known to us."""

N_WAY_SYSTEM = "open reimplementation of Koch's net"
N_WAY = {2: 97.4, 5: 88.6, 10: 83.7, 15: 77.2, 20: 70.8}
"""Its within-alphabet accuracies, as its README gives them. It offers one character more than the N
that it states."""

BY_PROTOCOL = {
    "official_runs": (
        ("Koch et al. 2015", dict(ONE_SHOT)["Koch's net"]),
        ("people", dict(ONE_SHOT)["humans"]),
        ("best published", 100 - min(error for _, error in ERRORS)),
    ),
    "verification": (("Koch et al. 2015", max(row[-1] for row in VERIFICATION)),),
    "mnist": (
        ("Koch et al. 2015", dict(MNIST)["Koch's net"]),
        ("Koch's 1-NN", dict(MNIST)["1-NN"]),
    ),
}
"""In percent, on the same protocol; of N-way trials within all test alphabets there is none."""


def comparable(data: Mapping[str, str]) -> bool:
    """Return whether the figures here are of this data, ``name`` and ``source`` of a study's.

    All are of nets that learnt from Omniglot; a user's own folder may be called as it likes.
    """
    return data.get("source") != "folder" and data.get("name", "").startswith("omniglot")
