"""Measures the tool against a script that does the same by hand, side by side, and prints one table.

    python benchmarks/run.py --rounds 3      README.md beside it says how to read what it prints
    python benchmarks/run.py --clean         removes what a killed run has left

A round is: everything by hand; the first `invoke up`, the second, the node at rest, `invoke demo`, `invoke teardown`.
Every other round does the tool's part first. All of it happens in a profile and a home folder of its own.
"""

from __future__ import annotations

import argparse
import dataclasses
import fcntl
import json
import os
import platform
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import figures
import processes
from bench import PROFILE, SCRIPT_NAMESPACE, SHORT, TOOL_NAMESPACE, Bench, Patience, say

from canarylab import pins
from canarylab.paths import REPOSITORY, cache_home, state_home
from canarylab.providers.embedded.programs.built import built

_RESULTS = REPOSITORY / "benchmarks" / "results.json"
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_EXIT_DONE, _EXIT_MISSED, _EXIT_REFUSED, _EXIT_INTERRUPTED = 0, 1, 2, 130


class Refused(Exception):  # noqa: N818 - not a bug
    """Why nothing is measured, and what to do."""


def main() -> int:
    """0 where every target holds, 1 where one is missed, 2 where nothing was measured, 130 after Ctrl-C."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="how often everything is measured (default: 3)")
    parser.add_argument("--short", action="store_true", help="without rest and repetition: only whether it all works")
    parser.add_argument("--results", type=Path, default=_RESULTS, help=f"their file (default: {_RESULTS.name})")
    parser.add_argument("--clean", action="store_true", help="remove what a killed run has left, and measure nothing")
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error("--rounds must be 1 or more")
    try:
        with _alone():
            return _clean() if options.clean else _measure(options)
    except Refused as refusal:
        print(refusal, file=sys.stderr)
        return _EXIT_REFUSED


def _measure(options: argparse.Namespace) -> int:
    _require_nothing_there()
    about = _about_machine()
    bench, measured, code = Bench(_work(), SHORT if options.short else Patience()), [], _EXIT_DONE
    for each in _SIGNALS:
        signal.signal(each, _interrupt)
    try:
        say("preparing")
        bench.create()
        for number in range(options.rounds):
            say(f"round {number + 1} of {options.rounds}")
            measured.append(bench.round(script_first=number % 2 == 0))
            _write(options.results, about, measured)  # each at once: whatever happens to the next, this one is kept
    except processes.CommandFailed as error:
        print(error, file=sys.stderr)
        code = _EXIT_MISSED
    except KeyboardInterrupt:
        code = _EXIT_INTERRUPTED
    finally:
        for each in _SIGNALS:  # a second Ctrl-C must not leave half a cluster behind
            signal.signal(each, lambda *_: say("cleaning up; that takes some seconds"))
        if bench.measured:
            _write(options.results, about, measured, unfinished=bench.measured)
            say(f"what the round that didn't end has measured is in {options.results}")
        say("cleaning up")
        trouble = bench.delete()
    print("".join(f"{line}\n" for line in trouble), file=sys.stderr, end="")
    found = figures.figures(measured) if measured else []
    if measured:
        print(f"\n{about}\n\n{figures.table(found)}\n")
        print("".join(f"{line}\n" for line in _left(measured)), end="")
    missed = trouble or any(figure.met is False for figure in found)
    return _EXIT_MISSED if code == _EXIT_DONE and missed else code


def _clean() -> int:
    work = _work()
    trouble = Bench(work).delete()
    print("\n".join(trouble) if trouble else f"{work}, and what ran in it, is gone")
    return _EXIT_MISSED if trouble else _EXIT_DONE


def _work() -> Path:
    """On the filesystem that profiles lie on: it is the one that clusters run on."""
    return Path(state_home().with_name("clbench"))


@contextmanager
def _alone() -> Iterator[None]:
    """Raises Refused where this machine can't do it, or another benchmark runs."""
    if platform.system() != "Linux" or os.geteuid() != 0:
        raise Refused("the benchmark brings up clusters on this machine: it needs Linux and root")
    processes.adopt_orphans()
    path = _work().with_suffix(".lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Refused("another benchmark runs on this machine: two would measure each other") from None
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def _require_nothing_there() -> None:
    namespaces = Path("/run/netns")
    if not built().is_complete:
        raise Refused(f"the programs of this version aren't in {cache_home()}: `invoke up` once, then again")
    if _work().exists() or (namespaces / SCRIPT_NAMESPACE).exists():
        raise Refused(f"an earlier benchmark was killed: `python {sys.argv[0]} --clean` removes what it left")
    if (state_home() / PROFILE).exists() or (namespaces / TOOL_NAMESPACE).exists():
        raise Refused(f"there is a profile {PROFILE!r} already: `invoke teardown --profile {PROFILE}` removes it")


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def _about_machine() -> str:
    gib = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    versions = pins.pins()
    return (
        f"{time.strftime('%Y-%m-%d %H:%M')}, Linux {platform.release()} on {platform.machine()}, {os.cpu_count()} "
        f"processors, {gib:.0f} GiB; Kubernetes {versions.kubernetes}, Istio {versions.istio}, "
        f"Argo Rollouts {versions.rollouts}; load when it began {os.getloadavg()[0]:.1f}"
    )


def _left(measured: Sequence[figures.Round]) -> Iterator[str]:
    for number, one in enumerate(measured, 1):
        for command, left in (("invoke teardown", one.left_by_tool), ("by_hand.sh remove", one.left_by_script)):
            for what, names in left.items():
                yield f"round {number}, left after `{command}`, {what}: {', '.join(names)}"


def _write(
    path: Path, about: str, measured: Sequence[figures.Round], *, unfinished: dict[str, Any] | None = None
) -> None:
    """The rounds first, and the figures once they could be made of them: a round that can't be judged isn't lost.

    `unfinished` is what a round that didn't end had measured; no figure is made of it.
    """
    content: dict[str, Any] = {"about": about, "rounds": [dataclasses.asdict(one) for one in measured]}
    if unfinished:
        content["unfinished"] = unfinished
    path.write_text(json.dumps(content, indent=1, default=dataclasses.asdict) + "\n")
    if not measured:
        return
    found = figures.figures(measured)
    content["figures"] = [{**dataclasses.asdict(one), "median": one.median, "met": one.met} for one in found]
    path.write_text(json.dumps(content, indent=1, default=dataclasses.asdict) + "\n")


if __name__ == "__main__":
    sys.exit(main())
