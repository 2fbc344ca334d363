"""Fuzzes all readers; `python -m fuzz --seed 1 --count 10000`. Exits with 1 if anything went wrong."""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections import Counter
from pathlib import Path

from fuzz.runner import outcomes, try_one
from fuzz.targets import TARGETS
from hgcae.errors import HgcaeWarning
from hgcae.parallel import usable_cores


def main() -> int:
    """Runs the command line."""
    parser = argparse.ArgumentParser(prog="fuzz", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="of all changes")
    parser.add_argument("--count", type=int, default=10_000, help="number of mutated inputs")
    parser.add_argument("--target", choices=[target.name for target in TARGETS], help="only this reader")
    parser.add_argument("--workers", type=int, default=usable_cores(), help="processes")
    parser.add_argument("--case", type=int, help="try only this case, in this process, and keep its files")
    parser.add_argument("--keep", type=Path, default=Path("fuzz-case"), help="folder of the files of that case")
    options = parser.parse_args()
    warnings.simplefilter("ignore", HgcaeWarning)
    if options.case is not None:
        outcome = try_one(options.seed, options.case, options.keep)
        print(f"{TARGETS[options.case % len(TARGETS)].name}: {outcome.kind}: {outcome.what}\nfiles in {options.keep}")
        return int(not outcome.is_good)
    numbers = range(options.count)
    if options.target:
        first = [target.name for target in TARGETS].index(options.target)
        numbers = range(first, first + options.count * len(TARGETS), len(TARGETS))
    start, counts, failures = time.monotonic(), Counter[tuple[str, str]](), 0
    for done, outcome in enumerate(outcomes(options.seed, numbers, options.workers), 1):
        name = TARGETS[outcome.case % len(TARGETS)].name
        counts[name, outcome.kind] += 1
        if not outcome.is_good:
            failures += 1
            print(
                f"case {outcome.case}, {name}: {outcome.kind}: {outcome.what}\n  again: make fuzz SEED={options.seed} CASE={outcome.case}"
            )
        if sys.stderr.isatty() or done % 1000 == 0 or done == options.count:
            rate = done / (time.monotonic() - start)
            end = "\n" if not sys.stderr.isatty() or done == options.count else "\r"
            left = (options.count - done) / rate
            print(
                f"{done:,} of {options.count:,}, {rate:.0f}/s, {left:.0f} s left, {failures} failures", end=end, file=sys.stderr, flush=True
            )
    for target in TARGETS:
        kinds = {kind: n for (name, kind), n in counts.items() if name == target.name}
        print(f"{target.name:<24}" + ", ".join(f"{n} {kind}" for kind, n in sorted(kinds.items())))
    return int(failures > 0)


if __name__ == "__main__":
    sys.exit(main())
