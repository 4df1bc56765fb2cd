"""Writes lock.txt anew: the newest versions that pyproject.toml allows, of every package that pip would install.

    python requirements/refresh.py           with the lowest Python that pyproject.toml allows

Then run the tests, all of them: the versions in lock.txt are those that were tested. A package that only a newer
Python, or only another system, needs isn't in it; there is none such today.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

HERE = Path(__file__).parent
LOCK = HERE / "lock.txt"
_LOWEST = (3, 11)
_HEAD = "# The versions that were tested, as constraints for pip (-c). `python requirements/refresh.py` writes them.\n"


def direct(*extras: str) -> list[str]:
    """What pyproject.toml asks for, with the extras named."""
    project = tomllib.loads((HERE.parent / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *(one for extra in extras for one in project["optional-dependencies"][extra])]
    return [one for one in wanted if not one.startswith(f"{project['name']}[")]


def main() -> int:
    if sys.version_info[:2] != _LOWEST:
        print(f"run it with Python {'.'.join(map(str, _LOWEST))}: a newer one may need fewer packages", file=sys.stderr)
        return 2
    argv = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet", "--report", "-"]
    report = subprocess.run([*argv, *direct("test", "dev")], stdout=subprocess.PIPE, text=True, check=True).stdout
    found = sorted(
        (one["metadata"]["name"].lower(), one["metadata"]["version"]) for one in json.loads(report)["install"]
    )
    LOCK.write_text(_HEAD + "".join(f"{name}=={version}\n" for name, version in found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
