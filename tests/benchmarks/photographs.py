"""Print how a net ranks photographs: ``python -m tests.benchmarks.photographs --model DIR``.

As in Lake's official runs, 20 drawings by one drawer are asked for among the 20 drawings of the
same characters by another, but of five of the test alphabets. The queries are photographed in
every scene of `tests.photographs`; in the last row all drawings are.
"""

import argparse
import json
import sys
from functools import cache

import numpy as np
import torch

from data.batches.one_shot import OneShotTrials
from data.images.ink import read_ink
from data.sources.table import load
from hpo.study.provenance import versions
from model.net.saved import SavedNet, load_net
from tests.benchmarks import named_path, positive, result_file
from tests.benchmarks.inputs import omniglot_root, trials_of
from tests.photographs import SCENES, SHADOW, photograph, saved

ALPHABETS, SEED = 5, 0
CLEAN, BOTH = "clean", "both sides with shadow"


def main(arguments: list[str] | None = None) -> int:
    """Print the table, and return 0."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.photographs")
    parser.add_argument(
        "--model", type=named_path, required=True, metavar="DIR", help="a final/ folder"
    )
    parser.add_argument(
        "--queries", type=positive(int), default=100, help="in each row, 20 of each support"
    )
    parser.add_argument(
        "--json", type=result_file, metavar="FILE", help="write the table there too"
    )
    options = parser.parse_args(arguments)
    if options.queries % 20:
        parser.error(f"--queries {options.queries}: each support is asked 20, so give a multiple")
    net = load_net(options.model)
    dataset = load("omniglot", omniglot_root(), download=False)
    drawings = dataset.drawings.of_alphabets(dataset.alphabets["test"][:ALPHABETS])
    trials = trials_of(drawings, options.queries)
    accuracy = {}
    for row in (CLEAN, *SCENES, BOTH):
        accuracy[row] = 100 * float(np.mean(answers(net, trials, row)))
        print(f"{row:24} {accuracy[row]:5.1f} %", flush=True)
    if options.json:
        made = {
            "versions": versions(),
            "queries": len(trials),
            "way": trials.way,
            "accuracy": accuracy,
        }
        options.json.write_text(json.dumps(made, indent=1) + "\n")
    return 0


def answers(net: SavedNet, trials: OneShotTrials, row: str) -> list[bool]:
    """Return for each query whether its own character has the highest score."""
    ink = trials.drawings.ink.numpy()

    @cache
    def embedded(location: int, clean: bool) -> torch.Tensor:
        random = np.random.default_rng([SEED, location])
        scene = SHADOW if row == BOTH else SCENES.get(row)
        if clean or scene is None:
            file = saved(255 - ink[location], "PNG")
        else:
            file = photograph(ink[location], scene, random)
        picture = torch.from_numpy(read_ink(file, net.image_size))
        return net.net.embed(picture[None, None].float() / 255)

    columns = (trials.query, trials.support, trials.answer)
    right = []
    with torch.inference_mode():
        for query, support, answer in zip(*(column.tolist() for column in columns), strict=True):
            offered = torch.cat([embedded(location, row != BOTH) for location in support])
            scores = net.net.score(embedded(query, False), offered)
            right.append(int(scores.argmax()) == answer)
    return right


if __name__ == "__main__":
    sys.exit(main())
