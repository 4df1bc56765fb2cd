"""Measures every demonstration alone and all of them side by side, on one cluster, and prints one table.

    python benchmarks/demos.py               on Linux, as root, with nothing else to do for the machine
    python benchmarks/demos.py --short rolling-update --profile NAME
                                             only that one, alone, on a cluster that is up and stays

The cluster is a profile of its own, `bench-demos`, which is torn down in the end. Standard error says what is being
done. The exit code is 0 if every target is met, 1 if one is missed or a demonstration didn't pass.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from canarylab.commands.run import DEFAULT_PLAYBOOK
from canarylab.playbook.union import load_all

PROFILE = "bench-demos"
_HERE = Path(__file__).parent
_MOST_OF_SUM = 0.6
_LATEST = 2.0
"""Seconds: 1 s, and up to 1 s by which the API server rounds its timestamps down."""


@dataclass(frozen=True)
class Timed:
    """A demonstration: wall time in seconds, and how late each of its waits ended."""

    name: str
    passed: bool
    seconds: float
    late: Sequence[float]

    def row(self) -> str:
        """Its line of the table, in Markdown."""
        worst = f"{max(self.late):.2f}" if self.late else "-"
        median = f"{statistics.median(self.late):.2f}" if self.late else "-"
        state = "passed" if self.passed else "FAILED"
        return f"| {self.name:22} | {state} | {self.seconds:7.1f} | {len(self.late):5} | {median:>6} | {worst:>5} |"


def main() -> int:
    """Measure and print; exit code 1 where a demonstration failed or a target was missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", metavar="PLAYBOOK", help="measure this one alone, on a cluster that is up and stays")
    parser.add_argument("--profile", default=PROFILE, help=f"whose cluster (default: {PROFILE})")
    options = parser.parse_args()
    if options.short:
        with tempfile.TemporaryDirectory() as folder:
            timed = _timed(options.short, Path(folder), options.profile, "--playbook", options.short)
        print(timed.row())
        return 0 if timed.passed else 1
    return _measure(options.profile)


def _measure(profile: str) -> int:
    names = [playbook.name for playbook in load_all(DEFAULT_PLAYBOOK)]
    with tempfile.TemporaryDirectory() as folder:
        try:
            _invoke(profile, "up", "--all")
            alone = [_timed(name, Path(folder), profile, "--playbook", name) for name in names]
            together = _timed("demo --all", Path(folder), profile, "--all")
        finally:
            _invoke(profile, "teardown")
    return _judge(alone, together)


def _timed(name: str, folder: Path, profile: str, *flags: str) -> Timed:
    notes = folder / "notes"
    began = time.monotonic()
    argv = [sys.executable, str(_HERE / "waits.py"), str(notes), *flags, "--profile", profile]
    done = subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=False)
    seconds = time.monotonic() - began
    if done.returncode:
        print(done.stdout, file=sys.stderr)
    late = [json.loads(line)["late"] for line in notes.read_text().splitlines()]
    timed = Timed(name, done.returncode == 0, seconds, late)
    print(timed.row(), file=sys.stderr)
    return timed


def _judge(alone: Sequence[Timed], together: Timed) -> int:
    total = sum(one.seconds for one in alone)
    late = [each for one in alone for each in one.late]
    summed = Timed("sum of those", all(one.passed for one in alone), total, late)
    print("| demonstration          | state  | seconds | waits | median |  late |")
    print("| ---------------------- | ------ | ------- | ----- | ------ | ----- |")
    for timed in (*alone, summed, together):
        print(timed.row())
    ratio, latest = together.seconds / total, max(late)
    met = {
        f"all of them pass, alone and side by side: {summed.passed and together.passed}": summed.passed
        and together.passed,
        f"demo --all / sum of those alone: {ratio:.2f}, must be at most {_MOST_OF_SUM}": ratio <= _MOST_OF_SUM,
        f"latest end of a wait: {latest:.2f} s, must be under {_LATEST:g} s (1 s, and 1 s of rounding)": latest
        < _LATEST,
    }
    for words, holds in met.items():
        print(f"{'yes' if holds else 'NO '}  {words}")
    return 0 if all(met.values()) else 1


def _invoke(profile: str, *words: str) -> None:
    argv = [sys.executable, "-m", "invoke", *words, "--profile", profile]
    print(" ".join(["invoke", *words]), file=sys.stderr)
    subprocess.run(argv, cwd=_HERE.parent, stdout=subprocess.DEVNULL, check=True)


if __name__ == "__main__":
    sys.exit(main())
