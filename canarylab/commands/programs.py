"""`invoke programs`: what is built of the programs that clusters run on, and carrying it to other machines."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from canarylab.commands.run import Options, run
from canarylab.contract.context import Context
from canarylab.contract.provider import BuiltPrograms, PackFile, Packs
from canarylab.errors import EXIT_DONE, UsageError

_GIB, _MIB = 1 << 30, 1 << 20
_ACTIONS = ("pack", "unpack")


def programs(options: Options, action: str | None, file: str | None, platform: str | None) -> int:
    """Show, or pack or unpack `file`; the exit code. Without a playbook, with the images of all demonstrations."""

    def work(ctx: Context) -> int:
        packs = _packs(ctx)
        ctx = dataclasses.replace(ctx, stage="programs", flags=flags)
        if action is None:
            _show(packs.built(ctx), ctx, options.output)
            return EXIT_DONE
        if action not in _ACTIONS or not file:
            what = f"programs can't {action}" if action not in _ACTIONS else f"programs {action} needs a file"
            raise UsageError(what, remedy=f"`{ctx.command('programs pack FILE')}`, or unpack")
        if platform and action != "pack":
            raise UsageError("--platform is for `programs pack`", remedy="leave it out: a file says what it is for")
        path = Path(file).expanduser().absolute()
        done = packs.pack(ctx, path, platform) if action == "pack" else packs.unpack(ctx, path)
        _tell(action, done, ctx, options.output)
        return EXIT_DONE

    flags = options.flags
    if options.playbook is None:
        options = dataclasses.replace(options, everything=True)
    return run(options, work)


def _packs(ctx: Context) -> Packs:
    if ctx.provider.packs is None:
        raise UsageError(
            f"provider {ctx.provider.name} builds no programs: it takes them from elsewhere",
            remedy="docs/closed-networks.md says how it gets them without the internet; or use --provider embedded",
        )
    return ctx.provider.packs


def _show(found: BuiltPrograms, ctx: Context, output: str) -> None:
    if output == "json":
        print(json.dumps(dataclasses.asdict(found), default=str))
        return
    state = f"built, {found.size / _GIB:.1f} GiB in {found.folder}" if found.complete else "not built"
    print(f"programs for {found.platform}: {state}")
    print(f"  {', '.join(f'{name} {version}' for name, version in found.versions.items())}")
    for image, there in found.images.items():
        print(f"  {image}: {'built' if there else 'not built'}")
    pack, unpack = ctx.command("programs pack FILE"), ctx.command("programs unpack FILE")
    if found.complete:
        print(f"carry them to another machine: {pack}; and there: {unpack}")
    else:
        print(f"build them: {ctx.command('up --only programs')}; or take those of another machine: {unpack}")


def _next(ctx: Context) -> str:
    there = _packs(ctx).built(ctx).images
    if missing := [image for image, is_there in there.items() if not is_there]:
        return f"the file has no image {', '.join(missing)}: `up` builds what a demonstration needs of them"
    return f"`{ctx.command('up demo')}` needs no network now"


def _tell(action: str, done: PackFile, ctx: Context, output: str) -> None:
    if output == "json":
        print(json.dumps(dataclasses.asdict(done), default=str))
        return
    size = f"{done.size / _MIB:.0f} MiB, {done.unpacked / _GIB:.1f} GiB unpacked"
    if action == "pack":
        print(f"{done.file}: programs for {done.platform}, {size}")
    elif done.changed:
        print(f"programs for {done.platform} are in place, {size}; {_next(ctx)}")
    else:
        print(f"programs for {done.platform} are here already: nothing was changed")
    print(f"SHA-256 of the file: {done.sha256}")
