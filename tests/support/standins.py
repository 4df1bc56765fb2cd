"""The stand-ins for a Mac's programs (tests/standins), as an environment to run the tool or themselves in."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.minikube_program import minikube

from canarylab.providers.embedded.programs.built import built

REPOSITORY = Path(__file__).resolve().parents[2]
BIN = REPOSITORY / "tests" / "standins" / "bin"


@dataclass(frozen=True)
class Standins:
    """One user's machine: a folder with a home for minikube, a kubeconfig, and which faults are switched on."""

    folder: Path
    environment: Mapping[str, str]

    @property
    def minikube_home(self) -> Path:
        """minikube's own folder, with profiles/ and tunnels.json in it."""
        return self.folder / ".minikube"

    @property
    def kubeconfig(self) -> Path:
        return self.folder / "kubeconfig"

    def faults(self, *names: str) -> None:
        """Switch exactly these on. The names are in tests/standins/README.md."""
        (self.folder / "faults.json").write_text(json.dumps(names))

    def calls(self, program: str | None = None) -> list[dict[str, Any]]:
        """What was run so far: program, argv, and whether below sudo."""
        file = self.folder / "calls.jsonl"
        lines = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
        return [line for line in lines if program in (None, line["program"])]

    def run(self, *argv: str, timeout: float = 120.0, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run a program as this user would, to its end."""
        return subprocess.run(
            argv,
            env=dict(self.environment),
            capture_output=True,
            text=True,
            timeout=timeout,
            input=stdin,
            check=False,
        )

    def minikube(self, *words: str) -> subprocess.CompletedProcess[str]:
        """What `run("minikube", ...)` ends with, by a call: for commands that begin no node."""
        done = minikube(words, self.environment)
        return subprocess.CompletedProcess(words, done.code, done.stdout, done.stderr)

    @contextmanager
    def started(self, *argv: str) -> Iterator[subprocess.Popen[str]]:
        """A program under way, such as `minikube tunnel`; killed at the end where it still runs."""
        with subprocess.Popen(
            argv, env=dict(self.environment), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    def profiles(self) -> list[str]:
        """The profiles that minikube has, half-made ones too."""
        folder = self.minikube_home / "profiles"
        return sorted(path.name for path in folder.iterdir()) if folder.exists() else []

    def vm_processes(self) -> list[int]:
        """The processes that stand for virtual machines of this home, orphans too."""
        wanted = str(self.minikube_home / "machines").encode()
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                words = (process / "cmdline").read_bytes()
            except OSError:  # it ended meanwhile
                continue
            if words.startswith(b"qemu-system-") and wanted in words:
                found.append(int(process.name))
        return found


@contextmanager
def standins(**extra: str) -> Iterator[Standins]:
    """A fresh machine, which is removed at the end with every profile on it. `extra` is laid over its environment.

    On its PATH: the stand-ins; helm, kubectl and the Argo plugin where the embedded provider has built them; the
    Python that runs the tests; then the real PATH. The folder's name is short: a socket's path may have 107 bytes.
    """
    folder = Path(tempfile.mkdtemp(prefix="standin-"))
    programs = [BIN, built().bin, Path(sys.executable).parent]
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("MINIKUBE_", "STANDIN_"))}
    environment |= {
        "PATH": os.pathsep.join([*map(str, programs), environment.get("PATH", "")]),
        "KUBECONFIG": str(folder / "kubeconfig"),
        "MINIKUBE_HOME": str(folder / ".minikube"),
        "MINIKUBE_IN_STYLE": "false",
        "MINIKUBE_WANTUPDATENOTIFICATION": "false",
        "STANDIN_CALLS": str(folder / "calls.jsonl"),
        "STANDIN_FAULTS": str(folder / "faults.json"),
        "STANDIN_RESOLVER": str(folder / "resolver"),
        **extra,
    }
    made = Standins(folder, environment)
    try:
        yield made
    finally:
        made.faults()
        for profile in made.profiles() if (made.minikube_home / "standin").exists() else ():
            made.run("minikube", "-p", profile, "delete")
        for pid in made.vm_processes():
            os.kill(pid, 9)
        shutil.rmtree(folder)
