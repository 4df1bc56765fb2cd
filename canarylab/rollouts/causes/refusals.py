"""What the API server refused, in the words of whoever was refused, and what to do: quota, webhook, pod security.

The words are the API server's: apiserver/pkg/admission/plugin/resourcequota/controller.go (`exceeded quota`),
apiserver/pkg/admission/plugin/webhook/errors/statuserror.go and .../mutating/dispatcher.go (`failed calling webhook`),
pod-security-admission/admission/admission.go (`violates PodSecurity`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from canarylab.contract.cause import Cause
from canarylab.errors import CanarylabError, CommandError
from canarylab.kube.client import ApiError
from canarylab.kube.objects import Object, dig, is_terminating, labels_of
from canarylab.kube.workloads import workload_health
from canarylab.rollouts.causes.remedies import kubectl, or_reset
from canarylab.rollouts.causes.unready_service import nobody_behind
from canarylab.rollouts.view import RolloutView

if TYPE_CHECKING:
    from canarylab.contract.context import Context

_QUOTA = re.compile(r"exceeded quota: (?P<name>[^,]+), requested: .*, used: .*, limited: (?P<limited>.*)$", re.DOTALL)
_UNCOUNTED = re.compile(r"failed quota: (?P<name>[^:]+): (?P<must>must specify .*)$", re.DOTALL)
_POD_SECURITY = re.compile(r'violates PodSecurity "(?P<level>[a-z]+):[^"]*": (?P<broken>.*)$', re.DOTALL)
_DENIED = re.compile(r'admission webhook "(?P<webhook>[^"]+)" denied the request')
_UNANSWERED = re.compile(r'failed calling webhook "(?P<webhook>[^"]+)"')
_SERVICE = re.compile(r"https://(?P<name>[a-z0-9-]+)\.(?P<namespace>[a-z0-9-]+)\.svc\b")
_CAPABILITIES = ("NET_ADMIN", "NET_RAW")
_INIT = "istio-init"
"""Istio's init container, which sets up the redirection of traffic, and needs these capabilities for it."""
ENFORCE = "pod-security.kubernetes.io/enforce"


@dataclass(frozen=True)
class Refused:
    """Who was refused pods. `way_back`: whether `demo --reset` is one; `frees`: whether pods are leaving."""

    subject: str
    namespace: str
    way_back: bool = False
    frees: bool = False

    @classmethod
    def of(cls, view: RolloutView) -> Refused:
        """A Rollout: its old ReplicaSets may be scaled down yet, and so make room."""
        leaving = any(pod.terminating for revision in view.revisions for pod in revision.pods)
        frees = leaving or any(one.scales_down_at is not None and one.wanted for one in view.revisions)
        return cls("the Rollout", view.namespace, way_back=True, frees=frees)

    def remedy(self, ctx: Context, words: str) -> str:
        """The remedy, with the way back where there is one."""
        return or_reset(ctx, words) if self.way_back else words


@contextmanager
def explained(ctx: Context, subject: str, namespace: str = "") -> Iterator[None]:
    """An error of writing something says what lies behind it, and the remedy for that, where its words tell of one."""
    try:
        yield
    except (ApiError, CommandError) as error:
        said = error.tail if isinstance(error, CommandError) else error.what
        with suppress(CanarylabError):  # a cluster that can't be asked: then it stays as it is
            if error.remedy is None and (found := refusal(ctx, Refused(subject, namespace), said)):
                more = found.why.removeprefix(said).removeprefix("; ")
                error.why, error.remedy = "; ".join(filter(None, (error.why, more))) or None, found.remedy
        raise


def of_workloads(ctx: Context, objects: Iterable[Object]) -> Cause | None:
    """What refuses pods to the first of the objects that isn't in health for that; Rollouts are looked at by others."""
    for obj in objects:
        if obj["kind"] == "Rollout" or (said := workload_health(ctx.cluster, obj)) is None:
            continue
        namespace = str(dig(obj, "metadata", "namespace") or "")
        leaving = any(map(is_terminating, ctx.cluster.list("v1", "Pod", namespace)))
        about = Refused(f"{obj['kind']} {obj['metadata']['name']}", namespace, frees=leaving)
        if found := refusal(ctx, about, said):
            return found
    return None


def refusal(ctx: Context, about: Refused, said: str) -> Cause | None:
    """The cause and the remedy where these words tell of a refusal; None where they tell of something else."""
    for words, explain in (
        (_QUOTA, _quota),
        (_UNCOUNTED, _uncounted),
        (_POD_SECURITY, _pod_security),
        (_DENIED, _denied),
        (_UNANSWERED, _unanswered),
    ):
        if found := words.search(said):
            return explain(ctx, about, said, found)
    return None


def _quota(ctx: Context, about: Refused, said: str, found: re.Match[str]) -> Cause:
    """Pods that are leaving will give room; so will a quota that was raised since. Else somebody has to."""
    name = found["name"]
    show = kubectl(ctx, about, f"describe resourcequota {name}")
    if _was_changed(ctx.cluster.get("v1", "ResourceQuota", name, about.namespace), found["limited"]):
        return Cause(f"{said}; the quota was changed since, and Kubernetes tries again", f"wait, or see `{show}`")
    remedy = f"`{show}` shows what uses it up: raise the quota, or let {about.subject} ask for less"
    return Cause(said, about.remedy(ctx, remedy), permanent=not about.frees)


def _was_changed(quota: Object | None, limited: str) -> bool:
    """Whether the quota isn't what it was when it refused, so that the next try may succeed."""
    hard = dig(quota, "spec", "hard") or {}
    pairs = (pair.partition("=") for pair in limited.strip().split(","))
    return any(str(hard.get(resource.strip())) != value.strip() for resource, _, value in pairs)


def _uncounted(ctx: Context, about: Refused, said: str, found: re.Match[str]) -> Cause:
    show = kubectl(ctx, about, f"describe resourcequota {found['name']}")
    counted = f"what the quota counts ({found['must']})"
    remedy = f"give the containers of {about.subject}'s template {counted}; `{show}` shows it"
    return Cause(said, about.remedy(ctx, remedy), permanent=True)


def _pod_security(ctx: Context, about: Refused, said: str, found: re.Match[str]) -> Cause:
    """Istio's init container is refused at `baseline`; with Istio's CNI plugin there is none that needs more.

    Source: istio/istio, manifests/charts/istio-control/istio-discovery/files/injection-template.yaml, where
    `.Values.pilot.cni.enabled` puts istio-validation, without capabilities, in the place of istio-init.
    """
    level = found["level"]
    if _INIT not in found["broken"] or not any(one in found["broken"] for one in _CAPABILITIES):
        remedy = f"change {about.subject}'s template so that it meets `{level}`, {_another_level(ctx, about)}"
        return Cause(said, about.remedy(ctx, remedy), permanent=True)
    why = (
        f"{said}; the sidecar's init container {_INIT} needs {' and '.join(_CAPABILITIES)}, which the level `{level}` "
        f"of namespace {about.namespace} forbids, so that no pod with a sidecar can be made there"
    )
    besides = ", `global: {proxy: {seccompProfile: {type: RuntimeDefault}}}`" if level == "restricted" else ""
    remedy = (
        "install Istio's CNI plugin (chart istio/cni, which provider embedded doesn't have, and `pilot: {cni: "
        f"{{enabled: true}}}}`{besides} among the values of istiod), so that pods need no such container; "
        f"{_another_level(ctx, about)}"
    )
    return Cause(why, about.remedy(ctx, remedy), permanent=True)


def _another_level(ctx: Context, about: Refused) -> str:
    """The other way out, as far as it is this namespace's label that asks for the level."""
    if ENFORCE not in labels_of(ctx.cluster.get("v1", "Namespace", about.namespace)):
        return "or have the cluster's administrator exempt the namespace: the level is the API server's own default"
    label = f"{ENFORCE}: privileged"
    command = f"kubectl --context {ctx.cluster.context} label namespace {about.namespace} {ENFORCE}=privileged"
    return f"or let the namespace admit it: `{label}` in the stage that labels it, or `{command} --overwrite`"


def _denied(ctx: Context, about: Refused, said: str, found: re.Match[str]) -> Cause:
    remedy = f"change what was refused so that webhook {found['webhook']} allows it, or ask whoever set it up"
    return Cause(said, about.remedy(ctx, remedy), permanent=True)


def _unanswered(ctx: Context, about: Refused, said: str, found: re.Match[str]) -> Cause:
    """The webhook's Service as it is now: what was said a while ago may be over."""
    context = f"kubectl --context {ctx.cluster.context}"
    if (service := _SERVICE.search(said)) is None:
        remedy = f"make webhook {found['webhook']} answer again"
        return Cause(said, f"{remedy}: `{context} get validatingwebhookconfigurations,mutatingwebhookconfigurations`")
    name, namespace = service["name"], service["namespace"]
    live = ctx.cluster.get("v1", "Service", name, namespace)
    if live is None:
        why = f"{said}; there is no Service {namespace}/{name}, which that webhook asks"
        remedy = f"`{ctx.command('up')}` brings it back if it is the playbook's; else delete the webhook"
        return Cause(why, about.remedy(ctx, remedy), permanent=True)
    if found_out := nobody_behind(ctx, live):
        return replace(found_out, why=f"{said}; {found_out.why}")
    why = f"{said}; Service {namespace}/{name} has a ready pod now"
    return Cause(why, f"it is tried again by itself; `{context} --namespace {namespace} get pods` shows the pods")
