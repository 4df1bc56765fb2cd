"""What will make requests fail by the playbook's own Gateways and routes: told beforehand, with file and line."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import SimpleNamespace

import pytest
from support.certificates import certificate
from support.fake_cluster import FakeCluster
from support.fake_provider import FakeProvider
from support.runs import Heard, context_of
from validation_world import Playbook

from canarylab.events import Notice
from canarylab.kube.client import ApiError

HOST = "web.test"
GATEWAY = """\
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: web}
spec:
  selector: {istio: ingressgateway}
  servers:
  - port: {number: 443, name: https, protocol: HTTPS}
    hosts: [web.test]
    tls:
      mode: SIMPLE
      credentialName: web-cert
"""
ROUTE = """\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web}
spec:
  hosts: [web.test]
  http:
  - route: [{destination: {host: app}}]
    fault:
      abort: {httpStatus: 503, percentage: {value: 10}}
      delay: {fixedDelay: 7s, percentage: {value: 0.5}}
"""
MADE_BY_CERT_MANAGER = """\
apiVersion: cert-manager.io/v1
kind: Certificate
metadata: {name: any}
spec: {secretName: web-cert, dnsNames: [web.test]}
"""


class World(Playbook):
    def __init__(self, base: Path) -> None:
        super().__init__(base)
        self.steps: tuple = (SimpleNamespace(options=SimpleNamespace(http=("web.test",))),)

    def with_gateway(self) -> FakeCluster:
        """A cluster where the gateway's pods are in istio-ingress."""
        self.cluster = FakeCluster()
        meta = {"name": "gateway-x", "namespace": "istio-ingress", "labels": {"istio": "ingressgateway"}}
        self.cluster.put({"apiVersion": "v1", "kind": "Pod", "metadata": meta})
        return self.cluster

    def told(self) -> list[str]:
        """What is told, with the line itself in place of its number."""
        heard = Heard()
        ctx = context_of(*self.stages, provider=FakeProvider(self.cluster), base=self.base, emit=heard.append)
        ctx.playbook = dataclasses.replace(ctx.playbook, demo=self.steps)
        for stage in self.stages:
            stage.preflight(ctx)
        return [self._with_line(one.message) for one in heard.of(Notice)]

    def _with_line(self, message: str) -> str:
        place, _, rest = message.partition(": ")
        file, line = place.rsplit(":", 1)
        return f"{Path(file).read_text().splitlines()[int(line) - 1].strip()} | {rest}"


def secret(files: tuple[Path, Path], name: str = "web-cert", namespace: str = "istio-ingress") -> str:
    pems = [file.read_text().replace("\n", "\n    ") for file in files]
    where = f"metadata: {{name: {name}, namespace: {namespace}}}"
    keys = f"  tls.crt: |\n    {pems[0]}\n  tls.key: |\n    {pems[1]}\n"
    return f"apiVersion: v1\nkind: Secret\n{where}\nstringData:\n{keys}"


@pytest.fixture
def world(tmp_path) -> World:
    return World(tmp_path)


@pytest.fixture
def pair(tmp_path) -> tuple[Path, Path]:
    return certificate(tmp_path, f"DNS:{HOST}")


class TestSecrets:
    LINE = "credentialName: web-cert | Gateway shop/web, servers[0] names Secret web-cert (credentialName), "

    def test_one_that_nobody_makes(self, world):
        world.add("app", GATEWAY)
        (said,) = world.told()
        assert (
            said == f"{self.LINE}and no manifest has it: until somebody makes it, the gateway ends no TLS for web.test"
        )

    def test_one_that_the_gateway_s_namespace_has_not_either(self, world):
        world.add("app", GATEWAY)
        world.with_gateway()
        (said,) = world.told()
        assert said.startswith(f"{self.LINE}and neither the manifests nor namespace istio-ingress has it")

    def test_a_good_one_of_another_stage(self, world, pair):
        world.add("app", GATEWAY)
        world.add("certificates", secret(pair))
        assert world.told() == []
        world.with_gateway()
        assert world.told() == []

    def test_one_beside_the_gateway_and_not_beside_its_pods(self, world, pair):
        world.add("app", GATEWAY, secret(pair, namespace="shop"))
        assert world.told() == []  # where the pods will be isn't known yet
        world.with_gateway()
        (said,) = world.told()
        assert said.startswith(f"{self.LINE}which the manifests make in namespace shop; istiod looks in istio-ingress")

    def test_one_that_the_cluster_has(self, world, pair):
        world.add("app", GATEWAY)
        meta = {"name": "web-cert", "namespace": "istio-ingress"}
        pems = {"tls.crt": pair[0].read_text(), "tls.key": pair[1].read_text()}
        world.with_gateway().put({"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": pems})
        assert world.told() == []

    def test_one_that_may_not_be_read(self, world):
        world.add("app", GATEWAY)
        world.with_gateway().refused["get Secret web-cert"] = ApiError("forbidden", 403, where="GET")
        assert world.told() == []

    def test_one_that_a_manifest_of_another_kind_makes(self, world):
        world.add("app", GATEWAY, MADE_BY_CERT_MANAGER)
        assert world.told() == []

    def test_one_without_a_key(self, world):
        empty = "apiVersion: v1\nkind: Secret\nmetadata: {name: web-cert}\nstringData: {tls.crt: x}\n"
        world.add("app", GATEWAY, empty)
        (said,) = world.told()
        assert said.startswith(f"{self.LINE}which holds no usable certificate: it lacks tls.crt and tls.key")

    def test_one_for_another_host(self, world, tmp_path):
        world.add("app", GATEWAY, secret(certificate(tmp_path, "DNS:other.test")))
        (said,) = world.told()
        assert "whose certificate clients that verify it won't take for web.test: Hostname mismatch" in said

    def test_tls_that_is_passed_on_needs_none(self, world):
        world.add("app", GATEWAY.replace("SIMPLE", "PASSTHROUGH"))
        assert world.told() == []

    @pytest.mark.parametrize("tls", ["tls: 5", "tls: {mode: 5, credentialName: [x]}", "tls: {credentialNames: x}"])
    def test_what_isn_t_written_as_istio_wants_it_is_for_istio_to_refuse(self, world, tls):
        world.add("app", GATEWAY.split("    tls:", maxsplit=1)[0] + f"    {tls}\n")
        world.told()


class TestClientCertificates:
    def test_they_are_asked_of_the_demonstration(self, world, pair):
        world.add("app", GATEWAY.replace("SIMPLE", "MUTUAL"), secret(pair))
        assert world.told() == []
        world.steps = (SimpleNamespace(options=SimpleNamespace(tls=("web.test", "third.test"))),)
        (said,) = world.told()
        assert said == (
            "mode: MUTUAL | Gateway shop/web, servers[0] asks for a client certificate (mode MUTUAL), and the "
            "demonstration, which asks web.test over TLS, has none"
        )


class TestFaults:
    def test_they_are_told_with_their_lines(self, world):
        world.add("app", ROUTE)
        counts = "the demonstration counts what fails of them, or is late, as lost"
        assert world.told() == [
            "abort: {httpStatus: 503, percentage: {value: 10}} | http[0] of VirtualService web makes 10 % of its "
            f"requests fail on purpose (fault.abort): {counts}",
            "delay: {fixedDelay: 7s, percentage: {value: 0.5}} | http[0] of VirtualService web makes 0.5 % of its "
            f"requests wait 7 s on purpose (fault.delay): {counts}",
        ]

    def test_not_where_nothing_is_demonstrated(self, world):
        world.add("app", ROUTE)
        world.steps = ()
        assert world.told() == []

    def test_not_those_of_no_request(self, world):
        world.add("app", ROUTE.replace("value: 10", "value: 0").replace("value: 0.5", "value: no"))
        assert world.told() == []
