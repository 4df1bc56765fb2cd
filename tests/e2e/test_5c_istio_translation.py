"""istiod's own translation is the oracle of how routes are read: from the objects, and from what Envoy is given.

`tests/oracles/istiod` makes of a set of Gateways and VirtualServices what istiod hands to a gateway's Envoy; both
readings of it have to send every request the same way.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.generated_routing import PROXY_LABELS, PROXY_NAMESPACE, requests, routing, services

from canarylab.cancel import Cancel
from canarylab.paths import REPOSITORY
from canarylab.pins import pins
from canarylab.rollouts.routes import envoy
from canarylab.rollouts.routes.gateways import Routing
from canarylab.rollouts.routes.match import Proxy
from canarylab.rollouts.routes.route import Destination, Route
from canarylab.tools import go
from canarylab.tools.runner import Runner

_SETS = 500
_REQUESTS = 8

Objects = list[dict[str, Any]]


class Istiod:
    """The oracle: a process that answers line by line."""

    def __init__(self, program: Path) -> None:
        self._process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def translate(self, objects: Objects) -> dict[str, Any]:
        """Dumps of listeners and routes as Envoy's admin interface would give them."""
        assert self._process.stdin
        assert self._process.stdout
        asked = {
            "objects": yaml.safe_dump_all([*objects, *services()]),
            "namespace": PROXY_NAMESPACE,
            "labels": PROXY_LABELS,
        }
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        assert not answer.get("error"), answer
        assert not answer.get("refused"), f"the generator makes what istiod refuses: {answer['refused']}"
        return {
            "listeners": {"configs": [{"active_state": {"listener": one}} for one in answer["listeners"] or ()]},
            "routes": {"configs": [{"route_config": one} for one in answer["routes"] or ()]},
        }

    def end(self) -> None:
        self._process.kill()
        self._process.wait()


@pytest.fixture(scope="module")
def istiod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Istiod]:
    """Compiled as a part of the node's module, so that it is the Istio that the node runs."""
    module, program = tmp_path_factory.mktemp("oracle"), tmp_path_factory.mktemp("programs") / "istiod"
    shutil.copytree(REPOSITORY / "tests/oracles/istiod", module / "istiod")
    for name in ("go.mod", "go.sum"):
        shutil.copy(REPOSITORY / "node" / name, module / name)
    go.find(Runner(Cancel()), pins().go).build(module, ["./istiod"], program)
    oracle = Istiod(program)
    yield oracle
    oracle.end()


@pytest.fixture(scope="module")
def seen() -> Counter[str]:
    """What became of the requests."""
    return Counter()


def test_both_readings_send_every_request_where_istiod_sends_it(istiod: Istiod, seen: Counter[str]) -> None:
    @settings(max_examples=_SETS, deadline=None, derandomize=True, database=None, suppress_health_check=[*HealthCheck])
    @given(st.data())
    def agree(data: st.DataObject) -> None:
        objects = data.draw(routing())
        translated = istiod.translate(objects)
        ours = Routing(_of(objects, "Gateway"), _of(objects, "VirtualService"), Proxy(PROXY_NAMESPACE, PROXY_LABELS))
        seen["sets"] += 1
        for _ in range(_REQUESTS):
            request = data.draw(requests(objects))
            wanted = _in_short(envoy.route(translated["listeners"], translated["routes"], request, request.port))
            assert _in_short(ours.route(request)) == wanted, f"{request} of\n{yaml.safe_dump_all(objects)}"
            seen[wanted if isinstance(wanted, str) else "passed on"] += 1

    agree()


def test_enough_was_compared(seen: Counter[str]) -> None:
    """After the one above: it may not pass for want of routes."""
    assert seen["sets"] >= _SETS
    assert seen["passed on"] >= _SETS
    assert min(seen[each] for each in ("no route", "a redirect", "a redirect to HTTPS", "an answer of its own")) >= 10


def _of(objects: Objects, kind: str) -> Objects:
    return [one for one in objects if one["kind"] == kind]


def _in_short(route: Route | None) -> str | tuple[dict[str, float], dict[str, float]]:
    if route is None:
        return "no route"
    return route.answer or (_shares(route.destinations), _shares(route.mirrors if route.protocol == "http" else ()))


def _shares(destinations: Sequence[Destination]) -> dict[str, float]:
    """Percent by namespace, Service and subset; istiod leaves out what gets nothing."""
    found = Counter[str]()
    for one in destinations:
        found[f"{one.namespace}/{one.service}/{one.subset}"] += round(one.percent, 3)  # type: ignore[assignment]
    return {name: share for name, share in found.items() if share}
