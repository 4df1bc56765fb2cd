"""The embedded provider's packs: the build in the cache and the images of the demonstrations, as one file."""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from canarylab import pins
from canarylab.contract.provider import BuiltPrograms, PackFile, Packs
from canarylab.errors import MachineError, StageError, UsageError
from canarylab.files import delete, existing_parent
from canarylab.images.build import archive_of, build
from canarylab.lock import queued
from canarylab.paths import cache_home
from canarylab.providers.embedded.programs.built import Built, built, digest
from canarylab.stages.kinds.image import ImageStage

if TYPE_CHECKING:
    from canarylab.contract.context import Context
    from canarylab.images.image import Wanted as WantedImage
    from canarylab.providers.embedded.packs.writing import Found


class ProgramPacks(Packs):
    """The modules that read and write packs are imported when they are needed."""

    def built(self, ctx: Context) -> BuiltPrograms:
        here, versions = built(), pins.pins()
        images = {wanted.image: archive.exists() for archive, wanted in _images(ctx).items()}
        size = _size(here.folder) if here.is_complete else 0
        names = {
            "Kubernetes": versions.kubernetes,
            "etcd": versions.etcd,
            "CoreDNS": versions.coredns,
            "Istio": versions.istio,
            "Argo Rollouts": versions.rollouts,
            "Helm": versions.helm,
            "Gateway API": versions.gateway_api,
        }
        return BuiltPrograms(_platform(), here.folder, here.is_complete, size, names, images)

    def pack(self, ctx: Context, file: Path, platform: str | None) -> PackFile:
        from canarylab.providers.embedded.packs import checks, licences, writing
        from canarylab.providers.embedded.packs.index import FORMAT, Index

        _require_root(ctx, "pack", file)
        _require_platform(ctx, platform)
        if file.exists():
            raise UsageError("there is such a file already", where=str(file), remedy="delete it, or name another")
        if not file.parent.is_dir():
            raise UsageError("there is no such folder", where=str(file.parent), remedy="make it, or name another")
        with _held(ctx, built()):
            if not built().is_complete:
                raise UsageError("the programs aren't built here", remedy=ctx.command("up --only programs"))
            images = _images(ctx)
            for wanted in images.values():
                build(ctx, wanted, pins.architecture())
            components = licences.components(ctx, built(), sorted({wanted.folder for wanted in images.values()}))
            ctx.progress("reading what is built")
            found = list(_found(ctx, list(images)))
            entries = tuple(one.entry for one in found)
            try:
                checks.require_sound(entries)
            except checks.PackError as error:  # the rules are for files of others: its next step would be, too
                remedy = writing.NOT_OF_A_BUILD
                where = str(built().folder)
                raise StageError("this can't be packed", where=where, why=error.what, remedy=remedy) from error
            versions = self.built(ctx).versions
            index = Index(
                format=FORMAT,
                digest=digest(),
                platform=_platform(),
                versions=versions,
                components=components,
                entries=entries,
            )
            sources = {one.entry.sha256: one.source for one in found}
            partial = file.with_name(f".{file.name}.{os.getpid()}.partial")
            try:
                with partial.open("xb") as raw:
                    writing.write(raw, index, sources, ctx.cancel, _progress(ctx, "packing"))
                partial.rename(file)
            except OSError as error:
                if error.filename is not None:  # one that is read
                    raise
                what, remedy = (
                    f"it can't be written: {error.strerror or error}",
                    "free some room there (500 MB), or name another",
                )
                raise MachineError(what, where=str(file), remedy=remedy) from error
            finally:
                delete(partial)
        return _described(file, index.size, changed=True)

    def unpack(self, ctx: Context, file: Path) -> PackFile:
        from canarylab.providers.embedded.packs import checks
        from canarylab.providers.embedded.packs.index import Wanted
        from canarylab.providers.embedded.packs.reading import opened

        _require_root(ctx, "unpack", file)
        here, known = built(), {_named(image): image for image in _images(ctx)}
        wanted = Wanted(digest(), _platform(), frozenset(known))
        with opened(file, wanted) as reader, _held(ctx, here):
            size, images = reader.index.size, [known[path] for path in reader.index.images()]
            if here.is_complete and all(image.exists() for image in images):
                return _described(file, size, changed=False)
            checks.require_room(here.folder.parent, size, shutil.disk_usage(existing_parent(here.folder.parent)).free)
            unpacked = here.folder.with_name(f"{here.folder.name}.unpacking")
            delete(unpacked)  # of one that was killed
            try:
                unpacked.mkdir(mode=0o700)
                reader.extract(unpacked, ctx.cancel, _progress(ctx, "checking and unpacking"))
                _install(unpacked, here, images)
            finally:
                delete(unpacked)
        return _described(file, size, changed=True)


def _require_root(ctx: Context, action: str, file: Path) -> None:
    if os.geteuid() != 0:
        remedy = f'sudo -E env "PATH=$PATH" {ctx.command(f"programs {action} {shlex.quote(str(file))}")}'
        raise MachineError(f"only root can {action} programs: they belong to root", remedy=remedy)


def _install(unpacked: Path, here: Built, images: list[Path]) -> None:
    """Put into place what is missing there. The build comes last: its folder says that all is there."""
    from canarylab.providers.embedded.packs.index import BUILD

    for image in images:
        if not image.exists():
            image.parent.mkdir(parents=True, exist_ok=True)
            (unpacked / _named(image)).rename(image)
    if not here.is_complete:
        (unpacked / BUILD).rename(here.folder)


def _platform() -> str:
    return f"linux/{pins.architecture()}"


def _require_platform(ctx: Context, platform: str | None) -> None:
    if platform not in (None, _platform(), pins.architecture()):
        raise UsageError(
            f"programs for {platform} can't be packed here: this machine builds those for {_platform()} only",
            remedy=f"on a machine that is {platform}: `{ctx.command('up --only programs')}`, then "
            f"`{ctx.command('programs pack FILE')}`",
        )


def _images(ctx: Context) -> dict[Path, WantedImage]:
    """The images of the playbooks, by the archives that they are kept in."""
    stages = (stage for stage in ctx.playbook.stages if isinstance(stage, ImageStage))
    return {archive_of(wanted, pins.architecture()): wanted for wanted in (stage.wanted(ctx) for stage in stages)}


def _named(image: Path) -> str:
    """An image's archive as a pack names it."""
    return image.relative_to(cache_home()).as_posix()


def _found(ctx: Context, images: list[Path]) -> Iterator[Found]:
    """All that goes into a pack, in an index's order."""
    from canarylab.providers.embedded.packs.index import BUILD, IMAGES, Entry
    from canarylab.providers.embedded.packs.writing import Found, inventory

    yield from inventory(built().folder, BUILD, ctx.cancel)
    yield Found(Entry(path=IMAGES, kind="folder", mode=0o755), cache_home() / IMAGES)
    for folder in sorted({image.parent for image in images}):
        yield Found(Entry(path=_named(folder), kind="folder", mode=0o755), folder)
        for image in sorted(image for image in images if image.parent == folder):
            yield from inventory(image, _named(image), ctx.cancel)


@contextmanager
def _held(ctx: Context, here: Built) -> Iterator[None]:
    """As a build does: nobody builds, unpacks or purges at the same time."""

    def waiting() -> None:
        ctx.progress("waiting for another run that builds, packs or unpacks the same programs")

    with queued(here.folder.with_name("lock"), ctx.cancel, waiting):
        yield


def _progress(ctx: Context, message: str) -> Callable[[int, int], None]:
    """In MiB, and only when there is another one."""
    told = -1

    def progress(done: int, total: int) -> None:
        nonlocal told
        if done >> 20 != told:
            told = done >> 20
            ctx.progress(f"{message} (MiB)", told, total >> 20)

    return progress


def _size(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def _described(file: Path, unpacked: int, *, changed: bool) -> PackFile:
    with file.open("rb") as packed:
        sha256 = hashlib.file_digest(packed, "sha256").hexdigest()
    return PackFile(file, sha256, file.stat().st_size, unpacked, _platform(), changed)
