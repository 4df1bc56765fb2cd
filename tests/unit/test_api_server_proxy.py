"""By which proxy the API server is asked: as kubectl and Helm do."""

from __future__ import annotations

import socket
import threading
from typing import Any

import pytest
import yaml
from support.api_server import ApiServer
from support.certificates import certificate, serving
from support.proxy_servers import HttpProxy, SocksProxy

from canarylab.errors import MachineError
from canarylab.kube.api_server_proxy import Route, route
from canarylab.kube.client import ApiError, Cluster
from canarylab.providers.existing import user_kubeconfig

SERVER = "https://api.team.example.invalid:6443"
VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def case(isolated_home, monkeypatch):
    """Case 25: a cluster behind a bastion, whose name only the bastion knows."""

    def write(**cluster):
        file = isolated_home / "team.yaml"
        entry = {"server": SERVER, "insecure-skip-tls-verify": True, **cluster}
        file.write_text(
            yaml.safe_dump(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "current-context": "",
                    "preferences": {},
                    "clusters": [{"name": "team", "cluster": entry}],
                    "users": [{"name": "me", "user": {"token": "abc"}}],
                    "contexts": [{"name": "team", "context": {"cluster": "team", "user": "me"}}],
                }
            )
        )
        monkeypatch.setenv("KUBECONFIG", str(file))
        return Cluster(file, "team", config=user_kubeconfig.single("team"), by_proxy=True)

    return write


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    return certificate(tmp_path_factory.mktemp("tls"), "DNS:api.team.example.invalid")


@pytest.fixture
def proxy(pair):
    """A SOCKS proxy that leads to the API server."""
    with ApiServer(serving(*pair)) as api, SocksProxy(api.port) as socks:
        api.replies["GET /readyz"] = (200, "ok")
        yield socks


# -- SOCKS ------------------------------------------------------------------------------------------------------------


def test_a_socks_proxy_of_the_kubeconfig_is_asked_and_looks_the_name_up(case, proxy):
    assert case(**{"proxy-url": f"socks5://127.0.0.1:{proxy.port}"}).ready() is None
    assert proxy.asked == [("api.team.example.invalid", 6443)]


def test_the_proxy_is_told_the_user_and_the_password_of_its_url(case, proxy):
    assert case(**{"proxy-url": f"socks5://me:secret@127.0.0.1:{proxy.port}"}).ready() is None
    assert proxy.logins == ["me:secret"]


@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy"])
def test_a_socks_proxy_of_the_environment_is_asked(case, proxy, monkeypatch, variable, scheme):
    monkeypatch.setenv(variable, f"{scheme}://127.0.0.1:{proxy.port}")
    assert case().ready() is None
    assert proxy.asked == [("api.team.example.invalid", 6443)]


def test_the_kubeconfigs_proxy_goes_before_the_environments(case, proxy, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "socks://127.0.0.1:9")
    assert case(**{"proxy-url": f"socks5://127.0.0.1:{proxy.port}"}).ready() is None


@pytest.mark.parametrize("scheme", ["socks5h", "socks", "socks4", "ftp"])
def test_a_scheme_that_kubectl_refuses_in_a_kubeconfig_is_refused_with_the_line_and_what_to_write(case, scheme):
    """client-go, tools/clientcmd/helpers.go, parseProxyURL."""
    with pytest.raises(MachineError) as caught:
        case(**{"proxy-url": f"{scheme}://127.0.0.1:1080"})
    assert caught.value.exit_code == 3
    assert "proxy-url: unsupported scheme" in str(caught.value)
    assert "team.yaml:5" in str(caught.value)
    assert "socks5://" in str(caught.value.remedy)


def test_gnomes_spelling_in_the_environment_is_refused_with_the_right_one(case, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "socks://me:secret@127.0.0.1:1080")
    with pytest.raises(MachineError) as caught:
        case()
    assert caught.value.exit_code == 3
    assert "HTTPS_PROXY is socks://127.0.0.1:1080" in str(caught.value)
    assert "export HTTPS_PROXY=socks5://HOST:PORT" in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("value", ["socks5://127.0.0.1:1080", "socks://127.0.0.1:1080"])
def test_all_proxy_is_not_asked_as_kubectl_does_not_ask_it_and_that_is_said(case, monkeypatch, value):
    """Go's ProxyFromEnvironment reads HTTP_PROXY, HTTPS_PROXY and NO_PROXY."""
    monkeypatch.setenv("ALL_PROXY", value)
    said = case().ready()
    assert "ALL_PROXY isn't used: kubectl and Helm only read HTTPS_PROXY" in str(said)


def test_who_does_not_answer_is_said_with_the_proxy_that_was_asked(case):
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    cluster = case(**{"proxy-url": f"socks5://me:secret@127.0.0.1:{port}"})
    note = f"(through the proxy socks5://127.0.0.1:{port}, from proxy-url in the kubeconfig)"
    assert note in str(cluster.ready())
    with pytest.raises(ApiError) as caught:
        cluster.list("v1", "Pod")
    assert note in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x04\x5a\x00\x00", b""])
def test_what_speaks_no_socks_is_an_error_of_the_connection(case, answer):
    with socket.create_server(("127.0.0.1", 0)) as server:

        def reply():
            client, _ = server.accept()
            with client:
                client.recv(64)
                client.sendall(answer)

        threading.Thread(target=reply, daemon=True).start()
        cluster = case(**{"proxy-url": f"socks5://127.0.0.1:{server.getsockname()[1]}"})
        assert "the proxy doesn't speak SOCKS5" in str(cluster.ready())


def test_a_certificate_of_another_name_is_verified_through_an_http_proxy_too(case, tmp_path):
    named = certificate(tmp_path, "DNS:api.internal.example.com")
    with ApiServer(serving(*named)) as api, HttpProxy(api.port) as http:
        api.replies["GET /readyz"] = (200, "ok")
        cluster: dict[str, Any] = {"proxy-url": f"http://127.0.0.1:{http.port}"}
        cluster["certificate-authority"] = str(named[0])
        cluster["insecure-skip-tls-verify"] = False
        assert case(**cluster, **{"tls-server-name": "api.internal.example.com"}).ready() is None
        assert "CERTIFICATE_VERIFY_FAILED" in str(case(**cluster).ready())
    assert http.asked == [("api.team.example.invalid", 6443)] * 2


# -- which of them ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environment", "proxy"),
    [
        ({}, None),
        ({"HTTPS_PROXY": "http://p:3128"}, "http://p:3128"),
        ({"https_proxy": "http://p:3128"}, "http://p:3128"),
        ({"HTTPS_PROXY": "http://big:1", "https_proxy": "http://small:1"}, "http://big:1"),
        ({"HTTPS_PROXY": "p:3128"}, "http://p:3128"),
        ({"HTTP_PROXY": "http://p:3128"}, None),
        *(
            ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": rule}, proxy)
            for rule, proxy in [
                ("*", None),
                ("api.team.example.invalid", None),
                ("API.team.example.invalid", None),
                ("example.invalid", None),
                (".example.invalid", None),
                ("*.example.invalid", None),
                ("other.test, example.invalid", None),
                ("api.team.example.invalid:6443", None),
                ("api.team.example.invalid:443", "http://p:1"),
                (".api.team.example.invalid", "http://p:1"),
                ("ample.invalid", "http://p:1"),
                ("*ample.invalid", "http://p:1"),
                ("10.0.0.0/8", "http://p:1"),
                (",", "http://p:1"),
            ]
        ),
    ],
)
def test_the_environment_is_read_as_go_reads_it(environment, proxy):
    assert route(SERVER, None, environment).proxy == proxy


@pytest.mark.parametrize(
    ("server", "rule", "is_asked"),
    [
        ("https://10.1.2.3:6443", "10.0.0.0/8", False),
        ("https://10.1.2.3:6443", "10.1.2.3", False),
        ("https://10.1.2.3:6443", "10.1.2.3:6443", False),
        ("https://10.1.2.3:6443", "10.1.2.3:443", True),
        ("https://10.1.2.3", "10.1.2.3:443", False),
        ("https://11.1.2.3:6443", "10.0.0.0/8", True),
        ("https://11.1.2.3:6443", "2.3", True),
        ("https://[fd00::1]:6443", "fd00::/8", False),
        ("https://[fd00::1]:6443", "[fd00::1]:6443", False),
        ("https://[fd00::1]:6443", "fd00::1", False),
        ("https://[fd00::1]:6443", "fd00::2", True),
        ("https://localhost:6443", "", False),
        ("https://127.0.0.1:6443", "", False),
        ("https://127.8.8.8:6443", "", False),
        ("https://[::1]:6443", "", False),
        ("https://localhost.example.invalid", "", True),
    ],
)
def test_addresses_and_this_machine_itself(server, rule, is_asked):
    found = route(server, None, {"HTTPS_PROXY": "http://p:1", "NO_PROXY": rule})
    assert found.proxy == ("http://p:1" if is_asked else None)


def test_plain_http_has_its_own_variable():
    assert route("http://api.example.invalid", None, {"HTTP_PROXY": "http://p:1"}).proxy == "http://p:1"
    assert route("http://api.example.invalid", None, {"HTTPS_PROXY": "http://p:1"}) == Route()


def test_a_proxy_of_the_kubeconfig_is_asked_for_this_machine_too():
    assert route("https://127.0.0.1:6443", "http://p:1", {"NO_PROXY": "*"}).proxy == "http://p:1"


@pytest.mark.parametrize("value", ["http://p:port", "http://[::1", "gopher://p:70", "https://"])
def test_what_is_no_proxy_is_refused_only_where_it_would_be_asked(value):
    with pytest.raises(MachineError, match="HTTPS_PROXY") as caught:
        route(SERVER, None, {"HTTPS_PROXY": value})
    assert caught.value.remedy
    assert route("https://127.0.0.1:6443", None, {"HTTPS_PROXY": value}) == Route()
