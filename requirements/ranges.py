"""Holds the ranges in pyproject.toml true: installs one of their ends, and runs the fast tests with it.

    python requirements/ranges.py lowest     every direct dependency at the version that its range begins with
    python requirements/ranges.py newest     whatever pip installs today

The tests are those of tests/unit and tests/contract that call a library. Left out are those of stand-in programs and
of Go's own sources: half of the time, and no other library. The newest aren't tested where they are those of
lock.txt, which every other test runs with.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterable
from pathlib import Path

from refresh import LOCK, direct

_REPOSITORY = LOCK.parent.parent
_PROGRAMS = ("unit/test_minikube_*", "unit/test_doctor_fix*", "contract/test_go_*", "contract/test_standin_*")
"""Tests that start programs and call no library that the others don't."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("end", choices=["lowest", "newest"])
    end = parser.parse_args().end
    wanted = direct("test")
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = str(Path(folder, "bin", "python"))
        subprocess.run(
            [python, "-m", "pip", "install", "--quiet", *(lowest(wanted) if end == "lowest" else wanted)], check=True
        )
        frozen = subprocess.run([python, "-m", "pip", "freeze"], stdout=subprocess.PIPE, text=True, check=True).stdout
        print(f"{end}: {', '.join(frozen.split())}", flush=True)
        if end == "newest" and set(frozen.lower().split()) <= set(LOCK.read_text().split()):
            print("these are the versions of the lock, which all tests run with")
            return 0
        tests = [str(_REPOSITORY / "tests" / folder) for folder in ("unit", "contract")]
        ignored = [f"--ignore-glob={_REPOSITORY / 'tests' / pattern}" for pattern in _PROGRAMS]
        argv = [python, "-m", "pytest", "-q", "-x", "-m", "not e2e", "-p", "no:cacheprovider", *tests, *ignored]
        # The package itself isn't installed: two ends at once would both write its metadata into the checkout.
        environment = {**os.environ, "PYTHONPATH": str(_REPOSITORY)}
        return subprocess.run(argv, cwd=_REPOSITORY, env=environment, check=False).returncode


def lowest(wanted: Iterable[str]) -> list[str]:
    """Each requirement at the version that its range begins with."""
    return [re.sub(r">=([^,]+).*", r"==\1", one) for one in wanted]


if __name__ == "__main__":
    sys.exit(main())
