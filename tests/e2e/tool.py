"""Runs the tool as a user does, in a process of its own, and reads the events that it prints."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support import residue

REPOSITORY = Path(__file__).resolve().parents[2]
UP_SECONDS = 3600.0
"""The first `up` on a new machine compiles for 10 to 20 minutes."""

SOMEONE_ELSES = {
    "apiVersion": "v1",
    "kind": "Config",
    "current-context": "someone-elses",
    "clusters": [{"name": "someone-elses", "cluster": {"server": "https://127.0.0.1:1"}}],
    "users": [{"name": "someone-elses", "user": {}}],
    "contexts": [{"name": "someone-elses", "context": {"cluster": "someone-elses", "user": "someone-elses"}}],
}
"""A user's kubeconfig with another cluster in it, which is current."""


@dataclass(frozen=True)
class Ended:
    """A run that is over: exit code, the events it printed, what it wrote to stderr."""

    code: int
    events: list[dict[str, Any]]
    errors: str

    @property
    def summary(self) -> dict[str, Any]:
        assert self.events, self.errors
        assert self.events[-1]["event"] == "run-finished", self.events[-1]
        return self.events[-1]

    def of(self, name: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["event"] == name]

    def explain(self) -> str:
        told = [event for event in self.events if event["event"] == "failure" or event.get("state") == "failed"]
        return f"exit code {self.code}\n{json.dumps(told, indent=1)}\n{self.errors}"


@dataclass(frozen=True)
class Tool:
    """The tool, for one profile and one kubeconfig that isn't the user's."""

    profile: str
    kubeconfig: Path
    environment: dict[str, str] = field(default_factory=dict)
    flags: tuple[str, ...] = ()
    """What every command gets, such as `--provider minikube`."""

    def argv(self, *words: str) -> list[str]:
        task, *flags = words
        return [sys.executable, "-m", "invoke", task, *flags, *self.flags, "--profile", self.profile]

    @property
    def env(self) -> dict[str, str]:
        return {**os.environ, residue.MARK[0]: residue.MARK[1], "KUBECONFIG": str(self.kubeconfig), **self.environment}

    def text(self, *words: str, timeout: float = 300.0) -> subprocess.CompletedProcess[str]:
        """Run with output for people."""
        return subprocess.run(
            self.argv(*words),
            cwd=REPOSITORY,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def run(self, *words: str, timeout: float = 300.0) -> Ended:
        """Run with output for programs."""
        done = self.text(*words, "--output", "json", timeout=timeout)
        return Ended(done.returncode, parse(done.stdout.splitlines()), done.stderr)

    def json(self, *words: str) -> Any:
        """Run a command that prints one JSON document."""
        return json.loads(self.text(*words, "--output", "json").stdout)

    @contextmanager
    def started(self, *words: str) -> Iterator[subprocess.Popen[str]]:
        """A run under way, whose events can be read from its stdout."""
        argv = self.argv(*words, "--output", "json")
        with subprocess.Popen(
            argv, cwd=REPOSITORY, env=self.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    def kubectl(self, *words: str, check: bool = True) -> str:
        """kubectl as in the user's own shell: by context, in the user's kubeconfig."""
        done = subprocess.run(
            [self.program("kubectl"), "--context", self.profile, *words],
            env=self.env,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert not check or done.returncode == 0, done.stderr
        return done.stdout

    def program(self, name: str) -> str:
        """As the user's shell finds it after `eval "$(invoke env)"`."""
        lines = [line for line in self.text("env").stdout.splitlines() if line.startswith("export PATH=")]
        first = [line.removeprefix("export PATH=").split(":", 1)[0].strip("'\"") for line in lines]
        found = shutil.which(name, path=os.pathsep.join([*first, self.env["PATH"]]))
        assert found, f"{name} is not on the PATH"
        return found


def parse(lines: Sequence[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines if line.startswith("{")]


def read_until(process: subprocess.Popen[str], stage: str) -> list[dict[str, Any]]:
    """Read events until one says that `stage` is at work; what was read is returned."""
    assert process.stdout is not None
    seen = []
    for line in process.stdout:
        seen.append(json.loads(line))
        if seen[-1]["event"] in ("stage-started", "stage-change") and seen[-1]["stage"] == stage:
            break
    return seen
