"""`minikube image`: build, ls, load, save, rm, as a machine with containerd does them (pkg/minikube/machine).

None of them reports a failure by its exit code (mk#12556): what went wrong is on stderr, or nowhere.
"""

from __future__ import annotations

import shutil
import struct
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from canarylab.errors import CanarylabError
from canarylab.pins import architecture

from . import faults, reasons
from .containerd import BuildError, Store
from .errors import StandinError
from .flags import Flag, Parsed
from .home import Home
from .loaded import host_state
from .output import Output, go_json

LIST_FLAGS = {"format": Flag("value")}
BUILD_FLAGS = {
    "tag": Flag("value", "t"),
    "file": Flag("value", "f"),
    "build-opt": Flag("list"),
    "build-env": Flag("list"),
    "all": Flag("bool"),
    "node": Flag("untaught", "n"),
    "push": Flag("untaught"),
}
LOAD_FLAGS = {
    "overwrite": Flag("bool"),
    "daemon": Flag("untaught"),
    "remote": Flag("untaught"),
    "pull": Flag("untaught"),
}
SAVE_FLAGS = {"daemon": Flag("untaught"), "remote": Flag("untaught")}
_INDEX = "application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json"
_ELF_MACHINE_AT, _ELF_MACHINES = 18, {"amd64": 62, "arm64": 183}
_OTHER = {"amd64": "arm64", "arm64": "amd64"}


class Images:
    """The images of one profile's machine."""

    def __init__(self, home: Home, profile: str) -> None:
        config = home.load(profile)
        out = Output(as_json=False)
        if config is None:  # not 85 as elsewhere (recorded)
            out.exit(reasons.USAGE, f'loading profile: cluster "{profile}" does not exist', box=True)
        self._home = home
        self._profile = profile
        self._runtime = config["KubernetesConfig"]["ContainerRuntime"]
        self._out = out
        self._is_running = host_state(home, profile) == "Running"

    @property
    def _store(self) -> Store:
        return self._home.machines.images(self._home, self._profile)

    # -- ls -----------------------------------------------------------------------------------------------------------

    def ls(self, flags: Parsed) -> int:
        """Nothing, and exit 0, when nothing runs (minikube.md)."""
        rows = self._rows() if self._is_running else []
        if flags.get("format", "short") == "json":
            sys.stdout.write(go_json(rows) + "\n")
        elif flags.get("format", "short") == "short":
            tags = sorted((tag for row in rows for tag in row["repoTags"]), reverse=True)
            sys.stdout.write("".join(f"{tag}\n" for tag in tags))
        else:
            raise StandinError(f"image ls --format {flags.get('format')}: not stood in for")
        return 0

    def _rows(self) -> list[dict[str, Any]]:
        """One an image, by the digest of its configuration as the CRI names it."""
        store = self._store
        found: dict[str, dict[str, Any]] = {}
        for name, digest in store.names():
            with _readable():
                manifest = _manifest(store, digest)
                identity = manifest["config"]["digest"]
                size = manifest["config"]["size"] + sum(layer["size"] for layer in manifest["layers"])
                row = found.setdefault(identity, {"id": identity, "repoDigests": [], "repoTags": [], "size": str(size)})
                row["repoTags"].append(name)
        return list(found.values())

    def _has(self, name: str) -> bool:
        return any(known == name for known, _ in self._store.names())

    # -- build --------------------------------------------------------------------------------------------------------

    def build(self, flags: Parsed) -> int:
        """As buildctl builds (containerd), or `docker build`; exit 0 whatever becomes of it."""
        if not flags.words:
            self._out.exit(reasons.USAGE, "Please provide a path or url to build")
        context = Path(flags.words[0])
        tag = normalized(flags.get("tag"))
        if not tag:
            raise StandinError("image build without -t: an image without a name isn't stood in for")
        if not self._is_running or not context.is_dir():
            return 0  # only in minikube's log (mk#12556)
        try:
            arguments = self._build_arguments(flags.lists.get("build-opt", []))
        except _UnknownOption as error:
            sys.stderr.write(f"{error}\n")
            return 0
        if faults.on("image-build-fails"):
            sys.stderr.write("error: failed to solve: process did not complete successfully: exit code: 1\n")
            return 0
        if faults.on("image-build-keeps-old") and self._has(tag):
            return 0
        self._build(context, flags.get("file", "Dockerfile"), tag, arguments)
        return 0

    def _build_arguments(self, options: Sequence[str]) -> dict[str, str]:
        """--build-opt NAME becomes `--NAME` of the runtime's own builder, which has its own way to say it (mk#12384).

        containerd: `opt=build-arg:K=V`, for `buildctl build --opt build-arg:K=V`. docker: `build-arg=K=V`.
        --build-env sets variables of the builder, not build arguments.
        """
        prefix = "build-arg=" if self._runtime == "docker" else "opt=build-arg:"
        arguments = {}
        for option in options:
            if not option.startswith(prefix):
                name = option.partition("=")[0]
                if self._runtime == "docker":
                    raise _UnknownOption(f"unknown flag: --{name}\nSee 'docker build --help'.")
                raise _UnknownOption(f"Incorrect Usage: flag provided but not defined: -{name}")
            key, _, value = option.removeprefix(prefix).partition("=")
            arguments[key] = value
        return arguments

    def _build(self, context: Path, file: str, tag: str, arguments: dict[str, str]) -> None:
        if not (context / file).exists():
            sys.stderr.write(
                "error: failed to solve: failed to read dockerfile: "
                f"open {Path(file).name}: no such file or directory\n"
            )
            return
        target = architecture()
        if faults.on("image-build-wrong-architecture"):
            target = _OTHER[target]
        with tempfile.TemporaryDirectory(prefix="standin-build-") as scratch:
            # What minikube sends into the machine is a copy.
            copied = Path(scratch) / "context"
            shutil.copytree(context, copied)
            if faults.on("image-build-wrong-architecture"):
                _disguise(copied, architecture(), target)
            try:
                self._store.build(
                    copied / file, copied, tag, scratch=Path(scratch), architecture=target, arguments=arguments
                )
            except BuildError as error:
                sys.stderr.write(f"error: failed to solve: {error}\n")
                return
        sys.stderr.write(f"#1 naming to {tag} done\n")

    # -- load, save, rm -----------------------------------------------------------------------------------------------

    def load(self, flags: Parsed) -> int:
        """A file, or a name that would be looked up in a docker daemon or a registry."""
        if not flags.words:
            self._out.exit(
                reasons.USAGE,
                "Please provide an image in your local daemon to load into minikube via "
                "<minikube image load IMAGE_NAME>",
            )
        for word in flags.words:
            is_path = word.startswith(("/", ".")) or Path(word).exists()
            if not is_path:
                message = f"Failed to load image: save to dir: caching images: caching image {word}: unable to find it"
                self._out.exit(reasons.GUEST_IMAGE_LOAD, message, box=True)
            if Path(word).is_file() and self._is_running and not faults.on("image-load-keeps-old"):
                with _quiet():
                    self._store.add(Path(word))
        return 0

    def save(self, flags: Parsed) -> int:
        """`image save IMAGE ARCHIVE`."""
        if len(flags.words) != 2:
            raise StandinError("image save: only IMAGE ARCHIVE is stood in for")
        name, archive = normalized(flags.words[0]), Path(flags.words[1])
        if not self._is_running or faults.on("image-save-fails") or not self._has(name):
            return 0
        store = self._store
        digest = next(digest for known, digest in store.names() if known == name)
        config = store.blob(_manifest(store, digest)["config"]["digest"])
        store.save(name, archive, f"{config['os']}/{config['architecture']}")
        return 0

    def rm(self, flags: Parsed) -> int:
        """Exit 0 also for what isn't there, with the text of the CRI's own client (recorded)."""
        for word in flags.words:
            name = normalized(word)
            if not self._is_running:
                continue
            if self._has(name):
                self._store.remove(name)
                continue
            sys.stderr.write(
                f"! Failed to remove images for profile {self._profile} error removing images: crictl: "
                f"sudo /usr/local/bin/crictl rmi {word}: exit status 1\nstdout:\n\nstderr:\n"
                f'time="2026-11-23T06:43:03Z" level=fatal msg="no such image {word}"\n\n'
            )
        return 0


class _UnknownOption(Exception):  # noqa: N818 - what the builder says
    """The runtime's builder refuses an option."""


def normalized(name: str) -> str:
    """A reference with registry and tag: `x` is docker.io/library/x:latest, localhost/x:y stays (build_images.go)."""
    if not name:
        return ""
    first = name.split("/", 1)[0]
    has_registry = "/" in name and ("." in first or ":" in first or first == "localhost")
    full = name if has_registry else f"docker.io/{name if '/' in name else f'library/{name}'}"
    return full if ":" in full.rsplit("/", 1)[-1] else f"{full}:latest"


def _disguise(context: Path, wanted: str, built: str) -> None:
    """Make what was compiled for one architecture a program of the other: its ELF header says so, that is enough."""
    for path in context.glob(f"*-{wanted}"):
        other = path.with_name(path.name.removesuffix(wanted) + built)
        other.write_bytes(path.read_bytes())
        with other.open("r+b") as file:
            file.seek(_ELF_MACHINE_AT)
            file.write(struct.pack("<H", _ELF_MACHINES[built]))


def _manifest(store: Store, digest: str) -> dict[str, Any]:
    manifest = store.blob(digest)
    while manifest.get("mediaType") in _INDEX or "manifests" in manifest:
        manifest = store.blob(manifest["manifests"][0]["digest"])
    return manifest


@contextmanager
def _readable() -> Iterator[None]:
    """An image that is removed meanwhile is left out."""
    try:
        yield
    except FileNotFoundError:
        return


@contextmanager
def _quiet() -> Iterator[None]:
    """What minikube only writes into its log."""
    try:
        yield
    except CanarylabError:
        return
