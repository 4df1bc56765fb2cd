"""Whether the version of Kubernetes is one that this minikube knows."""

from __future__ import annotations

from collections.abc import Iterator

from canarylab.contract.provider import Finding
from canarylab.providers.minikube.checks.host import Host
from canarylab.providers.minikube.cluster_settings import start_options
from canarylab.providers.minikube.kubernetes_versions import fit
from canarylab.tools import minikube

_SUBJECT = "Kubernetes version"


def kubernetes(host: Host) -> Iterator[Finding]:
    """The version that a start would be given: the cluster's own, else the playbook's, else that of `node/`."""
    path = host.program(minikube.PROGRAM)
    if path is None:
        return
    there = minikube.parse_version(host.ask(path, *minikube.version()[1:]).stdout)
    others = host.profiles()
    existing = others.pop(host.ctx.profile, None)
    found = fit(there, start_options(host.spec, existing, others.values(), host.system).kubernetes)
    if found.outcome in ("started", "unknown"):
        yield Finding(_SUBJECT, True, found.seen)
        return
    remedy = f"in the playbook: cluster: {{kubernetes: {found.instead}}}"
    if existing:  # minikube refuses to go back (K8S_DOWNGRADE_UNSUPPORTED)
        remedy += f"\n{host.ctx.command('up --recreate')}   (deletes the cluster and creates it again)"
    remedy += f"\nor a newer minikube: {' '.join(host.brewed('upgrade', 'minikube')) or 'https://minikube.sigs.k8s.io'}"
    yield Finding(_SUBJECT, False, found.seen, remedy, fatal=found.outcome == "refused")
