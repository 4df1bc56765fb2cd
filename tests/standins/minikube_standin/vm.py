"""The process that stands for the virtual machine: asleep, under qemu's name, with the machine's folder in its words.

What looks for a qemu (an orphan after a delete, for instance) finds this one; killed, the machine is gone.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from .home import Home, System

_END_SECONDS = 5.0
_SLEEP = 'exec 3<>"$0/monitor"; read x <&3'
"""Wait for ever without a process of one's own: nobody writes into the pipe."""


class Vm:
    """The process of one profile's machine."""

    def __init__(self, home: Home, profile: str) -> None:
        self.folder = home.machine(profile)
        self._profile = profile

    @property
    def exists(self) -> bool:
        """Whether minikube knows a machine: its folder has a configuration."""
        return (self.folder / "config.json").exists()

    def create(self, config: dict[str, Any]) -> None:
        """The files that a driver makes before it starts the machine."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "config.json").write_text(f'{{"DriverName": "{config["Driver"]}", "Name": "{self._profile}"}}')
        (self.folder / "id_rsa").write_text("not a key: `minikube ssh` of the stand-in needs none\n")
        (self.folder / "disk.qcow2").write_text("")

    def pid(self) -> int | None:
        """The process, if it is there and is ours."""
        with suppress(OSError, ValueError):
            pid = int((self.folder / "qemu.pid").read_text())
            if str(self.folder).encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
                return pid
        return None

    def start(self, config: dict[str, Any]) -> None:
        if self.pid() is not None:
            return
        monitor = self.folder / "monitor"
        monitor.unlink(missing_ok=True)
        os.mkfifo(monitor)
        name = "qemu-system-aarch64" if System.here().architecture == "arm64" else "qemu-system-x86_64"
        program = self.folder / name
        program.unlink(missing_ok=True)
        program.symlink_to(Path(shutil.which("sh") or "/bin/sh").resolve())
        words = ["-m", str(config["Memory"]), "-smp", str(config["CPUs"]), "-cdrom", f"{self.folder}/boot2docker.iso"]
        words += ["-pidfile", f"{self.folder}/qemu.pid", "-daemonize", f"{self.folder}/disk.qcow2"]
        process = subprocess.Popen(
            [name, "-c", _SLEEP, str(self.folder), *words],
            executable=program,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            cwd="/",
        )
        (self.folder / "qemu.pid").write_text(str(process.pid))

    def stop(self) -> None:
        pid = self.pid()
        if pid is None:
            return
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + _END_SECONDS
        while self.pid() is not None and time.monotonic() < deadline:
            time.sleep(0.01)
        (self.folder / "qemu.pid").unlink(missing_ok=True)
