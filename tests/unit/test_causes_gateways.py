"""What a gateway answers or refuses itself: TLS that it can't end, routes that answer, fail or wait on purpose."""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path
from typing import Any, ClassVar

import pytest
from causes_world import ISTIO, SECURITY, SIDECAR, CausesWorld
from support.certificates import certificate
from support.runs import context_of

from canarylab.demo.traffic.client import REFUSED, TIMEOUT, Target, likely_cause
from canarylab.demo.traffic.diagnosis import why_failed
from canarylab.kube import tls_secrets
from canarylab.kube.client import ApiError
from canarylab.rollouts.causes import unanswered
from canarylab.rollouts.causes.unanswered import CUT, LATE
from canarylab.rollouts.faults import percent_of, seconds_of
from canarylab.rollouts.routes.match import Request
from canarylab.stages.kinds.manifests import ManifestsOptions, ManifestsStage

HOST = "web.test"
LABELS = {"istio": "ingressgateway"}


@pytest.fixture(scope="module")
def pems(tmp_path_factory) -> tuple[bytes, bytes]:
    """Of a certificate for web.test."""
    files = certificate(tmp_path_factory.mktemp("tls"), f"DNS:{HOST}")
    return files[0].read_bytes(), files[1].read_bytes()


def data(**values: bytes) -> Any:
    keys = {"tls_crt": "tls.crt", "tls_key": "tls.key"}
    return {"data": {keys.get(name, name): base64.b64encode(value).decode() for name, value in values.items()}}


def openssl(*words: str, stdin: bytes = b"") -> bytes:
    return subprocess.run(["openssl", *words], input=stdin, capture_output=True, check=True, timeout=60).stdout


class World(CausesWorld):
    """Gateway `shop/web` of pods in `istio-ingress`, whose Service has the ports 80 and 443; a VirtualService."""

    def __init__(self) -> None:
        super().__init__()
        self.pod("gateway-x", "istio-ingress", labels=LABELS)
        ports = [{"port": 80, "targetPort": 8080}, {"port": 443, "targetPort": 8443}]
        self.put("v1", "Service", "gateway", "istio-ingress", spec={"selector": LABELS, "ports": ports})
        self.pod("web-one-x", owner="rs-one", labels={"app": "web"}, annotations=SIDECAR)
        self.put("v1", "Service", "web-stable", spec={"selector": {"app": "web"}, "ports": [{"port": 80}]})
        self.servers(self.https())
        self.route()

    def https(self, mode: str = "SIMPLE", *hosts: str, **tls: Any) -> Any:
        port = {"number": 443, "name": "https", "protocol": "HTTPS"}
        named = {} if mode.endswith("THROUGH") or tls else {"credentialName": "web-cert"}
        return {"port": port, "hosts": list(hosts or [HOST]), "tls": {"mode": mode, **named, **tls}}

    def servers(self, *servers: Any) -> None:
        plain = {"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": [HOST]}
        self.put(ISTIO, "Gateway", "web", spec={"selector": LABELS, "servers": [plain, *servers]})

    def route(self, *, protocol: str = "http", **more: Any) -> None:
        entry = {"route": [{"destination": {"host": "web-stable"}}], **more}
        self.put(ISTIO, "VirtualService", "web", spec={"hosts": [HOST], "gateways": ["web"], protocol: [entry]})

    def why(self, failure: str, *, host: str = HOST, tls: bool = False, gateway: str = "", **headers: str) -> str:
        request = Request(host, "/color", headers, tls, 443 if tls else 80)
        place = {"gateway": "istio-ingress", "edge": "edge", "": ""}[gateway]
        found = unanswered.unanswered(self.ctx, request, failure, 5.0, (place, gateway))
        return found.why if found else ""


@pytest.fixture
def world() -> World:
    return World()


class TestHandshake:
    def test_a_secret_that_is_not_there(self, world):
        said = world.why(CUT, tls=True)
        assert said.startswith(
            "Gateway shop/web, servers[1] names Secret web-cert (credentialName), and namespace istio-"
        )
        assert "istio-ingress, where the gateway's pods are, has none; so the gateway ends no TLS for web.test" in said

    def test_one_beside_the_gateway_and_not_beside_its_pods(self, world, pems):
        world.put("v1", "Secret", "web-cert", more=data(tls_crt=pems[0], tls_key=pems[1]))
        assert "there is one in namespace shop, where istiod doesn't look for it" in world.why(CUT, tls=True)

    @pytest.mark.parametrize("keys", [("tls.crt", "tls.key"), ("cert", "key")])
    def test_where_it_is_well_nothing_is_told(self, world, pems, keys):
        world.put("v1", "Secret", "web-cert", "istio-ingress", more=data(**dict(zip(keys, pems, strict=True))))
        assert world.why(CUT, tls=True) == ""

    def test_one_that_lacks_keys(self, world, pems):
        world.put("v1", "Secret", "web-cert", "istio-ingress", more=data(tls_crt=pems[0]))
        said = world.why(CUT, tls=True)
        assert "Secret istio-ingress/web-cert holds no usable certificate: it lacks tls.crt and tls.key" in said
        assert "(it has tls.crt)" in said

    def test_one_of_another_key(self, world, pems, tmp_path):
        _, other = certificate(tmp_path, f"DNS:{HOST}")
        world.put("v1", "Secret", "web-cert", "istio-ingress", more=data(tls_crt=pems[0], tls_key=other.read_bytes()))
        assert "its private key isn't that of its certificate" in world.why(CUT, tls=True)

    def test_what_is_no_certificate(self, world):
        world.put("v1", "Secret", "web-cert", "istio-ingress", more=data(tls_crt=b"no", tls_key=b"no"))
        assert "its certificate or key isn't PEM" in world.why(CUT, tls=True)

    def test_one_whose_key_is_encrypted(self, world, pems):
        encrypted = openssl("ec", "-aes128", "-passout", "pass:secret", stdin=pems[1])
        world.put("v1", "Secret", "web-cert", "istio-ingress", more=data(tls_crt=pems[0], tls_key=encrypted))
        assert "its private key is encrypted with a password" in world.why(CUT, tls=True)

    def test_one_whose_key_is_too_short_is_not_said_to_be_unreadable(self, world, tmp_path):
        made = ("req", "-x509", "-newkey", "rsa:512", "-nodes", "-subj", "/CN=web", "-keyout", str(tmp_path / "key"))
        weak = openssl(*made)
        pair = data(tls_crt=weak, tls_key=(tmp_path / "key").read_bytes())
        world.put("v1", "Secret", "web-cert", "istio-ingress", more=pair)
        said = world.why(CUT, tls=True)
        assert "OpenSSL doesn't take its certificate or key: " in said
        assert "key too small" in said

    def test_a_value_that_is_no_base64_counts_as_none(self, world):
        world.put("v1", "Secret", "web-cert", "istio-ingress", more={"data": {"tls.crt": "ä", "tls.key": "ö"}})
        assert "it lacks tls.crt and tls.key" in world.why(CUT, tls=True)

    def test_a_server_that_istiod_leaves_out_is_not_blamed(self, world, pems):
        world.servers(world.https("SIMPLE", HOST, credentialName="good"), world.https())
        world.put("v1", "Secret", "good", "istio-ingress", more=data(tls_crt=pems[0], tls_key=pems[1]))
        assert world.why(CUT, tls=True) == "", "two for one host at one port: the first counts"

    def test_any_of_several(self, world, pems):
        world.servers(world.https(credentialNames=["rsa", "kubernetes://ecdsa"]))
        world.put("v1", "Secret", "rsa", "istio-ingress", more=data(tls_crt=pems[0], tls_key=pems[1]))
        assert "names Secret ecdsa (credentialName), and namespace istio-ingress" in world.why(CUT, tls=True)

    def test_one_of_another_namespace(self, world):
        world.servers(world.https(credentialName="shop/web-cert"))
        assert "and istiod reads only those of istio-ingress, where the" in world.why(CUT, tls=True)

    def test_one_that_may_not_be_read_is_not_blamed(self, world):
        world.cluster.refused["get Secret web-cert"] = ApiError("forbidden", 403, where="GET")
        assert world.why(CUT, tls=True) == ""

    @pytest.mark.parametrize("mode", ["MUTUAL", "ISTIO_MUTUAL"])
    def test_a_client_certificate_is_asked_for(self, world, pems, mode):
        world.put("v1", "Secret", "web-cert", "istio-ingress", more=data(tls_crt=pems[0], tls_key=pems[1]))
        world.servers(world.https(mode))
        said = world.why(CUT, tls=True)
        assert said.startswith(f"Gateway shop/web, servers[1] asks for a client certificate (mode {mode})")
        assert said.endswith("and a demonstration has none")

    def test_none_is_asked_for_where_it_is_optional(self, world, pems):
        world.put("v1", "Secret", "web-cert", "istio-ingress", more=data(tls_crt=pems[0], tls_key=pems[1]))
        world.servers(world.https("OPTIONAL_MUTUAL"))
        assert world.why(CUT, tls=True) == ""

    def test_a_host_that_no_server_takes(self, world):
        world.servers(world.https("SIMPLE", "*.other.test", "third.test"))
        said = world.why(CUT, tls=True)
        assert said == "no server of a Gateway takes web.test over TLS at port 443: there is *.other.test, third.test"

    def test_of_several_servers_the_most_specific_counts(self, world):
        world.servers(world.https("PASSTHROUGH", "*.test"), world.https())
        assert "servers[2] names Secret web-cert" in world.why(CUT, tls=True)

    def test_tls_that_is_passed_on_to_nobody(self, world):
        world.servers(world.https("PASSTHROUGH"))
        said = world.why(CUT, tls=True)
        assert "servers[1] passes TLS on (mode PASSTHROUGH), and no tls route of a VirtualService" in said
        world.route(protocol="tls", match=[{"sniHosts": [HOST]}])
        assert "passes TLS on" not in world.why(CUT, tls=True)

    def test_without_tls_certificates_are_nobody_s_fault(self, world):
        assert world.why(CUT) == ""


class TestItself:
    def test_a_fault_on_purpose(self, world):
        world.route(fault={"abort": {"httpStatus": 503, "percentage": {"value": 10}}})
        said = world.why("status 503 from the gateway")
        told = "answers 10 % of its requests with status 503 on purpose (fault.abort)"
        assert said == f"http[0] of VirtualService shop/web {told}"

    def test_a_fault_of_some_requests_comes_after_pods_that_are_not_there(self, world):
        world.route(fault={"abort": {"httpStatus": 503, "percentage": {"value": 10}}})
        for pod in world.cluster.list("v1", "Pod", "shop", {"app": "web"}):
            world.cluster.delete("v1", "Pod", pod["metadata"]["name"], "shop")
        assert "no pod is behind it" in world.why("status 503 from the gateway")

    @pytest.mark.parametrize(
        "abort",
        [{"httpStatus": 500, "percentage": {"value": 10}}, {"httpStatus": 418}, {"httpStatus": 418, "percentage": {}}],
    )
    def test_not_one_of_another_status_nor_one_of_nobody(self, world, abort):
        world.route(fault={"abort": abort})
        assert world.why("status 418 from the gateway") == ""

    @pytest.mark.parametrize("status", [401, 403, 404, 418, 500])
    def test_any_status_may_be_one(self, world, status):
        world.route(fault={"abort": {"httpStatus": status, "percentage": {"value": 100}}})
        assert "on purpose (fault.abort)" in world.why(f"status {status} from the gateway")
        assert world.why(f"status {status}") == ""

    def test_an_answer_of_its_own(self, world):
        world.route(directResponse={"status": 404})
        assert "is answered with status 404 as it says (directResponse)" in world.why("status 404 from the gateway")

    def test_a_redirect(self, world):
        world.route(redirect={"uri": "/there"})
        assert world.why("status 301 from the gateway") == "http[0] of VirtualService shop/web redirects (redirect)"

    def test_one_to_https(self, world):
        world.put(
            ISTIO,
            "Gateway",
            "web",
            spec={
                "selector": LABELS,
                "servers": [
                    {"port": {"number": 80, "protocol": "HTTP"}, "hosts": [HOST], "tls": {"httpsRedirect": True}}
                ],
            },
        )
        assert "sends plain requests to HTTPS (httpsRedirect)" in world.why("status 301 from the gateway")

    def test_a_delay_beyond_what_is_waited_for(self, world):
        world.route(fault={"delay": {"fixedDelay": "7s", "percentage": {"value": 50}}})
        said = world.why(LATE)
        assert "makes 50 % of its requests wait 7 s on purpose (fault.delay), and an answer is waited for 5 s" in said

    @pytest.mark.parametrize("delay", [{"fixedDelay": "1s", "percent": 100}, {"fixedDelay": "7s"}])
    def test_a_shorter_one_and_one_of_nobody_explain_nothing(self, world, delay):
        world.route(fault={"delay": delay})
        assert world.why(LATE) == ""

    def test_a_timeout_of_the_route(self, world):
        world.route(timeout="0.5s")
        assert "no longer than that (timeout: 0.5s)" in world.why("status 504 from the gateway")

    def test_a_host_of_no_route_at_all(self, world):
        said = world.why("status 404 from the gateway", host="other.test")
        assert said == "no VirtualService and no HTTPRoute of the cluster is for host other.test"

    def test_where_a_route_is_for_any_host_nobody_knows(self, world):
        kind = ("gateway.networking.k8s.io/v1", "HTTPRoute")
        world.cluster.kinds.add(kind)
        world.put(*kind, "any", spec={"rules": []})
        assert world.why("status 404 from the gateway", host="other.test") == ""

    def test_a_request_that_none_of_them_takes(self, world):
        world.route(match=[{"uri": {"exact": "/else"}}])
        said = world.why("status 404 from the gateway")
        assert (
            "no route is for GET /color for web.test at port 80 of the gateway, not even of VirtualService shop/web"
            in said
        )

    def test_a_404_of_a_route_that_there_is_is_not_explained(self, world):
        assert world.why("status 404 from the gateway") == ""

    @pytest.mark.parametrize(
        ("written", "seconds"), [("1m30s", 90.0), ("1.5s", 1.5), ("100ms", 0.1), ("1h", 3600.0), (None, 0.0)]
    )
    def test_durations_as_go_writes_them(self, written, seconds):
        assert seconds_of(written) == seconds

    def test_how_many_a_fault_is_for(self):
        assert percent_of({"percentage": {"value": 3}}) == 3
        assert percent_of({"fixedDelay": "1s", "percent": 4}) == 4
        assert percent_of({"httpStatus": 500}) == 0
        assert percent_of(None) == 0


class TestTheWay:
    """A host may have routes at several gateways, and several at one."""

    @pytest.fixture
    def world(self, world):
        """Another gateway, edge, whose VirtualService for the same host comes first, and fails on purpose."""
        world.pod("edge-x", "edge", labels={"istio": "edge"})
        servers = [{"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": [HOST]}]
        world.put(ISTIO, "Gateway", "edge", "edge", spec={"selector": {"istio": "edge"}, "servers": servers})
        fault = {"abort": {"httpStatus": 418, "percentage": {"value": 100}}}
        route = [{"destination": {"host": "web-stable.shop.svc.cluster.local"}}]
        spec = {"hosts": [HOST], "gateways": ["edge"], "http": [{"route": route, "fault": fault}]}
        world.put(ISTIO, "VirtualService", "edge", "edge", spec=spec)
        ports = [{"port": 80}]
        world.put("v1", "Service", "edge", "edge", spec={"selector": {"istio": "edge"}, "ports": ports})
        return world

    def test_what_another_gateway_does_is_no_cause(self, world):
        assert world.why("status 418 from the gateway", gateway="gateway") == ""
        assert "VirtualService edge/edge" in world.why("status 418 from the gateway", gateway="edge")

    def test_a_host_that_only_another_gateway_has_is_told_so(self, world):
        del world.cluster.objects[ISTIO, "VirtualService", "shop", "web"]
        said = world.why("status 404 from the gateway", gateway="gateway")
        assert "no route is for GET /color for web.test" in said
        assert "not even of VirtualService edge/edge: by their `gateways`" in said

    def test_of_several_routes_the_one_that_the_request_takes_is_looked_at(self, world):
        gone = {"match": [{"uri": {"prefix": "/other"}}], "route": [{"destination": {"host": "gone"}}]}
        own = {"route": [{"destination": {"host": "web-stable"}}]}
        spec = {"hosts": [HOST], "gateways": ["web"], "http": [gone, own]}
        world.put(ISTIO, "VirtualService", "web", spec=spec)
        world.pod("web-one-x", ready=False, labels={"app": "web"})
        said = world.why("status 503 from the gateway", gateway="gateway")
        assert said == "VirtualService shop/web routes to Service shop/web-stable: none of its 1 pods is ready"


class TestNobodyBehind:
    """Connections that are refused, or that nobody answers: looked for behind the gateway's own Service."""

    def said(self, world, kind=REFUSED, port=80, name="gateway"):
        target = Target("10.0.0.1", 31080, HOST, gateway_port=port, gateway=("istio-ingress", name))
        return why_failed(world.ctx)(kind, target)

    def gone(self, world, replicas: int) -> None:
        del world.cluster.objects["v1", "Pod", "istio-ingress", "gateway-x"]
        template = {"metadata": {"labels": LABELS}}
        spec = {"replicas": replicas, "selector": {"matchLabels": LABELS}, "template": template}
        failed = [{"type": "ReplicaFailure", "status": "True", "message": "exceeded quota: few"}]
        world.put("apps/v1", "Deployment", "gw", "istio-ingress", spec=spec, status={"conditions": failed})

    @pytest.mark.parametrize("kind", [REFUSED, TIMEOUT])
    def test_a_gateway_that_is_scaled_to_0(self, world, kind):
        self.gone(world, 0)
        said = self.said(world, kind)
        assert said.startswith("no pod is behind Service istio-ingress/gateway: Deployment gw is scaled to 0; `kubectl")
        assert "scale deployment gw --replicas 1`" in said

    def test_pods_that_do_not_come(self, world):
        self.gone(world, 1)
        assert "no pod behind Service istio-ingress/gateway is ready (Deployment gw: " in self.said(world)
        assert "exceeded quota: few" in self.said(world)

    def test_a_port_that_the_service_has_not(self, world):
        assert self.said(world, port=3000).startswith("Service istio-ingress/gateway has no port 3000; it has 80, 443")

    def test_a_service_that_is_gone(self, world):
        assert self.said(world, name="other").startswith("there is no Service istio-ingress/other")

    def test_where_nothing_is_found_the_likeliest_is_told(self, world):
        assert self.said(world) == likely_cause(REFUSED, Target("10.0.0.1", 31080, HOST, gateway_port=80))

    def test_a_delay_on_purpose_is_found_behind_a_gateway_that_is_well(self, world):
        world.route(fault={"delay": {"fixedDelay": "7s", "percentage": {"value": 50}}})
        assert "(fault.delay)" in self.said(world, TIMEOUT)

    def test_a_cluster_that_does_not_answer_tells_nothing(self, world):
        world.cluster.refused["get Service gateway"] = ApiError("no answer", None, where="GET")
        assert "has no port" not in self.said(world, port=3000)


class TestTokens:
    POLICY: ClassVar = {"jwtRules": [{"issuer": "https://issuer.test"}]}

    def test_a_token_that_the_gateway_refuses(self, world):
        world.put(SECURITY, "RequestAuthentication", "tokens", "istio-ingress", spec=self.POLICY)
        said = world.why("status 401 from the gateway", authorization="Bearer x")
        assert "the request's token is none that RequestAuthentication istio-ingress/tokens takes" in said

    def test_one_that_the_pods_refuse_or_the_application(self, world):
        world.put(SECURITY, "RequestAuthentication", "tokens", spec=self.POLICY)
        said = world.why("status 401", authorization="Bearer x")
        assert "RequestAuthentication shop/tokens" in said
        assert said.endswith("; or the application itself answers so")

    def test_without_a_token_such_a_policy_keeps_nobody_out(self, world):
        world.put(SECURITY, "RequestAuthentication", "tokens", "istio-ingress", spec=self.POLICY)
        assert world.why("status 401 from the gateway") == ""

    def test_without_a_policy_nothing_is_told(self, world):
        assert world.why("status 401 from the gateway", authorization="Bearer x") == ""


class TestWhereItIsWritten:
    """File and line, where the user's own manifests have the object."""

    FILE = """\
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: few}
spec:
  action: DENY
  rules:
  - to: [{operation: {paths: ["/other"]}}]
  - to: [{operation: {paths: ["/color"]}}]
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: strict}
spec:
  mtls: {mode: STRICT}
---
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {name: tokens}
spec:
  jwtRules:
  - issuer: https://issuer.test
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: web}
spec:
  selector: {istio: ingressgateway}
  servers:
  - port: {number: 80, name: http, protocol: HTTP}
    hosts: [web.test]
  - port: {number: 443, name: https, protocol: HTTPS}
    hosts: [web.test]
    tls:
      mode: SIMPLE
      credentialName: web-cert
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web}
spec:
  hosts: [web.test]
  gateways: [web]
  http:
  - fault: {abort: {httpStatus: 503, percentage: {value: 10}}}
    route: [{destination: {host: web-stable}}]
"""

    @pytest.fixture
    def world(self, world, tmp_path):
        (tmp_path / "app.yaml").write_text(self.FILE)
        stage = ManifestsStage("app", ManifestsOptions(path="app.yaml", namespace="shop"), base=tmp_path)
        world.ctx = context_of(stage, cluster=world.cluster, base=tmp_path)
        for obj in stage.objects(world.ctx):
            world.cluster.put(obj)
        return world

    def line(self, said: str) -> str:
        file, line = said.partition(" (")[2].partition(")")[0].rsplit(":", 1)
        return Path(file).read_text().splitlines()[int(line) - 1].strip()

    def test_of_a_policy_the_rule(self, world):
        assert self.line(world.why("status 403").partition("few")[2]) == '- to: [{operation: {paths: ["/color"]}}]'

    def test_of_a_gateway_the_name_of_the_secret(self, world):
        assert self.line(world.why(CUT, tls=True)) == "credentialName: web-cert"

    def test_of_a_route_the_route(self, world):
        assert self.line(world.why("status 503 from the gateway")).startswith("- fault:")

    def test_of_what_takes_mutual_tls_only_and_of_what_checks_tokens_the_rules(self, world):
        spec = {"host": "web-stable", "trafficPolicy": {"tls": {"mode": "DISABLE"}}}
        world.put(ISTIO, "DestinationRule", "plain", spec=spec)
        world.route()
        said = world.why("status 503 from the gateway")
        assert said.startswith("DestinationRule shop/plain turns TLS off (mode DISABLE), and PeerAuthentication ")
        assert self.line(said.partition("strict")[2]) == "spec:"
        said = world.why("status 401", authorization="Bearer x")
        assert self.line(said.partition("tokens")[2]) == "jwtRules:"

    def test_of_what_somebody_else_made_nothing(self, world):
        world.put(SECURITY, "AuthorizationPolicy", "nothing", "istio-system")
        del world.cluster.objects[SECURITY, "AuthorizationPolicy", "shop", "few"]
        assert world.why("status 403") == "AuthorizationPolicy istio-system/nothing allows nothing: it has no rules"


class TestSecrets:
    def test_one_for_other_hosts_is_unfit(self, pems):
        secret = data(tls_crt=pems[0], tls_key=pems[1])
        assert tls_secrets.unfit_for(secret, HOST) is None
        assert "Hostname mismatch" in str(tls_secrets.unfit_for(secret, "other.test"))
        assert tls_secrets.unfit_for(secret, ".test") is None, "no name that a client could ask for"

    def test_an_expired_one_is_too(self, tmp_path):
        request = "openssl req -new -newkey rsa:2048 -nodes -keyout k.pem -out r.pem -subj /CN=web.test"
        names = ["-addext", f"subjectAltName=DNS:{HOST}"]
        past = "openssl x509 -req -in r.pem -signkey k.pem -days -1 -copy_extensions copy -out c.pem"
        for argv in ([*request.split(), *names], past.split()):
            subprocess.run(argv, cwd=tmp_path, check=True, capture_output=True)
        files = [(tmp_path / name).read_bytes() for name in ("c.pem", "k.pem")]
        assert tls_secrets.unfit_for(data(tls_crt=files[0], tls_key=files[1]), HOST) == "certificate has expired"

    def test_as_a_manifest_writes_it(self, pems):
        written = {"stringData": {"tls.crt": pems[0].decode(), "tls.key": pems[1].decode()}}
        assert tls_secrets.fault_of(written) is None

    def test_nothing_of_the_key_is_left_on_disk(self, pems, tmp_path, monkeypatch):
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
        assert tls_secrets.fault_of(data(tls_crt=pems[0], tls_key=pems[1])) is None
        assert list(tmp_path.iterdir()) == []
