"""Performs a demonstration as `invoke demo` does, and notes how late each of its waits ended.

    python benchmarks/waits.py NOTES --playbook subsets --profile bench-demos
    python benchmarks/waits.py NOTES --all --profile bench-demos

A wait of the tool ends when what it waits for has come true, which is the newest change then of the objects that it
watches. When that was, the API server says itself: in `metadata.managedFields`, where it writes down for every change
who made it and when, in whole seconds. How late the wait ended is the time since then; 1 s of it may be that rounding.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from canarylab.cancel import Cancel
from canarylab.commands.demo import demo
from canarylab.commands.run import Options
from canarylab.kube.client import Cluster
from canarylab.kube.watch import Watch


def main() -> int:
    """Perform it; the exit code of `invoke demo`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("notes", type=Path, help="the file that gets one line of JSON for each wait")
    parser.add_argument("--playbook", help="whose demonstration")
    parser.add_argument("--all", action="store_true", help="every demonstration, side by side")
    parser.add_argument("--profile", required=True)
    options = parser.parse_args()
    with options.notes.open("w") as notes:
        Cluster.wait = _noting(Cluster.wait, notes)  # type: ignore[method-assign]
        flags = Options(options.playbook, options.profile, everything=options.all)
        return demo(flags, start_over=False)


def _noting(wait: Callable[..., str | None], notes: Any) -> Callable[..., str | None]:
    def noted(
        self: Cluster, watches: Sequence[Watch], check: Callable[[], str | None], *, deadline: float, cancel: Cancel
    ) -> str | None:
        waited = False

        def looked() -> str | None:
            nonlocal waited
            reason = check()
            waited |= reason is not None
            return reason

        reason = wait(self, watches, looked, deadline=deadline, cancel=cancel)
        ended = time.time()
        if waited and reason is None and (changes := list(_changes(self, watches))):
            newest = max(changes)
            line = {"late": round(ended - newest[0], 3), "changed": newest[1]}
            notes.write(json.dumps(line) + "\n")
            notes.flush()
        return reason

    return noted


def _changes(cluster: Cluster, watches: Sequence[Watch]) -> Iterator[tuple[float, str]]:
    """When and what of every change on record."""
    for watch in watches:
        for obj in cluster.list(watch.api_version, watch.kind, watch.namespace):
            meta = obj["metadata"]
            for entry in meta.get("managedFields") or ():
                when = datetime.fromisoformat(entry["time"]).timestamp()
                yield when, f"{obj['kind']} {meta.get('namespace')}/{meta['name']} by {entry.get('manager')}"


if __name__ == "__main__":
    sys.exit(main())
