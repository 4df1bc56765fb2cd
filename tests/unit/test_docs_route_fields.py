"""docs/route-fields.md has a row for each field of Istio's routes, and what it says isn't read isn't."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from support.fake_cluster import FakeCluster
from support.field_tables import is_of, rows
from support.route_fields import KINDS, fields_of, listed

from canarylab.paths import REPOSITORY
from canarylab.rollouts.routes.backends import Backends
from canarylab.rollouts.routes.gateways import Routing
from canarylab.rollouts.routes.match import Proxy, Request
from canarylab.rollouts.routes.route import Destination

Json = dict[str, Any]

PAGE = REPOSITORY / "docs" / "route-fields.md"
ROWS = rows(PAGE)
STAND_FOR = {
    "ROUTE": ("http[].route[]", "tls[].route[]"),
    "POLICY": (
        "trafficPolicy",
        "trafficPolicy.portLevelSettings[]",
        "subsets[].trafficPolicy",
        "subsets[].trafficPolicy.portLevelSettings[]",
    ),
}
READ, NOT_READ = {"follows", "in part"}, {"ignores", "doesn't follow"}
EVERY = [(f"{row.heading}.{pattern}", row.cells[1]) for row in ROWS for pattern in row.patterns(STAND_FOR)]


def word_of(field: str) -> str:
    [word] = [word for pattern, word in EVERY if is_of(field, pattern)]
    return word


class TestTheTable:
    @pytest.mark.parametrize("field", listed())
    def test_a_field_has_exactly_one_row(self, field):
        assert word_of(field) in READ | NOT_READ

    def test_no_row_is_of_a_field_that_there_is_none_of(self):
        patterns = [pattern for pattern, _ in EVERY]
        assert [pattern for pattern in patterns if not any(is_of(field, pattern) for field in listed())] == []
        assert [pattern for pattern, times in Counter(patterns).items() if times > 1] == []

    @pytest.mark.parametrize("row", ROWS, ids=[row.cells[0] for row in ROWS])
    def test_a_row_says_all_of_it_and_what_holds_it(self, row):
        assert row.heading in KINDS
        assert len(row.cells) == 4
        assert all(row.cells)
        [file] = re.findall(r"`([^`]+)`", row.cells[-1])
        assert (REPOSITORY / file).is_file()

    def test_the_page_says_what_its_words_stand_for(self):
        text = PAGE.read_text()
        assert all(f"`{field}`" in text for fields in STAND_FOR.values() for field in fields)
        assert all(f"\n| {word} |" in text for word in READ | NOT_READ)


def test_fields_are_read_from_definitions_as_far_down_as_they_go():
    servers = {"type": "array", "items": {"properties": {"hosts": {"type": "array", "items": {"type": "string"}}}}}
    schema = {"openAPIV3Schema": {"properties": {"spec": {"properties": {"servers": servers, "selector": {}}}}}}

    def definition(group: str) -> Json:
        versions = [{"name": "v1alpha3"}, {"name": "v1", "schema": schema}]
        return {"spec": {"group": group, "names": {"kind": "Gateway"}, "versions": versions}}

    found = fields_of([definition("networking.istio.io"), definition("gateway.networking.k8s.io"), {}])
    assert found == ["Gateway.selector", "Gateway.servers[].hosts[]"]


# -- what isn't read --------------------------------------------------------------------------------------------------


def not_read(kind: str) -> list[str]:
    fields = (field for field in listed() if field.startswith(kind) and word_of(field) in NOT_READ)
    return [field.removeprefix(f"{kind}.") for field in fields]


def put(obj: Json, field: str) -> None:
    """Some value for the field, in each object of the lists on the way."""
    key, _, rest = field.partition(".")
    name = key.removesuffix("[]")
    if not rest:
        obj[name] = [{"some": "value"}] if key != name else {"some": "value"}
    elif key != name:
        for one in obj.setdefault(name, [{}]):
            put(one, rest)
    else:
        put(obj.setdefault(name, {}), rest)


def obj(kind: str, spec: Json) -> Json:
    meta = {"name": "web", "namespace": "shop"}
    return {"apiVersion": "networking.istio.io/v1", "kind": kind, "metadata": meta, "spec": spec}


def split(*names: str) -> list[Json]:
    return [{"destination": {"host": name}, "weight": 100 // len(names)} for name in names]


def virtual_service() -> Json:
    http = {
        "match": [{"uri": {"prefix": "/"}}],
        "route": split("stable", "canary"),
        "mirror": {"host": "copied"},
        "mirrors": [{"destination": {"host": "copied-too"}}],
    }
    tls = {"match": [{"sniHosts": ["web.test"], "port": 443}], "route": split("by-tls")}
    tcp = {"match": [{"port": 9000}], "route": split("by-tcp")}
    return obj("VirtualService", {"hosts": ["*.test"], "gateways": ["web"], "http": [http], "tls": [tls], "tcp": [tcp]})


def gateway() -> Json:
    servers = [
        {"port": {"number": 80, "protocol": "HTTP"}, "hosts": ["*"], "tls": {"httpsRedirect": False}},
        {"port": {"number": 443, "protocol": "TLS"}, "hosts": ["*"], "tls": {"mode": "PASSTHROUGH"}},
        {"port": {"number": 8443, "protocol": "HTTPS"}, "hosts": ["*"], "tls": {"mode": "SIMPLE"}},
        {"port": {"number": 9000, "protocol": "TLS"}, "hosts": ["*"], "tls": {"mode": "SIMPLE"}},
    ]
    return obj("Gateway", {"servers": servers})


def taken(*objects: Json) -> Iterator[str]:
    """What becomes of a request to each of the ports."""
    of = {kind: [one for one in objects if one["kind"] == kind] for kind in KINDS}
    routing = Routing(of["Gateway"], of["VirtualService"], Proxy("istio-ingress", {}))
    for port in (80, 443, 8443, 9000):
        yield str(routing.route(Request("web.test", "/", {}, tls=port != 80, port=port)))


def shares(rule: Json) -> list[Any]:
    kinds = [(rule["apiVersion"], rule["kind"])]
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "shop"}, "spec": {}}
    cluster = FakeCluster(rule, service, kinds=kinds)
    backends = Backends(cluster, "shop", Proxy("istio-ingress", {}))  # type: ignore[arg-type]
    return [backends.of(Destination("web", subset=subset, namespace="shop")) for subset in ("stable", "canary")]


def destination_rule() -> Json:
    subsets = [{"name": name, "labels": {"rollouts-pod-template-hash": f"{name}-1"}} for name in ("stable", "canary")]
    return obj("DestinationRule", {"host": "web", "subsets": subsets})


class TestWhatIsNotRead:
    @pytest.mark.parametrize("field", not_read("VirtualService"))
    def test_of_a_virtual_service_changes_nothing(self, field):
        changed = virtual_service()
        put(changed["spec"], field)
        assert changed != virtual_service()
        assert list(taken(gateway(), changed)) == list(taken(gateway(), virtual_service()))

    @pytest.mark.parametrize("field", not_read("Gateway"))
    def test_of_a_gateway_changes_nothing(self, field):
        changed = gateway()
        put(changed["spec"], field)
        assert changed != gateway()
        assert list(taken(changed, virtual_service())) == list(taken(gateway(), virtual_service()))

    @pytest.mark.parametrize("field", not_read("DestinationRule"))
    def test_of_a_destination_rule_changes_nothing(self, field):
        changed = destination_rule()
        put(changed["spec"], field)
        assert changed != destination_rule()
        assert shares(changed) == shares(destination_rule())

    def test_the_objects_that_they_are_put_into_are_read(self):
        split_up = "stable 50, canary 50, mirrored to copied-too 100, mirrored to copied 100"
        assert list(taken(gateway(), virtual_service())) == [split_up, "by-tls 100", split_up, "by-tcp 100"]
        assert shares(destination_rule()) == [{"stable-1": 100}, {"canary-1": 100}]
