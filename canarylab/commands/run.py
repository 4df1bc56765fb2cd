"""What all commands have in common: the playbook, the provider, the reader of events, Ctrl-C and errors."""

from __future__ import annotations

import os
import platform
import shlex
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from canarylab import applied
from canarylab.cancel import Cancel
from canarylab.contract.context import Consent, Context
from canarylab.contract.playbook import ClusterSpec, Playbook
from canarylab.contract.provider import Provider
from canarylab.disks import temporary
from canarylab.engine.outcome import exit_code, translated
from canarylab.errors import EXIT_BUG, EXIT_DONE, EXIT_INTERRUPTED, CanarylabError, UsageError
from canarylab.events import Bus, Failure
from canarylab.paths import make_home, state_home
from canarylab.playbook.extensions import Extensions
from canarylab.playbook.infrastructure import with_infrastructure
from canarylab.playbook.loader import PLAYBOOKS, find_playbook, load
from canarylab.playbook.union import load_all, union
from canarylab.report import choose

_SBIN = "/usr/local/sbin:/usr/sbin:/sbin"
"""Where nft and others lie; a Debian user's PATH doesn't have it, and sudo may keep that PATH."""


DEFAULT_PLAYBOOK = "istio-canary"


@dataclass(frozen=True)
class Options:
    """The flags that every command takes; with `everything`, all playbooks that share the default one's cluster."""

    playbook: str | None = None
    profile: str | None = None
    provider: str | None = None
    context: str | None = None
    output: str = "text"
    consent: Consent = field(default_factory=Consent)
    everything: bool = False

    @property
    def cluster(self) -> dict[str, str | None]:
        """Those that replace what a playbook says of its cluster."""
        return {"profile": self.profile, "provider": self.provider, "context": self.context}

    @property
    def flags(self) -> str:
        """Those that say which playbook and cluster, where they aren't the default."""
        playbook = self.playbook if self.playbook != DEFAULT_PLAYBOOK else None
        given = {"playbook": playbook, **self.cluster}
        words = (f" --{name} {shlex.quote(value)}" for name, value in given.items() if value is not None)
        return (" --all" if self.everything else "") + "".join(words)

    def alone(self, playbook: Playbook) -> Options:
        """Those for one of the playbooks."""
        return replace(self, playbook=playbook.path.stem, everything=False)


def run(options: Options, work: Callable[[Context], int]) -> int:
    """Do `work` in the context that the options describe; report what goes wrong, and return the exit code."""
    os.environ["PATH"] = f"{os.environ.get('PATH', os.defpath)}:{_SBIN}"
    try:
        reader = choose(options.output, sys.stdout)
    except UsageError as error:
        print(error.report, file=sys.stderr)
        return error.exit_code
    with reader:
        bus = Bus([reader])
        cancel = Cancel()
        try:
            with _interrupts(cancel):
                return work(_context(options, bus, cancel))
        except KeyboardInterrupt:
            bus(Failure("interrupted a second time: ended at once", EXIT_INTERRUPTED))
            return EXIT_INTERRUPTED
        except Exception as error:
            ended = translated(error)
            said = ended.report if isinstance(ended, CanarylabError) else keep_traceback(ended)
            bus(Failure(said, exit_code(ended)))
            return exit_code(ended)


def _context(options: Options, bus: Bus, cancel: Cancel) -> Context:
    extensions = Extensions.discovered()
    playbooks = _playbooks(options, extensions)
    provider = _provider(playbooks[0].cluster, extensions.providers)
    if options.context and not provider.ownership.takes_context:
        raise UsageError(
            f"provider {provider.name} takes no --context {options.context}: it makes a cluster of its own",
            remedy="add --provider existing to work on that cluster, or leave --context out",
        )
    complete = [with_infrastructure(playbook, provider) for playbook in playbooks]
    playbook = union(complete) if options.everything else complete[0]
    return Context(playbook, provider, bus, cancel, consent=options.consent, flags=options.flags)


def _playbooks(options: Options, extensions: Extensions) -> list[Playbook]:
    """The one that is named, or all that go together."""
    if not options.everything:
        file = find_playbook(DEFAULT_PLAYBOOK if options.playbook is None else options.playbook)
        return [load(file, extensions=extensions, **options.cluster)]
    if options.playbook is not None:
        raise UsageError(
            f"--all and --playbook {options.playbook} can't be used together",
            remedy="leave one of them out: --all means every playbook that has a demonstration and the default "
            "one's cluster",
        )
    return load_all(DEFAULT_PLAYBOOK, PLAYBOOKS, extensions=extensions, **options.cluster)


def _provider(spec: ClusterSpec, known: Mapping[str, type[Provider]]) -> Provider:
    """The provider that the playbook or a flag names, else the one that fits this system."""
    system = platform.system()
    if spec.provider:
        return known[spec.provider](spec)
    for cls in known.values():
        if cls.fits(system):
            return cls(spec)
    raise UsageError(f"no provider fits {system}", remedy=f"choose one: --provider {'|'.join(sorted(known))}")


@contextmanager
def _interrupts(cancel: Cancel) -> Iterator[None]:
    """The first Ctrl-C (or SIGTERM) cancels, and everything ends in order; the second ends it at once."""

    def interrupt(number: int, _: object) -> None:
        signal.signal(number, signal.default_int_handler)
        cancel.set_from_signal()

    former = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def _writable() -> Path:
    """The folder of all profiles, or the system's for temporary files where it can't be written to."""
    with suppress(OSError):
        make_home(state_home())
    return state_home() if os.access(state_home(), os.W_OK) else temporary()


def report_bugs(ctx: Context, errors: Iterable[BaseException | None]) -> None:
    """Keep the traceback of each that is a bug, and report where it is."""
    for error in errors:
        if error is not None and not isinstance(error, CanarylabError):
            ctx.emit(Failure(keep_traceback(error), EXIT_BUG))


def save_applied(ctx: Context, playbooks: Sequence[Playbook], what_is_up: str) -> int:
    """Write down in the cluster that these were applied. Where that fails, it is reported, and its code returned."""
    try:
        applied.write(ctx, playbooks)
    except CanarylabError as error:
        what = f"{what_is_up}, but what was applied couldn't be recorded"
        ctx.emit(Failure(f"{what}: {error}", error.exit_code))
        return error.exit_code
    return EXIT_DONE


def keep_traceback(error: BaseException) -> str:
    """Write the traceback of a bug to a file of its own, away from the screen; what to say of it, with the path."""
    prefix, text = f"bug-{time.strftime('%Y%m%d-%H%M%S')}-", "".join(traceback.format_exception(error))
    what = f"this is a bug: {type(error).__name__}: {error}"
    try:
        descriptor, path = tempfile.mkstemp(".txt", prefix, _writable())  # two stages may come upon bugs in one second
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
    except OSError as no_room:
        return f"{what}\nwhere: {text}\nnext: please report it with these lines; no file could be made: {no_room}"
    report = "please report it with that file; the same command may still work if it is run again"
    return f"{what}\nwhere: {path}\nnext: {report}"
