"""Can this host do it? Each finding says what was seen and what to do; nothing is changed by looking."""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from canarylab import disks, pins
from canarylab.contract.provider import Finding
from canarylab.disks import machine_trouble
from canarylab.files import existing_parent
from canarylab.images.build import archive_of
from canarylab.paths import cache_home, state_home
from canarylab.providers.embedded import ceiling
from canarylab.providers.embedded.ceiling import Ceiling
from canarylab.providers.embedded.cgroups import ROOT as CGROUPS
from canarylab.providers.embedded.cgroups import ControlGroups
from canarylab.providers.embedded.network import NAME_PREFIX, name_of
from canarylab.providers.embedded.programs.built import Built
from canarylab.stages.kinds.image import ImageStage
from canarylab.tools.runner import Result
from canarylab.tools.supervisord import unfit

if TYPE_CHECKING:
    from canarylab.contract.context import Context
    from canarylab.contract.playbook import ClusterSpec

_GIB = 1 << 30
_BUILD_BYTES = 12 * _GIB
_RUN_BYTES = 3 * _GIB
_MEMORY_BYTES = 3 * _GIB
_CAPABILITIES = {21: "CAP_SYS_ADMIN", 12: "CAP_NET_ADMIN", 27: "CAP_MKNOD"}
"""Bits of the mask, and their names (linux/capability.h)."""
_BUILDERS = ("buildah", "mmdebstrap")
"""Host programs that only building takes: where all is built, or was unpacked, they needn't be there."""
_CONTROLLERS = ("cpu", "cpuset", "memory", "pids")

_INOTIFY = Path("/proc/sys/fs/inotify/max_user_instances")
_INOTIFY_WANTED = 512
_INOTIFY_OF_SIDECAR = 3
"""Two of pilot-agent and one of Envoy, as counted in /proc."""


def findings(ctx: Context, built: Built, spec: ClusterSpec) -> list[Finding]:
    """Everything that `up` needs, cheapest first; with `internet`, what letting the machine out takes."""
    found = [_system(), _architecture(), _root(ctx.command("up")), *_capabilities(), *_programs(builds(ctx, built))]
    found += [*_size(ctx, spec), *_disks(built), *_state_folder(ctx), _control_groups()]
    found.append(_inotify())
    if spec.internet:
        found.append(_forwarding())
    if all(finding.ok for finding in found[:4]):
        found.append(_overlay(ctx))
    return found


def _system() -> Finding:
    system = platform.system()
    return Finding("operating system", system == "Linux", system, "on macOS: --provider minikube")


def _architecture() -> Finding:
    name = pins.architecture()
    return Finding("architecture", name in ("amd64", "arm64"), name, "use a machine with x86-64 or arm64 processors")


def _root(up: str) -> Finding:
    is_root = os.geteuid() == 0
    seen = "root" if is_root else f"user {os.geteuid()}"
    return Finding("user", is_root, seen, f'sudo -E env "PATH=$PATH" {up}   (namespaces and mounts need root)')


def _capabilities() -> list[Finding]:
    status = Path("/proc/self/status")
    if not status.exists():
        return []
    line = next(line for line in status.read_text().splitlines() if line.startswith("CapEff:"))
    effective = int(line.split()[1], 16)
    missing = [name for bit, name in _CAPABILITIES.items() if not effective >> bit & 1]
    remedy = "in a container: start it with --privileged"
    return [Finding("capabilities", not missing, f"missing: {', '.join(missing)}" if missing else "complete", remedy)]


def builds(ctx: Context, built: Built) -> bool:
    """Whether there is anything left to build of what the playbook needs: the programs, or one of its images."""
    stages = (stage for stage in ctx.playbook.stages if isinstance(stage, ImageStage))
    return not built.is_complete or not all(
        archive_of(stage.wanted(ctx), pins.architecture()).exists() for stage in stages
    )


def missing_packages(building: bool = True) -> list[str]:
    """The Debian packages that would have to be installed on the host, those for building among them if it builds."""
    needed = {name: of for name, of in pins.host_programs().items() if building or name not in _BUILDERS}
    return sorted({package for program, package in needed.items() if not shutil.which(program)})


def _programs(building: bool = True) -> list[Finding]:
    missing = missing_packages(building)
    if not missing:
        return [Finding("host programs", True, "present")]
    if shutil.which("apt-get"):
        seen = f"`up` will install {', '.join(missing)}"
        return [Finding("host programs", False, seen, f"apt-get install {' '.join(missing)}", fatal=False)]
    names = ", ".join(missing)
    remedy = f"install {names} with this system's package manager; the node itself needs apt (Debian, Ubuntu)"
    return [Finding("host programs", False, f"missing: {names}", remedy)]


def install_packages(ctx: Context, building: bool = True) -> None:
    """Install what is missing, where there is apt and this is root; otherwise the findings say so."""
    missing = missing_packages(building)
    if not missing or not shutil.which("apt-get") or os.geteuid() != 0:
        return
    ctx.progress(f"installing {', '.join(missing)} (Debian packages)")
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    ctx.runner.run(["apt-get", "update", "-qq"], timeout=300, env=quiet)
    ctx.runner.run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing], timeout=900, env=quiet)


def _size(ctx: Context, spec: ClusterSpec) -> list[Finding]:
    """What the playbook asks for of memory and processors, what this host has, and what is taken."""
    wanted, groups = ceiling.asked(spec), ControlGroups(name_of(spec.profile), CGROUPS)
    ceilings = ceiling.AskedAndTaken.load(ctx.paths.root)
    if ceilings is not None and (now := groups.memory()) and groups.processes():
        return _running(ctx, ceilings, now)
    try:
        host = ceiling.Host.read()
    except (OSError, ValueError, KeyError):
        return [
            Finding(
                "memory",
                False,
                "unknown: there is no /proc/meminfo",
                "mount /proc: mount -t proc proc /proc",
                fatal=False,
            )
        ]
    got = ceiling.taken(wanted, host, groups.promised(NAME_PREFIX), groups.most_memory())
    return [_memory(wanted, got, host), _processors(wanted, got)]


def _running(ctx: Context, ceilings: ceiling.AskedAndTaken, memory: tuple[int, int]) -> list[Finding]:
    """Of a cluster that is up: what it was given."""
    used, limit = memory
    seen = f"{ceiling.gib(limit)} for this cluster, of which it uses {ceiling.gib(used)}"
    short = ceiling.shortage(ceilings.asked, ceilings.taken)
    if short:
        seen += f"; when it was started, this host had {short} that the playbook asks for"
    remedy = (
        f"if that is too little: close what isn't needed, then `{ctx.command('teardown')}` and `{ctx.command('up')}`"
    )
    return [
        Finding("memory", ceilings.taken.memory >= ceilings.asked.memory, seen, remedy, fatal=False),
        _processors(ceilings.asked, ceilings.taken),
    ]


def _memory(wanted: Ceiling, got: Ceiling, host: ceiling.Host) -> Finding:
    asked = f"the playbook asks for {ceiling.gib(wanted.memory)}"
    seen = f"{ceiling.gib(host.available)} of {ceiling.gib(host.memory)} available, {asked}"
    remedy = "close what isn't needed; cluster, Istio and demo take about 2 GiB"
    if host.available < min(_MEMORY_BYTES, wanted.memory + ceiling.HOST_KEEPS) or got.memory < min(
        wanted.memory, ceiling.LEAST
    ):
        return Finding("memory", False, seen, remedy)
    if got.memory < wanted.memory:
        seen, mebibytes = f"{seen}: it gets {ceiling.gib(got.memory)}", got.memory // ceiling.MIB
        remedy = f"close what isn't needed, or ask for less in the playbook: cluster: {{memory: {mebibytes}mb}}"
        return Finding("memory", False, seen, remedy, fatal=False)
    return Finding("memory", True, seen)


def _processors(wanted: Ceiling, got: Ceiling) -> Finding:
    """Fewer are slower, and no more."""
    seen = f"{os.cpu_count()} here, the playbook asks for {wanted.cpus}"
    return Finding("processors", True, f"{seen}: it gets {got.cpus}" if got.cpus < wanted.cpus else seen)


def _disk(built: Built) -> Finding:
    folder = existing_parent(state_home() if built.is_complete else cache_home())
    needed = _RUN_BYTES if built.is_complete else _BUILD_BYTES
    free = shutil.disk_usage(folder).free
    what = "to run" if built.is_complete else "to build the programs once"
    remedy = f"free space there, or set XDG_CACHE_HOME and XDG_STATE_HOME to a larger disk; {needed // _GIB} GiB {what}"
    return Finding("disk", free >= needed, f"{free / _GIB:.1f} GiB free at {folder}", remedy)


def _disks(built: Built) -> list[Finding]:
    """Each filesystem that a run writes to and can't, be it full or mounted read-only; else whether there is enough.

    What is there already is had from a cache that can't be written to, and little goes into the folder for temporary
    files: `up` may try.
    """
    folders = {"state": (state_home(), True), "cache": (cache_home(), not built.is_complete)}
    folders["temporary files"] = (disks.temporary(), False)
    found = {
        str(fault): Finding(f"disk of {name}", False, str(fault), fault.remedy, fatal=fatal)
        for name, (folder, fatal) in reversed(folders.items())
        for fault in disks.faults([folder])
    }
    return [*found.values(), *([] if any(finding.fatal for finding in found.values()) else [_disk(built)])]


def _state_folder(ctx: Context) -> list[Finding]:
    """A folder whose name the machine's supervisor can't work with."""
    why = unfit(ctx.paths.root)
    return [Finding("state folder", False, f"{ctx.paths.root}: {why}", "set XDG_STATE_HOME to another")] if why else []


def _inotify() -> Finding:
    """Istio's sidecar takes three instances, and all of a host's sidecars are one user's (1337).

    At the kernel's usual 128 the 43rd one ends with "couldn't initialize inotify: too many open files". Limits are
    for the host's owner to set, so the finding asks for it and `up` doesn't do it.
    """
    limit = int(_INOTIFY.read_text()) if _INOTIFY.exists() else _INOTIFY_WANTED
    command = f"sysctl -w fs.inotify.max_user_instances={_INOTIFY_WANTED}"
    return Finding(
        "inotify instances",
        limit >= _INOTIFY_WANTED,
        f"{limit} for each user, enough for {limit // _INOTIFY_OF_SIDECAR} sidecars in all clusters together",
        f"{command}   (all demonstrations at once need about 40, a second cluster beside it as many again)",
        fatal=False,
        fix=tuple(command.split()),
        needs_root=True,
    )


def _forwarding() -> Finding:
    """Whether this host forwards packets is for its owner to decide: the finding asks for it, `up` doesn't do it."""
    forwards = Path("/proc/sys/net/ipv4/ip_forward").read_text().strip() == "1"
    return Finding("forwarding", forwards, "on" if forwards else "off", "sysctl -w net.ipv4.ip_forward=1")


def _control_groups() -> Finding:
    unified = CGROUPS / "cgroup.controllers"
    if unified.exists():
        version, available = "version 2", unified.read_text().split()
    else:
        version, available = "version 1", [path.name for path in CGROUPS.glob("*")]
    missing = [name for name in _CONTROLLERS if name not in available]
    seen = f"{version}, without {', '.join(missing)}" if missing else version
    return Finding("control groups", not missing, seen, "mount them: cgroupfs-mount, or boot with them enabled")


def _overlay(ctx: Context) -> Finding:
    """Try it: whether overlayfs can be mounted depends on the filesystem below, not only on the kernel."""
    home = existing_parent(state_home())
    subject = f"overlayfs at {home}"
    try:
        done = _tried(ctx, home)
    except OSError as error:
        trouble = machine_trouble(error)
        return Finding(subject, False, f"it can't be tried: {trouble.what}", trouble.remedy or "")
    seen = "works" if done.code == 0 else done.stderr.strip() or f"`mount` ended with {done.code}"
    remedy = "set XDG_STATE_HOME to a folder on ext4, xfs or btrfs (overlayfs doesn't work on top of overlayfs)"
    return Finding(subject, done.code == 0, seen, remedy)


def _tried(ctx: Context, home: Path) -> Result:
    with tempfile.TemporaryDirectory(dir=home, prefix=".canarylab-probe-", ignore_cleanup_errors=True) as folder:
        for name in ("lower", "upper", "work", "merged"):
            (Path(folder) / name).mkdir()
        # By names inside it, since overlayfs reads commas and colons in a path as its own; in a mount namespace of its
        # own, so that nothing is left however it ends.
        mount = "mount -t overlay overlay -o lowerdir=lower,upperdir=upper,workdir=work merged"
        return ctx.runner.run(["unshare", "--mount", *mount.split()], timeout=10, ok=range(256), cwd=Path(folder))
