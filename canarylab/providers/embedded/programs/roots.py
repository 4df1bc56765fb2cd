"""The two Debian roots, by mmdebstrap: the one the machine runs on, and the small one below the proxies."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from canarylab.tools.runner import Runner

_EMPTY = ("mnt", "proc", "root", "run", "sys", "usr/lib/modules", "usr/libexec/kubernetes/kubelet-plugins/volume/exec")
"""Mount points, and folders that kube-proxy and the controller manager mount from the host: this root is read-only."""

_NFT_NAMES = ("iptables", "iptables-restore", "iptables-save", "ip6tables", "ip6tables-restore", "ip6tables-save")


def make_root(runner: Runner, packages: Sequence[str], release: str, output: Path) -> None:
    """Unpack `packages` and what they depend on into the folder `output`, which must not be there yet.

    Maintainer scripts are not run ("extract"): nothing in these roots needs them but the alternatives of iptables.
    """
    runner.run(
        ["mmdebstrap", "--quiet", "--variant=extract", f"--include={','.join(packages)}"]
        + [f"--dpkgopt=path-exclude=/usr/share/{waste}/*" for waste in ("doc", "locale", "man", "info")]
        + ["--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr", release, output],
        timeout=900,
    )
    for folder in _EMPTY:
        (output / folder).mkdir(parents=True, exist_ok=True)
    for name in _NFT_NAMES:
        link = output / "usr/sbin" / name
        if not link.exists():
            link.symlink_to(name.replace("tables", "tables-nft"))


def host_release() -> str:
    """The code name of the host's Debian or Ubuntu, such as bookworm: its package sources are used."""
    lines = Path("/etc/os-release").read_text().splitlines()
    values = dict(line.split("=", 1) for line in lines if "=" in line)
    return values.get("VERSION_CODENAME", "").strip('"')
