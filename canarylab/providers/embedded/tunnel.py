"""The tunnel: what `minikube tunnel` does, for the embedded cluster, as a process of the profile's supervisor.

It keeps a route from this host to the range of the Services, and gives each LoadBalancer Service its own cluster
address, so that the address answers here. When it is asked to stop it takes the route back and clears the addresses.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from canarylab.cancel import Cancel
from canarylab.errors import CanarylabError, CancelledError
from canarylab.kube.objects import load_balancer_address
from canarylab.kube.watch import Watch
from canarylab.providers.embedded.network import Network, Ranges
from canarylab.tools import ip
from canarylab.tools.runner import Runner

if TYPE_CHECKING:
    from canarylab.kube.client import Cluster

PROGRAM = "tunnel"
_RETRY_SECONDS = 1.0


def route_argv(network: Network, action: str) -> list[str]:
    """The command that puts the route in place (`replace`) or takes it away (`delete`)."""
    ranges = network.ranges
    return ["ip", "route", action, ranges.services, "via", ranges.node_address, "dev", network.link]


def has_route(runner: Runner, network: Network) -> bool:
    """Whether the route to the Services is in place."""
    routes = ip.query(runner, "route", "show", "dev", network.link) if network.exists() else []
    return any(route.get("dst") == network.ranges.services for route in routes)


class Tunnel:
    """One pass after the other over the Services, driven by a watch."""

    def __init__(self, network: Network, runner: Runner, connect: Callable[[], Cluster]) -> None:
        self._network = network
        self._runner = runner
        self._connect = connect

    def serve(self, cancel: Cancel) -> None:
        """Until cancelled. What can't be reached now, such as a machine that restarts, is tried again."""
        while not cancel.is_set:
            try:
                self._runner.run(route_argv(self._network, "replace"), timeout=10)
                for change, service in self.cluster.events(Watch("v1", "Service")):
                    cancel.check()
                    if change != "DELETED":
                        self._give_address(service)
            except CancelledError:
                return
            except (CanarylabError, OSError, RuntimeError) as error:
                print(f"{type(error).__name__}: {error}", flush=True)
                vars(self).pop("cluster", None)
                with suppress(CancelledError):
                    cancel.sleep(_RETRY_SECONDS)

    @cached_property
    def cluster(self) -> Cluster:
        """The client, connected again after an error."""
        return self._connect()

    def _give_address(self, service: dict[str, Any]) -> None:
        spec, meta = service["spec"], service["metadata"]
        address = spec.get("clusterIP")
        if spec.get("type") != "LoadBalancer" or address in (None, "None") or load_balancer_address(service) == address:
            return
        self._set_status(meta, {"loadBalancer": {"ingress": [{"ip": address}]}})
        print(f"{meta['namespace']}/{meta['name']}: {address}", flush=True)

    def _set_status(self, meta: dict[str, Any], status: dict[str, Any]) -> None:
        self.cluster.patch("v1", "Service", meta["name"], {"status": status}, meta["namespace"], subresource="status")

    def close(self) -> None:
        """Take back what serve put in place: an address that doesn't answer must not stay."""
        with suppress(CanarylabError):  # the machine may be gone, and its Services with it
            for service in self.cluster.list("v1", "Service"):
                if service["spec"].get("type") == "LoadBalancer" and load_balancer_address(service):
                    self._set_status(service["metadata"], {"loadBalancer": None})
        with suppress(CanarylabError):  # it goes with the link
            self._runner.run(route_argv(self._network, "delete"), timeout=10)


def argv(folder: Path, profile: str) -> list[str]:
    """The command line under which the supervisor runs this module."""
    return [sys.executable, "-m", __name__, "--folder", str(folder), "--profile", profile]


def main() -> None:
    """The process that the supervisor runs: serves until SIGTERM or SIGINT, and then takes everything back."""
    from canarylab.kube.client import Cluster

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--profile", required=True)
    options = parser.parse_args()
    ranges = Ranges.load(options.folder / "network.json")
    if ranges is None:
        sys.exit(f"{options.folder} has no network: `invoke up` makes one")
    cancel = Cancel()

    def end(*_: object) -> None:
        """Leave whatever waits, a watch for instance, at once; a second signal doesn't disturb the tidying up."""
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, signal.SIG_IGN)
        cancel.set()
        raise CancelledError("asked to stop")

    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, end)
    network = Network(options.profile, ranges, Runner(cancel))
    tunnel = Tunnel(network, Runner(cancel), lambda: Cluster(options.folder / "kubeconfig", options.profile))
    print(f"tunnel of {options.profile} since {time.strftime('%Y-%m-%dT%H:%M:%S%z')}", flush=True)
    with suppress(CancelledError):  # asked to stop while nothing waits
        tunnel.serve(cancel)
    # The runner that was cancelled starts nothing any more.
    Tunnel(network, Runner(Cancel()), lambda: tunnel.cluster).close()


if __name__ == "__main__":
    main()
