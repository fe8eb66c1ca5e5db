"""Print the project's figures of speed: ``python -m tests.benchmarks [--quick]``."""

import argparse
import json
import platform
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import torch

from hpo.study.provenance import versions
from tests.benchmarks import result_file
from tests.benchmarks.harness import Context, Row
from tests.benchmarks.pipeline import evaluation, hourly, pipeline
from tests.benchmarks.precision import precision
from tests.benchmarks.samplers import ARMS, samplers
from tests.benchmarks.search import search, startup
from tests.benchmarks.steps import limit, overhead

# Name -> what yields its rows. One row here adds a benchmark.
BENCHMARKS: dict[str, Callable[[Context], Iterator[Row]]] = {
    "overhead": overhead,
    "pipeline": pipeline,
    "evaluation": evaluation,
    "startup": startup,
    "search": search,
    "hourly": hourly,
    "precision": precision,
    "limit": limit,
    "samplers": samplers,
}
BY_NAME_ONLY = ("samplers",)  # takes two hours


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmarks asked for, print the table, and return 0."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer and smaller rounds")
    parser.add_argument("--toy", action="store_true", help="a test of the harness, no figures")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--only", choices=BENCHMARKS, action="append", help="may be repeated")
    parser.add_argument("--net", choices=("compact", "paper"), action="append", default=[])
    parser.add_argument(
        "--arm",
        choices=ARMS,
        action="append",
        default=[],
        help="sampler+pruner, may be repeated; without it: one change from the study's own",
    )
    parser.add_argument("--json", type=result_file, metavar="FILE", help="write the rows there too")
    options = parser.parse_args(arguments)
    size = "toy" if options.toy else "quick" if options.quick else "full"
    context = Context(torch.device(options.device), size, options.net, options.arm)
    here = machine(context.device)
    print(f"{here}; {context.source}; {context.rounds} rounds: median (least to most)")
    rows = []
    for name in options.only or [name for name in BENCHMARKS if name not in BY_NAME_ONLY]:
        start = time.perf_counter()
        for row in BENCHMARKS[name](context):
            rows.append(row)
            print(row.line(), flush=True)
        print(f"{name:11} took {time.perf_counter() - start:.0f} s", flush=True)
    if options.json:
        written = [{**vars(row), "median": row.median, "met": row.met} for row in rows]
        options.json.write_text(
            json.dumps(
                {
                    "machine": here,
                    "data": context.source,
                    "versions": versions(),
                    "rows": written,
                },
                indent=1,
            )
        )
    return 0


def machine(device: torch.device) -> str:
    """Return the day, the processor or card, and torch's version."""
    name = platform.processor() or platform.machine()
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
    elif Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next((x.partition(":")[2].strip() for x in lines if "model name" in x), name)
    when = datetime.now(UTC).date().isoformat()
    return f"{when}; {name}, {torch.get_num_threads()} threads, torch {torch.__version__}"


if __name__ == "__main__":
    sys.exit(main())
