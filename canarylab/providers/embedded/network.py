"""The machine's network: a range of its own, a network namespace, a link to the host and rules around it.

Everything is named after the profile, so that what is found can be distinguished from what others made.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from canarylab.errors import CanarylabError, MachineError
from canarylab.files import write_private
from canarylab.removal import Removal
from canarylab.tools import ip
from canarylab.tools.runner import Runner

_POOL = [ipaddress.IPv4Network(f"10.{second}.0.0/16") for second in range(210, 250)]
"""One /16 a profile. Away from what kind, k3d, minikube and Docker take by default (10.96, 10.244, 172.17, 192.168)."""

_HALF = 1
"""Length of the prefix of half of all addresses."""


@dataclass(frozen=True)
class Ranges:
    """The addresses of one profile, all inside one /16, kept in its folder from the first start on."""

    link: str
    pods: str
    services: str

    @classmethod
    def inside(cls, network: ipaddress.IPv4Network) -> Ranges:
        """The ranges within a /16: the first /24 for the link, the second and third quarter for pods and Services."""
        quarter = list(network.subnets(new_prefix=18))
        return cls(str(next(network.subnets(new_prefix=24))), str(quarter[1]), str(quarter[2]))

    @property
    def all(self) -> str:
        """The /16 that the others lie in."""
        return str(ipaddress.ip_network(self.link).supernet(new_prefix=16))

    @property
    def host_address(self) -> str:
        """Of the host's end of the link."""
        return str(ipaddress.ip_network(self.link)[1])

    @property
    def node_address(self) -> str:
        """Of the machine's end of the link, where the API server answers."""
        return str(ipaddress.ip_network(self.link)[2])

    @property
    def node_pods(self) -> str:
        """The first /24 of the pods' range: what the controller manager gives to the first node."""
        return str(next(ipaddress.ip_network(self.pods).subnets(new_prefix=24)))

    def save(self, path: Path) -> None:
        """Write them down as JSON, for `load`."""
        write_private(path, json.dumps(asdict(self)))

    @classmethod
    def load(cls, path: Path) -> Ranges | None:
        """None where there is no file, or an incomplete one."""
        try:
            return cls(**json.loads(path.read_text()))
        except (OSError, ValueError, TypeError):
            return None


def choose(taken: Iterable[str]) -> Ranges:
    """The first range that nothing routed or reserved overlaps. Raises MachineError where all are taken.

    The default route is no obstacle, nor are its halves 0.0.0.0/1 and 128.0.0.0/1, which VPNs set in its place.
    """
    used = [ipaddress.ip_network(network, strict=False) for network in taken]
    for candidate in _POOL:
        if not any(candidate.overlaps(network) for network in used if network.prefixlen > _HALF):
            return Ranges.inside(candidate)
    raise MachineError(
        "every address range from 10.210.0.0/16 to 10.249.0.0/16 is routed on this host",
        why="a VPN or other virtual networks hold them",
        remedy="`ip route show table all` lists them; `invoke teardown --profile NAME` frees the range of a profile",
    )


NAME_PREFIX = "canarylab-"


def name_of(profile: str) -> str:
    """Of a profile's network namespace, nftables table and control groups."""
    return NAME_PREFIX + profile


def link_name(profile: str) -> str:
    """Of the host's end of a profile's link: 15 characters at most, so it holds a digest of the profile."""
    return f"cl-{hashlib.sha256(profile.encode()).hexdigest()[:10]}"


class Network:
    """The namespace, the link and the rules of one profile."""

    def __init__(self, profile: str, ranges: Ranges, runner: Runner, *, internet: bool = False) -> None:
        self.profile = profile
        self.ranges = ranges
        self.internet = internet
        self.name = name_of(profile)
        """Of the network namespace, of the nftables table in the family inet, and of the control groups."""
        self.link = link_name(profile)
        """Name of the host's end."""
        self.path = Path("/run/netns") / self.name
        """Where iproute2 mounts the namespace (ip-netns(8))."""
        self._runner = runner
        self._barrier = ["unreachable", ranges.all, "metric", "4096"]
        """A route to nowhere, behind every better one into the profile's range."""

    def is_complete(self) -> bool:
        """Whether everything that `create` makes is there: the route to nowhere is its last step."""
        is_linked = self.exists() and self.ranges.host_address in ip.addresses(self._runner, self.link)
        return is_linked and self._has_barrier() and self.has_rules() and not self.lets_out_otherwise()

    def exists(self) -> bool:
        """Whether namespace and link are there; they may be half made."""
        return self.path.exists() and self._has_link()

    def _has_link(self) -> bool:
        return Path(f"/sys/class/net/{self.link}").exists()

    def create(self) -> None:
        """Make what is missing; what a killed run left half done is made again."""
        self.delete()
        name, link, ranges = self.name, self.link, self.ranges
        # The rules come first: at no moment is there a link without them.
        rules = rule_set(name, link, ranges, internet=self.internet)
        self._runner.run(["nft", "-f", "-"], timeout=10, stdin=rules)
        for argv in (
            ["ip", "netns", "add", name],
            ["ip", "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", name],
            ["ip", "-n", name, "link", "set", "lo", "up"],
            ["ip", "-n", name, "addr", "add", f"{ranges.node_address}/24", "dev", "eth0"],
            ["ip", "-n", name, "link", "set", "eth0", "up"],
            ["ip", "-n", name, "route", "add", "default", "via", ranges.host_address],
            ["ip", "addr", "add", f"{ranges.host_address}/24", "dev", link],
            ["ip", "link", "set", link, "up"],
            # What pods send to the host is refused, and the refusal has to find its way back.
            ["ip", "route", "replace", ranges.pods, "via", ranges.node_address, "dev", link],
            # Whatever has no better route, such as Services without the tunnel's, doesn't leave the host.
            ["ip", "route", "replace", *self._barrier],
        ):
            self._runner.run(argv, timeout=10)

    def _has_barrier(self) -> bool:
        routes = ip.query(self._runner, "route", "show", "type", "unreachable")
        return any(route.get("dst") == self.ranges.all for route in routes)

    def delete(self) -> list[Removal]:
        """Delete what is there, in the order that leaves no link without rules."""
        removals = []
        for is_there, argv, subject in (
            (self._has_link, ["ip", "link", "delete", self.link], f"link {self.link} with its routes"),
            (self._has_barrier, ["ip", "route", "delete", *self._barrier], f"route to nowhere for {self.ranges.all}"),
            (self.path.exists, ["ip", "netns", "delete", self.name], f"network namespace {self.name}"),
            (self.has_rules, ["nft", "delete", "table", "inet", self.name], f"nftables table inet {self.name}"),
        ):
            if is_there():
                self._runner.run(argv, timeout=10)
                removals.append(Removal(subject, "removed"))
        return removals

    def has_rules(self) -> bool:
        """Whether the profile's nftables table is loaded, whatever is in it."""
        if not shutil.which("nft"):
            return False  # nobody can have loaded any: the first `up` installs it
        listed = self._runner.run(["nft", "-j", "list", "tables"], timeout=10).stdout
        tables = (entry.get("table", {}) for entry in json.loads(listed)["nftables"])
        return any(table.get("name") == self.name and table.get("family") == "inet" for table in tables)

    def lets_out_otherwise(self) -> bool:
        """Whether there are rules that let the machine out where that isn't wanted, or don't where it is."""
        if not shutil.which("nft"):
            return False
        listed = self._runner.run(["nft", "list", "table", "inet", self.name], timeout=10, ok=(0, 1))
        return listed.code == 0 and ("masquerade" in listed.stdout) != self.internet

    def check_route(self, address: str, restart: str) -> None:
        """Raise unless a packet to `address` would go over our link into our namespace; `restart` puts the route back.

        Without the route it would leave the machine by the default route, to whoever has that address there.
        """
        route = ip.route_to(self._runner, address)
        if route is None or route.get("dev") != self.link or not self.path.exists():
            raise CanarylabError(
                f"no request is sent to {address}: it would go by {(route or {}).get('dev', 'no route')}, "
                f"not by {self.link} into the cluster",
                where=f"ip route get {address}",
                remedy=restart,
            )


def rule_set(table: str, link: str, ranges: Ranges, *, internet: bool) -> str:
    """nftables rules that make the machine reachable from this host only, and give it no way out of it.

    They replace an older table of the same name in one transaction. With `internet` the machine is let out behind
    the host's address.
    """
    outward = "accept" if internet else "reject"
    nat = f"""    chain postrouting {{
        type nat hook postrouting priority srcnat; policy accept;
        ip saddr {{ {ranges.link}, {ranges.pods} }} oifname != "{link}" masquerade
    }}
"""
    return f"""table inet {table}
delete table inet {table}
table inet {table} {{
    chain input {{
        type filter hook input priority filter - 10; policy accept;
        iifname "{link}" ct state established,related accept
        iifname "{link}" reject
    }}
    chain forward {{
        type filter hook forward priority filter - 10; policy accept;
        oifname "{link}" ct state established,related accept
        oifname "{link}" drop
        iifname "{link}" {outward}
    }}
{nat if internet else ""}}}
"""


def reserved(folders: Iterable[Path]) -> Sequence[str]:
    """The ranges that other profiles keep for themselves, running or not."""
    saved = (Ranges.load(folder / "network.json") for folder in folders)
    return [network for ranges in saved if ranges for network in (ranges.link, ranges.pods, ranges.services)]
