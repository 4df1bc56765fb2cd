"""The machine: namespaces, a root of its own, and a supervisor in it that keeps containerd and the kubelet running.

Its files are in the profile's folder, so it can be stopped, lost to a reboot of the host, and started again.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from canarylab.cancel import wait_until
from canarylab.errors import CommandError, StageError
from canarylab.files import delete, link_tree, write_private
from canarylab.pins import NODE
from canarylab.providers.embedded import ceiling
from canarylab.providers.embedded.ceiling import Ceiling
from canarylab.providers.embedded.cgroups import ControlGroups
from canarylab.providers.embedded.network import NAME_PREFIX, Network
from canarylab.providers.embedded.programs.built import Built
from canarylab.removal import Removal
from canarylab.tools.runner import Result
from canarylab.tools.supervisord import Program, Supervisor

if TYPE_CHECKING:
    from canarylab.contract.context import Context

PROGRAM = "machine"
STAMP = "built-from"
"""The file in a profile's folder that names the build its disk was made of."""
_ENVIRONMENT = ("env", "-i", "PATH=/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin", "HOME=/root")
"""Nothing of the host's: kubeadm would write its proxy variables into the control plane's manifests."""
_ENTER = 'while [ "$1" != -- ]; do echo $$ > "$1" || exit 1; shift; done; shift; exec "$@"'
"""Into the control groups, by way of the files named before `--`; then the program after it."""
_KUBELET_DROP_IN = "etc/kubelet.conf.d/10-ceiling.conf"
_START_SECONDS = 20.0
_STOP_SECONDS = 20.0


class Machine:
    """The machine of one profile, on disk and running."""

    def __init__(self, ctx: Context, built: Built, network: Network, supervisor: Supervisor, wanted: Ceiling) -> None:
        self.folder = ctx.paths.root
        self.wanted = wanted
        self.groups = ControlGroups(network.name)
        self._built = built
        self._network = network
        self._supervisor = supervisor
        self._runner = ctx.runner
        self._cancel = ctx.cancel
        self.command = ctx.command

    # -- disk ---------------------------------------------------------------------------------------------------------

    @property
    def has_disk(self) -> bool:
        """The stamp is written last: a folder without it was left half done.

        Raises where the disk was made of other programs: it holds the user's objects, so only the user replaces it.
        """
        made_of = self._stamp.read_text() if self._stamp.exists() else None
        if made_of not in (None, self._built.folder.name):
            teardown, up = self.command("teardown"), self.command("up")
            raise StageError(
                f"this profile was made of other programs ({made_of}) than this version's ({self._built.folder.name})",
                where=str(self._stamp),
                remedy=f"`{teardown}`, then `{up}` creates it again, without the objects in it",
            )
        return made_of is not None

    @property
    def _stamp(self) -> Path:
        return self.folder / STAMP

    def path(self, inside: str) -> Path:
        """A file of the machine as the host sees it: `etc/...` or `var/...`."""
        return self.folder / inside

    def create_disk(self) -> None:
        """Lay out etc and var, with all images in containerd's store from the beginning."""
        self.stop()
        self._stamp.unlink(missing_ok=True)
        for name in ("etc", "var", "root"):
            delete(self.folder / name)
        (self.folder / "root").mkdir()
        link_tree(self._built.root / "var", self.folder / "var")
        # /etc is written to in place, so it is copied: a hard link would change the shared root.
        self._runner.run(["cp", "--archive", self._built.root / "etc", self.folder / "etc"], timeout=60)
        for name in ("var/lib/kubelet", "var/lib/etcd", "var/log/pods", "var/log/containers", "etc/cni/net.d"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        store = self.folder / "var/lib/containerd"
        delete(store)
        # containerd writes into its databases, and locks them: shared, a second profile would wait for the first.
        link_tree(self._built.store, store, copied=(".db",))

    def write(self, inside: str, content: str, mode: int = 0o644) -> None:
        """Replace a file of the machine, folders included; `inside` as for `path`."""
        path = self.path(inside)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.touch(mode=mode)
        path.write_text(content)

    def finish_disk(self) -> None:
        """Write the stamp: from now on `has_disk` is true."""
        write_private(self._stamp, self._built.folder.name)

    # -- running ------------------------------------------------------------------------------------------------------

    @property
    def ceilings(self) -> ceiling.AskedAndTaken | None:
        """What it was started with the last time; None where that was without a ceiling."""
        return ceiling.AskedAndTaken.load(self.folder)

    def start(self) -> None:
        """Bring it up below its ceiling; returns once containerd answers."""
        self._limit()
        self._supervisor.start(self._program(), self._cancel)
        if not wait_until(self.is_up, deadline=self._cancel.now() + _START_SECONDS, cancel=self._cancel, interval=0.02):
            raise self._not_up()
        try:
            self.run(["cri-wait"], timeout=_START_SECONDS + 10)
        except CommandError as error:
            raise self._not_up() from error

    def _limit(self) -> None:
        """Limit what it may take, by what this host has now; a machine that runs keeps what it has."""
        if self.init() is not None:
            return
        host = ceiling.Host.read()
        promised = self.groups.promised(NAME_PREFIX)
        taken = ceiling.taken(self.wanted, host, promised, self.groups.most_memory())
        ceiling.require_enough(self.wanted, taken, host)
        self.groups.create(taken)
        self.write(_KUBELET_DROP_IN, ceiling.kubelet(taken, host, quotas=self.groups.nests_quotas))
        ceiling.AskedAndTaken(self.wanted, taken).save(self.folder)

    def _not_up(self) -> StageError:
        return StageError(
            "containerd doesn't answer in the machine",
            where=str(self.path("var/log/containerd/current")),
            remedy=f"look there and at {self._supervisor.log(PROGRAM)}, then `{self.command('up')}` again",
        )

    def _program(self) -> Program:
        environment = {
            "ROOT": str(self._built.root),
            "STATE": str(self.folder),
            "NAME": self._network.profile,
            "SERVICES": str(NODE / "machine" / "services"),
        }
        argv = [
            *("sh", "-c", _ENTER, "sh", *map(str, self.groups.entrances), "--"),
            # Should the supervisor die, so does the machine: nothing runs that nobody watches.
            *("setpriv", "--pdeathsig", "KILL"),
            *("nsenter", f"--net={self._network.path}"),
            *("unshare", "--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child"),
            # Not in supervisord's own way, which knows no quotation marks in a folder's name.
            *("env", *(f"{name}={value}" for name, value in environment.items())),
            str(NODE / "machine" / "init.sh"),
        ]
        return Program(PROGRAM, argv, stop_signal="KILL")

    def init(self) -> int | None:
        """The process id, on the host, of the machine's first process; None while it isn't running."""
        parent = self._supervisor.process(PROGRAM)
        if parent is None:
            return None
        with suppress(OSError, IndexError):
            pid = int(Path(f"/proc/{parent}/task/{parent}/children").read_text().split()[0])
            # Until it has a root of its own, it sees the host's, with the host's own containerd in it.
            if not os.path.samestat(Path(f"/proc/{pid}/root").stat(), Path("/").stat()):
                return pid
        return None

    def is_up(self) -> bool:
        """Whether containerd's socket is there: /run is new at every start, so an old one can't be mistaken for it."""
        init = self.init()
        return init is not None and Path(f"/proc/{init}/root/run/containerd/containerd.sock").is_socket()

    def run(self, argv: Sequence[str], *, timeout: float, ok: Sequence[int] = (0,)) -> Result:
        """Run a program inside."""
        init = self.init()
        if init is None:
            raise StageError("the machine isn't running", remedy=self.command("up"))
        enter = ["nsenter", f"--target={init}", "--mount", "--uts", "--ipc", "--net", "--pid", *_ENVIRONMENT]
        return self._runner.run([*enter, *argv], timeout=timeout, ok=ok)

    def stop(self) -> bool:
        """End every process of the machine; False where there was none."""
        was_running = self.init() is not None
        self._supervisor.stop(PROGRAM)
        found = self._strays()
        for pid in found:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if not wait_until(lambda: not self._strays(), deadline=self._cancel.now() + _STOP_SECONDS, cancel=self._cancel):
            strays = sorted(self._strays())
            raise StageError(
                f"processes of the machine don't stop: {strays}",
                why="they were killed, so they wait in the kernel, for a disk or a network file system as a rule",
                remedy=f"`ps -o pid,stat,wchan,args -p {','.join(map(str, strays))}` shows for what (stat D); then run "
                "this again. Only a restart of this machine ends those that stay",
            )
        return was_running or bool(found)

    def _strays(self) -> set[int]:
        """Processes in the profile's network namespace or control groups: no other process can be in either."""
        found = self.groups.processes()
        if self._network.path.exists():
            listed = self._runner.run(["ip", "netns", "pids", self._network.name], timeout=10)
            found.update(map(int, listed.stdout.split()))
        return found

    def delete(self) -> list[Removal]:
        """Stop the machine and delete its control groups. Its disk is deleted with the profile's folder."""
        removals = [Removal("machine with all its processes", "removed")] if self.stop() else []
        return removals + self.groups.delete(self._cancel)
