"""Compare searchers on a table of learning curves, at equal arithmetic.

``python -m tests.benchmarks.replay table.csv --study beyond --seeds 50 --teraflops 3000 --out DIR``
replays each searcher, as its own package has it, on what a surrogate of the table says of each
configuration. It prints the surrogate's error and how much arithmetic each searcher needs to reach
what Optuna's defaults have at the end, and writes ``replay.json`` and ``replay.png`` to the folder.
Run again, it does what is missing there.
"""

import argparse
import json
import math
import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from data.files.atomic import write_bytes
from hpo.results.plots.style import save
from hpo.study.errors import ConfigError
from hpo.study.files import load
from hpo.study.provenance import versions
from tests.benchmarks import named_path, positive
from tests.benchmarks.replay.ledger import Ledger
from tests.benchmarks.replay.results import plot, reaching
from tests.benchmarks.replay.searchers.table import GROUPS, REFERENCE, SEARCHERS, refuse_missing
from tests.benchmarks.replay.surrogate import SURROGATES, Errors, Surrogate
from tests.benchmarks.replay.table import read

PROGRAM = "python -m tests.benchmarks.replay"
FIRST_SEED = 1000
"""A search with the seed that the table was drawn with would draw the rows of the table itself."""


def _arguments(arguments: Sequence[str] | None) -> tuple[argparse.ArgumentParser, Any]:
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="searchers:\n" + "\n".join(f"  {n:16} {s.summary}" for n, s in SEARCHERS.items()),
    )
    parser.add_argument("table", type=named_path, help="a CSV of tests.benchmarks.fidelity")
    parser.add_argument("--study", required=True, help="whose space it is: a name or a .toml file")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="as for run_study.py: the budget that the table was measured with",
    )
    parser.add_argument(
        "--seeds", type=positive(int), default=10, help="of each searcher (default: 10)"
    )
    parser.add_argument("--teraflops", type=positive(float), required=True, help="of each search")
    parser.add_argument("--out", type=named_path, required=True, help="the folder of the results")
    parser.add_argument(
        "--searcher",
        action="append",
        choices=SEARCHERS,
        metavar="NAME",
        help="one to replay, may be repeated (default: all)",
    )
    parser.add_argument(
        "--without-starts",
        action="store_true",
        help="search without the study's initial configurations, which may be good already",
    )
    parser.add_argument(
        "--surrogate", choices=SURROGATES, help="default: the one with the smaller error"
    )
    asked = parser.parse_args(arguments)
    return parser, asked


def main(arguments: Sequence[str] | None = None) -> int:
    """Replay what is missing, write the results, print the table."""
    parser, asked = _arguments(arguments)
    names = asked.searcher or list(SEARCHERS)
    try:
        refuse_missing(names)
        config = load(asked.study, asked.set)
        if asked.without_starts:
            config = config.model_copy(update={"start": ()})
        table = read(asked.table, config)
        surrogate = Surrogate(table, asked.surrogate)
        kept = _kept(asked, surrogate)
    except ConfigError as error:
        parser.error(str(error))
    words = sys.argv[1:] if arguments is None else arguments
    kept["commands"].append(f"{PROGRAM} {shlex.join(words)}")
    print(f"{len(surrogate.table.params)} configurations, {surrogate.table.epochs} epochs")
    for name, errors in surrogate.errors.items():
        told = {surrogate.kind: " (replayed)", "mean": " (of the table, to compare)"}.get(name, "")
        print(f"{name}{told}: {errors.line()}")
    starts = [surrogate(start)[0][-1] for start in surrogate.space.initial_configurations]
    if starts:
        print(f"best initial configuration: {100 * max(starts):.2f} % at the end")
    print(f"best of the table: {100 * surrogate.table.best.max():.2f} %")
    done = {(run["searcher"], run["seed"]) for run in kept["runs"]}
    for seed in range(FIRST_SEED, FIRST_SEED + asked.seeds):
        for name in names:
            if (name, seed) not in done:
                kept["runs"].append(_run(name, seed, surrogate, asked.teraflops))
                _write(kept, asked.out)
    runs = {
        name: [run["curve"] for run in kept["runs"] if run["searcher"] == name]
        for name in SEARCHERS
        if any(run["searcher"] == name for run in kept["runs"])
    }
    kept["reach"] = _print_reach(kept, runs)
    _write(kept, asked.out)
    groups = {
        title: own
        for title, packages in GROUPS.items()
        if (own := {n: r for n, r in runs.items() if SEARCHERS[n].package in packages})
    }
    reference = {name: own for name, own in runs.items() if name == REFERENCE}
    save(plot(groups, reference, asked.teraflops), asked.out / "replay.png")
    print(f"Written to {asked.out}: replay.json, replay.png")
    return 0


def _kept(asked: argparse.Namespace, surrogate: Surrogate) -> dict[str, Any]:
    """Return what the folder has, or the beginning of it.

    Raises:
        ConfigError: it has results of something else.
    """
    errors: dict[str, Errors] = surrogate.errors
    head = {
        "study": asked.study,
        "set": asked.set,
        "without_starts": asked.without_starts,
        "table": surrogate.table.digest,
        "configurations": len(surrogate.table.params),
        "epochs": surrogate.table.epochs,
        "teraflops": asked.teraflops,
        "surrogate": surrogate.kind,
    }
    file = asked.out / "replay.json"
    if not file.exists():
        told = {name: asdict(each) for name, each in errors.items()}
        return {**head, "surrogate_errors": told, "commands": [], "runs": []}
    try:
        kept = json.loads(file.read_text(encoding="utf-8"))
        other = [key for key, value in head.items() if kept[key] != value]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{file} cannot be read ({error}); choose another --out") from None
    if other:
        raise ConfigError(
            f"{file} is of another {other[0]}, {kept[other[0]]}, not {head[other[0]]}; "
            "choose another --out"
        )
    return dict(kept)


def _run(name: str, seed: int, surrogate: Surrogate, teraflops: float) -> dict[str, Any]:
    searcher, ledger = SEARCHERS[name], Ledger(surrogate, teraflops)
    start = time.process_time()
    searcher.run(ledger, seed)
    seconds = time.process_time() - start
    best = ledger.points[-1][1] if ledger.points else 0.0
    print(
        f"{name}, seed {seed}: {100 * best:.2f} % for {ledger.spent:,.4g} TFLOP, "
        f"{seconds:.1f} s of CPU",
        flush=True,
    )
    return {
        "searcher": name,
        "seed": seed,
        "revision": versions()["revision"],
        "package": f"{searcher.package} {searcher.version}",
        "summary": searcher.summary,
        "pays": searcher.pays,
        "spent": ledger.spent,
        "cpu_seconds": round(seconds, 2),
        "curve": [[round(value, 6) for value in point] for point in ledger.points],
    }


def _print_reach(kept: dict[str, Any], runs: dict[str, Any]) -> dict[str, Any]:
    """Print the table and return it, empty without the searcher that the others are measured by."""
    if REFERENCE not in runs:
        print(f"No table without --searcher {REFERENCE}, which the others are measured by.")
        return {}
    aim, reach = reaching(runs, REFERENCE)
    print(
        f"\nTFLOP to have seen {100 * aim:.2f} %, the median of {REFERENCE} at the end of "
        f"{kept['teraflops']:,.6g}; medians over seeds, the ratio to {REFERENCE}'s"
    )
    print(
        f"{'searcher':16} {'seeds':>5} {'get there':>9} {'TFLOP':>9} {'ratio':>6} "
        f"{'at the end':>10}"
    )
    for name, each in reach.items():
        needed = f"{each.teraflops:9,.4g} {each.ratio:6.2f}" if each.ratio else f"{'-':>9} {'-':>6}"
        count = len(runs[name])
        print(f"{name:16} {count:5} {each.reached:9} {needed} {100 * each.at_the_end:8.2f} %")
    plain = {
        name: {k: v if math.isfinite(v) else None for k, v in asdict(each).items()}
        for name, each in reach.items()
    }
    return {"accuracy": aim, "searchers": plain}


def _write(kept: dict[str, Any], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    write_bytes(folder / "replay.json", (json.dumps(kept, indent=1) + "\n").encode())


if __name__ == "__main__":
    sys.exit(main())
