"""minikube's reasons: id, exit code (pkg/minikube/reason) and advice. Texts are recorded, or from mk#N."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Reason:
    """`advice` is printed as it is in JSON, its {{.names}} not filled in: minikube only fills them in as text."""

    id: str
    exit: int
    advice: str = ""
    url: str = ""
    issues: tuple[int, ...] = ()
    mark: str = "X"
    """What stands before it in text: a reason with a style of its own has a star."""


USAGE = Reason("MK_USAGE", 14)
UNIMPLEMENTED = Reason("MK_UNIMPLEMENTED", 16)
ADDON_ENABLE = Reason("MK_ADDON_ENABLE", 10)
NOT_FOUND_SOCKET_VMNET = Reason(  # mk#16342
    "NOT_FOUND_SOCKET_VMNET",
    15,
    "\n\n\t\tsocket_vmnet was not found on the system, resolve by:\n\n\t\tOption 1) Installing socket_vmnet:\n\n"
    "\t\t  https://minikube.sigs.k8s.io/docs/drivers/qemu/#networking\n\n\t\tOption 2) Using the user network:\n\n"
    "\t\t  minikube start{{.profile}} --driver qemu --network user\n\t\t",
)
INSUFFICIENT_MEMORY = Reason("RSRC_INSUFFICIENT_REQ_MEMORY", 23)
INSUFFICIENT_CORES = Reason("RSRC_INSUFFICIENT_CORES", 29)
OVER_ALLOC_MEM = Reason(
    "RSRC_OVER_ALLOC_MEM", 10, "Start minikube with less memory allocated: 'minikube start --memory={{.advised}}mb'"
)
DRV_NOT_DETECTED = Reason("DRV_NOT_DETECTED", 55)
DRV_UNSUPPORTED_OS = Reason("DRV_UNSUPPORTED_OS", 56)
DRV_UNSUPPORTED_PROFILE = Reason("DRV_UNSUPPORTED_PROFILE", 56)
DRV_AS_ROOT = Reason("DRV_AS_ROOT", 57)
SOCKET_VMNET_DENIED = Reason(
    "PR_QEMU_SOCKET_VMNET_DENIED",
    60,
    "socket_vmnet is installed but not running: `sudo brew services start socket_vmnet`",  # [U] words are ours
    "https://minikube.sigs.k8s.io/docs/drivers/qemu/#networking",
)
QEMU_NOT_FOUND = Reason(
    "PROVIDER_QEMU2_NOT_FOUND", 65, "Install qemu-system", "https://minikube.sigs.k8s.io/docs/reference/drivers/qemu/"
)
BOOTPD_FIREWALL = Reason("IF_BOOTPD_FIREWALL", 70, "Your firewall is blocking bootpd")  # [U] the advice
GUEST_PROVISION = Reason("GUEST_PROVISION", 80)
GUEST_START = Reason("GUEST_START", 80)
GUEST_IMAGE_LOAD = Reason("GUEST_IMAGE_LOAD", 80)
DRIVER_MISMATCH = Reason(
    "GUEST_DRIVER_MISMATCH",
    81,
    "Delete the existing '{{.name}}' cluster using: '{{.delcommand}}', or start the existing '{{.name}}' cluster "
    "using: '{{.command}} --driver={{.old}}'",
)
K8S_FAIL_CONNECT = Reason("K8S_FAIL_CONNECT", 40)
K8S_OLD_UNSUPPORTED = Reason("K8S_OLD_UNSUPPORTED", 106)
K8S_DOWNGRADE_UNSUPPORTED = Reason(
    "K8S_DOWNGRADE_UNSUPPORTED",
    106,
    "1) Recreate the cluster with Kubernetes {{.new}}, by running:\n\t  \n\t\t  minikube delete{{.profile}}\n"
    "\t\t  minikube start{{.profile}} --kubernetes-version={{.prefix}}{{.new}}\n",
)
TUNNEL_START = Reason("SVC_TUNNEL_START", 110)
TUNNEL_ALREADY_RUNNING = Reason("TUNNEL_ALREADY_RUNNING", 111, mark="*")
