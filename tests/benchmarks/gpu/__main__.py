"""Measure one GPU in under twelve minutes: ``python -m tests.benchmarks.gpu --json gpu.json``.

Each part is a process with a time limit, so that one that hangs or breaks the GPU's state costs no
other; the file is written anew after each. ``--quick`` runs every part with toy nets, on a CPU with
Triton's kernels in its interpreter: a test of the script, no figures.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import torch

from hpo.study.provenance import versions
from tests import ROOT
from tests.benchmarks import positive, result_file
from tests.benchmarks.gpu.kernels import kernels, use_blocks
from tests.benchmarks.gpu.parts import losses, machine, profile, training, workers
from tests.benchmarks.gpu.stages import stages
from tests.benchmarks.harness import Context, Row

# Name -> what yields its rows, and the most seconds it may take. The kernels' fastest blocks are
# what the parts after them use.
PARTS = {
    "machine": (machine, 45),
    "kernels": (kernels, 150),
    "training": (training, 140),
    "stages": (stages, 110),
    "profile": (profile, 65),
    "losses": (losses, 110),
    "workers": (workers, 100),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the parts one by one, print their rows, and return 1 if one did not come to its end."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.gpu", description=__doc__)
    parser.add_argument("--device", default="cuda", help="cuda, or cpu with --quick")
    parser.add_argument("--quick", action="store_true", help="toy nets: a test of the script")
    parser.add_argument("--only", choices=PARTS, action="append", help="may be repeated")
    parser.add_argument("--limit", type=positive(float), help="seconds for each part, not its own")
    parser.add_argument(
        "--json", type=result_file, metavar="FILE", help="write all of it there too"
    )
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    parser.add_argument("--blocks", type=json.loads, default={}, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.device == "cpu" and not options.quick:
        parser.error("--device cpu would take hours: give --quick, too, or a GPU")
    if options.part:
        _run(options.part, options.device, options.quick, options.blocks)
        return 0
    told: dict[str, Any] = {"versions": versions(), "parts": {}, "blocks": {}, "rows": []}
    failed = False
    for name in options.only or PARTS:
        outcome, lines = _child(name, options, told["blocks"])
        failed |= outcome["ended"] != "well"
        told["parts"][name] = outcome
        for line in lines:
            if "blocks" in line:
                told["blocks"] = line["blocks"]
            elif "machine" in line:
                told.update(line)
            else:
                row = Row(**line)
                print(row.line(), flush=True)
                shown = {**asdict(row), "median": row.median, "met": row.met}
                told["rows"].append(shown)
        print(f"{name:11} ended {outcome['ended']}, {outcome['seconds']:.0f} s", flush=True)
        if options.json:
            options.json.write_text(json.dumps(told, indent=1) + "\n")
    return int(failed)


def _child(
    name: str, options: argparse.Namespace, blocks: object
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return how a part ended, and what it had told by then."""
    limit = PARTS[name][1] if options.limit is None else options.limit
    command = [sys.executable, "-m", "tests.benchmarks.gpu", "--part", name]
    command += ["--device", options.device, "--blocks", json.dumps(blocks)]
    command += ["--quick"] if options.quick else []
    environment = dict(os.environ)
    if options.device == "cpu":
        environment["TRITON_INTERPRET"] = "1"
    start = time.perf_counter()
    with tempfile.TemporaryFile("w+") as out:
        try:
            done = subprocess.run(command, cwd=ROOT, env=environment, stdout=out, timeout=limit)
            ended = "well" if done.returncode == 0 else f"with exit code {done.returncode}"
        except subprocess.TimeoutExpired:
            ended = f"by the limit of {limit:g} s"
        out.seek(0)
        lines = [json.loads(line) for line in out if line.startswith("{") and line.endswith("}\n")]
    return {"ended": ended, "seconds": round(time.perf_counter() - start, 1)}, lines


def _run(name: str, device: str, quick: bool, blocks: dict[str, dict[str, int]]) -> None:
    use_blocks(blocks)
    work, _ = PARTS[name]
    for told in work(Context(torch.device(device), "toy" if quick else "full")):
        print(json.dumps(asdict(told) if isinstance(told, Row) else told), flush=True)


if __name__ == "__main__":
    sys.exit(main())
