"""What this tool makes of a kubeconfig, held against the real kubectl and Helm: what is sent, and what is refused."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.api_server import ApiServer
from support.certificates import certificate, serving
from support.proxy_servers import HttpProxy, SocksProxy
from support.real_programs import program

from canarylab.errors import MachineError, NotYetObservableError
from canarylab.kube.client import Cluster
from canarylab.providers.existing import user_kubeconfig

KUBECTL, HELM = program("kubectl"), program("helm")
pytestmark = [
    pytest.mark.skipif(not KUBECTL.exists(), reason="kubectl isn't built here; `invoke up` builds it"),
    pytest.mark.timeout(120),
]
IDENTITY = ("authorization", "impersonate-")
NAME = "api.internal.example.com"
EXEC = {"apiVersion": "client.authentication.k8s.io/v1", "command": "sh", "interactiveMode": "Never"}
GIVES = (
    """printf '{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": "e"}}'"""
)


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The server's certificate, whose only name is NAME, a client's, and other files that a kubeconfig names."""
    folder = tmp_path_factory.mktemp("pki")
    certificate(folder, f"DNS:{NAME}", stem="server")
    certificate(folder, "DNS:client", stem="client")
    (folder / "token").write_text("from-a-file\n")
    (folder / "empty").write_text("")
    return folder


@pytest.fixture
def api(pki: Path) -> Iterator[ApiServer]:
    with ApiServer(serving(pki / "server.pem", pki / "server-key.pem")) as server:
        server.replies["GET /readyz"] = (200, "ok")
        server.replies["GET /version"] = (200, {"major": "1", "minor": "36", "gitVersion": "v1.36.3"})
        yield server


def write(folder: Path, server: str, cluster: dict[str, Any], user: dict[str, Any], **context: Any) -> Path:
    file = folder / "kubeconfig.yaml"
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "",
        "clusters": [{"name": "team", "cluster": {"server": server, **cluster}}],
        "users": [{"name": "me", "user": user}],
        "contexts": [{"name": "team", "context": {"cluster": "team", "user": "me", **context}}],
    }
    file.write_text(yaml.safe_dump({key: value for key, value in content.items() if value is not None}))
    return file


def kubectl(file: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    argv = [KUBECTL, "--kubeconfig", file, "--context", "team", "get", "--raw", "/readyz"]
    clean = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    clean["GOGC"] = "off"  # it lives too shortly for its collector to be worth its while
    return subprocess.run(argv, env={**clean, **environment}, capture_output=True, text=True, timeout=60, check=False)


def identity(api: ApiServer) -> list[tuple[str, str]]:
    """As whom the last request came, without regard to order."""
    return sorted(header for header in api.requests[-1].headers if header[0].startswith(IDENTITY))


SECURE = {"tls-server-name": NAME, "certificate-authority": "server.pem"}
USERS: dict[str, dict[str, Any]] = {
    "token": {"token": "abc"},
    "token file": {"tokenFile": "token"},
    "token file before token": {"token": "abc", "tokenFile": "token"},
    "token file to come": {"token": "abc", "tokenFile": "not-there"},
    "password": {"username": "me", "password": "word"},
    "user name alone": {"username": "me"},
    "certificate": {"client-certificate": "client.pem", "client-key": "client-key.pem"},
    "certificate and token": {"client-certificate": "client.pem", "client-key": "client-key.pem", "token": "abc"},
    "program": {"exec": {**EXEC, "args": ["-c", GIVES]}},
    "program and token": {"exec": {**EXEC, "args": ["-c", GIVES]}, "token": "abc"},
    "program and password": {"exec": {**EXEC, "args": ["-c", GIVES]}, "username": "me"},
    "case 28": {"token": "abc", "as": "viewer@example.com", "as-groups": ["viewers"]},
    "all of as": {
        "token": "abc",
        "as": "Jürgen",
        "as-uid": "4711",
        "as-groups": ["viewers", "system:authenticated"],
        "as-user-extra": {"scopes": ["view", "write"], "acme.com/Project 100%": ["a b"]},
    },
}


@pytest.mark.parametrize("user", USERS.values(), ids=USERS)
@pytest.mark.parametrize("scheme", ["https", "http"])
def test_the_same_user_is_told_to_the_api_server(
    api: ApiServer, pki: Path, user: dict[str, Any], scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over plain HTTP, too: there the credentials stay at home."""
    with ApiServer() as plain:
        plain.replies["GET /readyz"] = (200, "ok")
        asked = api if scheme == "https" else plain
        file = write(pki, asked.url, SECURE if scheme == "https" else {}, user)
        assert kubectl(file).stdout == "ok"
        theirs = identity(asked)
        monkeypatch.setenv("KUBECONFIG", str(file))
        assert Cluster(pki / "copy", "team", config=user_kubeconfig.single("team"), by_proxy=True).ready() is None
        assert identity(asked) == theirs
        assert len(asked.requests) == 2


@pytest.mark.skipif(not HELM.exists(), reason="helm isn't built here")
def test_helm_comes_as_the_same_user(api: ApiServer, pki: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the copy of the context that it is given."""
    file = write(pki, api.url, SECURE, USERS["all of as"])
    monkeypatch.setenv("KUBECONFIG", str(file))
    single = user_kubeconfig.single("team")
    Cluster(pki / "copy", "team", config=single).ready()
    ours = identity(api)
    copy = pki / "elsewhere" / "kubeconfig"
    copy.parent.mkdir(exist_ok=True)
    copy.write_text(yaml.safe_dump(single))
    argv = [HELM, "list", "--kubeconfig", copy, "--kube-context", "team", "--namespace", "x"]
    subprocess.run(argv, capture_output=True, timeout=60, check=False)
    assert len(api.requests) > 1
    assert identity(api) == ours != []


FINE: dict[str, dict[str, Any]] = {
    "tls-server-name": SECURE,
    "not verified": {"insecure-skip-tls-verify": True},
    "compression": {**SECURE, "disable-compression": True},
    "unknown fields": {**SECURE, "nobody-knows": {"this": 1}},
    "nothing said": {**SECURE, "proxy-url": "", "extensions": None},
}
REFUSED_CLUSTERS: dict[str, dict[str, Any]] = {
    "another name": {"certificate-authority": "server.pem"},
    "wrong name": {**SECURE, "tls-server-name": "other.example.com"},
    "unknown authority": {"tls-server-name": NAME},
    "both authorities": {**SECURE, "certificate-authority-data": "QQ=="},
    "authority and none": {**SECURE, "insecure-skip-tls-verify": True},
    "no such file": {"certificate-authority": "not-there.pem"},
    "no certificate": {"certificate-authority": "token"},
    "no base64": {"certificate-authority-data": "not base64!"},
    "text for a flag": {"insecure-skip-tls-verify": "true"},
    "number for a text": {**SECURE, "tls-server-name": 5},
    "socks5h": {**SECURE, "proxy-url": "socks5h://127.0.0.1:9"},
    "socks": {**SECURE, "proxy-url": "socks://127.0.0.1:9"},
    "no URL": {**SECURE, "proxy-url": "127.0.0.1:9"},
    "no server": {**SECURE, "server": ""},
    "ftp": {**SECURE, "server": "ftp://127.0.0.1"},
}
REFUSED_USERS: dict[str, dict[str, Any]] = {
    "token and password": {"token": "abc", "username": "me"},
    "certificate twice": {
        "client-certificate": "client.pem",
        "client-certificate-data": "QQ==",
        "client-key": "client-key.pem",
    },
    "key twice": {"client-certificate": "client.pem", "client-key": "client-key.pem", "client-key-data": "QQ=="},
    "certificate alone": {"client-certificate": "client.pem"},
    "certificate not there": {"client-certificate": "no.pem", "client-key": "client-key.pem"},
    "token file not there": {"tokenFile": "no"},
    "groups alone": {"token": "abc", "as-groups": ["viewers"]},
    "uid alone": {"token": "abc", "as-uid": "1"},
    "extra alone": {"token": "abc", "as-user-extra": {"a": ["b"]}},
    "groups as text": {"token": "abc", "as": "me", "as-groups": "viewers"},
    "extra as text": {"token": "abc", "as": "me", "as-user-extra": {"a": "b"}},
    "number for a token": {"token": 123},
    "line in a token": {"token": "abc\n"},
    "line in a name": {"token": "abc", "as": "me\nyou"},
    "auth-provider": {"auth-provider": {"name": "gcp"}},
    "program without version": {"exec": {"command": "sh", "interactiveMode": "Never"}},
    "program of an old version": {"exec": {**EXEC, "apiVersion": "client.authentication.k8s.io/v1alpha1"}},
    "program without mode": {"exec": {key: EXEC[key] for key in ("apiVersion", "command")}},
    "program of another mode": {"exec": {**EXEC, "interactiveMode": "never"}},
    "program without name": {"exec": {**EXEC, "command": ""}},
    "program without value": {"exec": {**EXEC, "env": [{"name": "", "value": "x"}]}},
    "number for an argument": {"exec": {**EXEC, "args": ["-c", 5]}},
    "program that is not there": {"exec": {**EXEC, "command": "no-such-program"}},
    "program that gives nothing": {"exec": {**EXEC, "args": ["-c", "true"]}},
    "program of another version": {"exec": {**EXEC, "args": ["-c", GIVES.replace("k8s.io/v1", "k8s.io/v1beta1")]}},
    "program without a key": {"exec": {**EXEC, "args": ["-c", GIVES.replace('"token"', '"clientCertificateData"')]}},
    "program with nobody to ask": {"exec": {**EXEC, "args": ["-c", GIVES], "interactiveMode": "Always"}},
}


@pytest.mark.parametrize("cluster", FINE.values(), ids=FINE)
def test_what_kubectl_connects_by_we_connect_by(
    api: ApiServer, pki: Path, cluster: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(pki, api.url, cluster, {"token": "abc"})
    assert kubectl(file).stdout == "ok"
    gzip = [header for header in api.requests[-1].headers if header == ("accept-encoding", "gzip")]
    monkeypatch.setenv("KUBECONFIG", str(file))
    assert Cluster(pki / "copy", "team", config=user_kubeconfig.single("team"), by_proxy=True).ready() is None
    assert ("gzip" in dict(api.requests[-1].headers)["accept-encoding"]) == bool(gzip)


@pytest.mark.parametrize(
    ("cluster", "user"),
    [
        *(pytest.param(cluster, {"token": "abc"}, id=name) for name, cluster in REFUSED_CLUSTERS.items()),
        *(pytest.param(SECURE, user, id=name) for name, user in REFUSED_USERS.items()),
    ],
)
def test_what_kubectl_refuses_we_refuse_with_words(
    api: ApiServer, pki: Path, cluster: dict[str, Any], user: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By an error that has a remedy, or as a cluster that doesn't answer; never by one that is a bug of ours."""
    file = write(pki, api.url, cluster, user)
    assert kubectl(file).returncode != 0
    monkeypatch.setenv("KUBECONFIG", str(file))
    api.requests.clear()
    try:
        said = Cluster(pki / "copy", "team", config=user_kubeconfig.single("team"), by_proxy=True).ready()
    except (MachineError, NotYetObservableError) as error:
        assert error.remedy
    else:
        assert said
    assert not api.requests


@pytest.mark.parametrize(
    ("environment", "is_asked"),
    [
        ({"HTTPS_PROXY": "socks5://PROXY"}, True),
        ({"https_proxy": "socks5h://PROXY"}, True),
        ({"ALL_PROXY": "socks5://PROXY"}, False),
        *(
            ({"HTTPS_PROXY": "http://PROXY", "NO_PROXY": rule}, is_asked)
            for rule, is_asked in [
                (f".{NAME.partition('.')[2]}.invalid", False),
                (f"*.{NAME.partition('.')[2]}.invalid", False),
                (f"*{NAME.partition('.')[2]}.invalid", True),
                (f"{NAME}.invalid:6443", False),
                (f"{NAME}.invalid:443", True),
                (f".{NAME}.invalid", True),
                ("other.test, INVALID", False),
                ("*", False),
            ]
        ),
    ],
)
def test_the_same_proxy_of_the_environment_is_asked(
    api: ApiServer, pki: Path, environment: dict[str, str], is_asked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = HttpProxy if "http://PROXY" in environment.values() else SocksProxy
    with kind(api.port) as proxy:
        file = write(pki, f"https://{NAME}.invalid:6443", SECURE, {"token": "abc"})
        variables = {name: value.replace("PROXY", f"127.0.0.1:{proxy.port}") for name, value in environment.items()}
        assert (kubectl(file, **variables).stdout == "ok") == is_asked
        theirs = list(proxy.asked)
        for name in ("HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
            monkeypatch.delenv(name.lower(), raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("KUBECONFIG", str(file))
        said = Cluster(pki / "copy", "team", config=user_kubeconfig.single("team"), by_proxy=True).ready()
        assert (said is None) == is_asked
        assert theirs == ([(f"{NAME}.invalid", 6443)] if is_asked else [])
        assert proxy.asked == theirs * 2


@pytest.mark.parametrize(("kind", "scheme"), [(SocksProxy, "socks5"), (HttpProxy, "http")])
def test_the_same_proxy_of_the_kubeconfig_is_asked(
    api: ApiServer, pki: Path, kind: type[SocksProxy | HttpProxy], scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the password of its URL, and by another name than the certificate's."""
    with kind(api.port) as proxy:
        url = f"{scheme}://me:word@127.0.0.1:{proxy.port}"
        file = write(pki, f"https://{NAME}.invalid:6443", {**SECURE, "proxy-url": url}, {"token": "abc"})
        assert kubectl(file).stdout == "ok"
        monkeypatch.setenv("KUBECONFIG", str(file))
        assert Cluster(pki / "copy", "team", config=user_kubeconfig.single("team"), by_proxy=True).ready() is None
        assert proxy.asked == [(f"{NAME}.invalid", 6443)] * 2
        assert proxy.logins == ["me:word"] * 2
