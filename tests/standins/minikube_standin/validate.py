"""What `start` looks at before it does anything: the refusals of cmd/minikube/cmd/start.go, in its order."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Any

from . import faults, reasons
from .errors import StandinError
from .flags import Parsed
from .home import Home, System
from .output import Output

OLDEST, NEWEST = (1, 28, 0), (1, 36, 2)
"""Kubernetes versions that this minikube supports (recorded)."""
RELEASED_NEWEST = (1, 35, 1)
"""What the module of v1.38.1 has: the recording is of its main branch, which says the same version of itself."""
VERSION_LIST = ((1, 36, 3),)
"""Newer ones that it knows nevertheless (recorded)."""
DEFAULT_KUBERNETES = "v1.35.1"
RUNTIMES = ("docker", "cri-o", "containerd")
_RUNTIME_ALIASES = {"crio": "cri-o"}
_DRIVER_ALIASES = {"qemu": "qemu2"}
_DRIVERS = {
    "darwin/arm64": ("qemu2", "vfkit", "krunkit", "parallels", "docker", "podman", "ssh"),
    "darwin/amd64": ("qemu2", "vfkit", "hyperkit", "virtualbox", "parallels", "docker", "podman", "ssh"),
    "linux/amd64": ("qemu2", "kvm2", "virtualbox", "docker", "podman", "none", "ssh"),
    "linux/arm64": ("qemu2", "kvm2", "docker", "podman", "none", "ssh"),
}
CONTAINERS = ("docker", "podman")
"""Drivers whose machine is a container."""
_MINIMUM_MEMORY, _RECOMMENDED_MEMORY, _MINIMUM_CPUS = 1800, 1900, 2
_UNITS = {"": 1, "m": 1, "mb": 1, "g": 1024, "gb": 1024, "k": 1 / 1024, "kb": 1 / 1024, "b": 1 / (1 << 20)}
BUILTIN_ADDRESS = "10.0.2.15"
"""Of every machine on qemu's builtin network."""


@dataclass(frozen=True)
class Laptop:
    """What this machine is taken to have: $STANDIN_CPUS (8) and $STANDIN_MEMORY in MB (16384)."""

    cpus: int
    memory: int

    @classmethod
    def here(cls) -> Laptop:
        return cls(int(os.environ.get("STANDIN_CPUS", "8")), int(os.environ.get("STANDIN_MEMORY", "16384")))


class Validation:
    """One `start`, looked at. `existing` is the profile's configuration where there is one."""

    def __init__(self, home: Home, profile: str, flags: Parsed, out: Output) -> None:
        self._home = home
        self._profile = profile
        self._flags = flags
        self._out = out
        self._system = System.here()
        self.existing = home.load(profile)
        self.driver = ""

    def before_driver(self) -> None:
        """The first line, the environment, the profile's name, the driver's name, the Kubernetes version."""
        named = "" if self._profile == "minikube" else f"[{self._profile}] "
        self._out.step("Initial Minikube Setup", f"{named}minikube v1.38.1 on {self._system.title}")
        for key, value in os.environ.items():
            if key.startswith("MINIKUBE_") or key == "KUBECONFIG":
                self._out.info(f"{key}={value}")
        if self._forced:
            self._out.warning(
                "minikube skips various validations when --force is supplied; this may lead to unexpected behavior"
            )
        if not re.fullmatch(r"[a-zA-Z0-9][a-zA-Z0-9-]+", self._profile):
            self._out.warning(f"Profile name '{self._profile}' is not valid")
            self._out.exit(
                reasons.USAGE,
                "Only alphanumeric and dashes '-' are permitted. Minimum 2 characters, starting with alphanumeric.",
            )
        self._driver()
        self._kubernetes()

    @property
    def _forced(self) -> bool:
        return self._flags.on("force")

    def _refuse(self, reason: reasons.Reason, message: str) -> None:
        """End, or with --force only say so (recorded)."""
        if not self._forced:
            self._out.exit(reason, message)
        self._out.refuse(reason, message)

    # -- driver -------------------------------------------------------------------------------------------------------

    def _driver(self) -> None:
        wanted = self._flags.get("driver") or self._flags.get("vm-driver")
        wanted = _DRIVER_ALIASES.get(wanted, wanted)
        before = self.existing["Driver"] if self.existing else ""
        self.driver = wanted or before
        if not self.driver:
            raise StandinError("minikube start without --driver: which one it would choose isn't stood in for")
        if before and wanted and wanted != before:
            self._mismatch(before, wanted)
        if self.driver not in _DRIVERS.get(str(self._system), ()):
            message = f"The driver '{self.driver}' is not supported on {self._system}"
            self._out.exit(reasons.DRV_UNSUPPORTED_OS, message)

    def _mismatch(self, before: str, wanted: str) -> None:
        if self._flags.on("delete-on-failure"):
            self._out.warning(
                f"Deleting existing cluster {self._profile} with different driver {before} due to "
                "--delete-on-failure flag set by the user. "
            )
            from .lifecycle import delete_profile

            delete_profile(self._home, self._profile, self._out)
        self._out.exit(
            reasons.DRIVER_MISMATCH,
            f'The existing "{self._profile}" cluster was created using the "{before}" driver, which is incompatible '
            f'with requested "{wanted}" driver.',
        )

    # -- Kubernetes ---------------------------------------------------------------------------------------------------

    @property
    def kubernetes(self) -> str:
        """The wanted version, with its v."""
        before = self.existing["KubernetesConfig"]["KubernetesVersion"] if self.existing else DEFAULT_KUBERNETES
        said = self._flags.get("kubernetes-version") or before
        if said in ("stable", "latest"):
            raise StandinError(f"--kubernetes-version {said}: pass a number, it changes with every minikube")
        return "v" + str(said).removeprefix("v")

    def _kubernetes(self) -> None:
        version = self.kubernetes
        number = _number(version)
        bare = version.removeprefix("v")
        hint = "Use `minikube config defaults kubernetes-version` for details."
        if self.existing and number < _number(self.existing["KubernetesConfig"]["KubernetesVersion"]):
            before = self.existing["KubernetesConfig"]["KubernetesVersion"]
            self._out.exit(
                reasons.K8S_DOWNGRADE_UNSUPPORTED,
                f"Unable to safely downgrade existing Kubernetes {before} cluster to {version}",
            )
        if faults.on("no-github") and number > RELEASED_NEWEST:
            self._out.exit(
                reasons.K8S_FAIL_CONNECT,
                "error fetching Kubernetes version list from GitHub: Get "
                f'"https://api.github.com/repos/kubernetes/kubernetes/releases/tags/{version}": dial tcp: no such host',
                box=True,
            )
        if number > NEWEST:
            newest = ".".join(map(str, NEWEST))
            self._out.warning(
                f"Specified Kubernetes version {bare} is newer than the newest supported version: v{newest}. {hint}"
            )
            if number not in VERSION_LIST:
                raise StandinError(f"Kubernetes {version}: minikube would look it up on the internet")
            self._out.info(f"Kubernetes version {bare} found in version list", "* ")
        if number < OLDEST:
            oldest = ".".join(map(str, OLDEST))
            self._out.warning(
                f"Specified Kubernetes version {bare} is less than the oldest supported version: v{oldest}. {hint}"
            )
            self._refuse(reasons.K8S_OLD_UNSUPPORTED, f"Kubernetes {bare} is not supported by this release of minikube")

    # -- flags --------------------------------------------------------------------------------------------------------

    def with_driver(self) -> None:
        """The driver's own conditions, then cores, memory, runtime, user."""
        how = "existing profile" if self.existing else "user configuration"
        self._out.step("Selecting Driver", f"Using the {self.driver} driver based on {how}")
        if self.driver == "none" and self._profile != "minikube":
            self._out.exit(
                reasons.DRV_UNSUPPORTED_PROFILE,
                "The 'none driver does not support multiple profiles: "
                "https://minikube.sigs.k8s.io/docs/reference/drivers/none/",
            )
        if self.driver == "qemu2" and faults.on("qemu-missing"):
            self._out.exit(
                reasons.QEMU_NOT_FOUND,
                "The 'qemu2' provider was not found: exec: \"qemu-system-aarch64\": executable file not found in $PATH",
            )
        self._runtime()
        self._cores()
        self._memory()
        self._user()
        if not self._flags.given("container-runtime"):
            self._out.warning(
                'Starting v1.39.0, minikube will default to "containerd" container runtime. See #21973 for more info.'
            )

    @property
    def runtime(self) -> str:
        before = self.existing["KubernetesConfig"]["ContainerRuntime"] if self.existing else "docker"
        said = self._flags.get("container-runtime") or before
        return _RUNTIME_ALIASES.get(said, said)

    def _runtime(self) -> None:
        if self.runtime not in RUNTIMES:
            valid = " ".join(RUNTIMES)
            self._out.exit(reasons.USAGE, f"Invalid Container Runtime: {self.runtime}. Valid runtimes are: [{valid}]")
        is_vm = self.driver not in (*CONTAINERS, "none", "ssh")
        if self.runtime == "cri-o" and is_vm and self._system.architecture == "arm64":
            self._out.exit(
                reasons.UNIMPLEMENTED,
                "arm64 VM drivers do not currently support the crio container runtime. "
                "See https://github.com/kubernetes/minikube/issues/14146 for details.",
            )

    @property
    def cpus(self) -> int:
        said = self._flags.get("cpus", "2")
        return Laptop.here().cpus if said == "max" else int(said)

    def _cores(self) -> None:
        wanted, there = self.cpus, Laptop.here().cpus
        if wanted < _MINIMUM_CPUS:
            message = f"Requested cpu count {wanted} is less than the minimum allowed of {_MINIMUM_CPUS}"
            self._refuse(reasons.INSUFFICIENT_CORES, message)
        elif wanted > there and self._flags.given("cpus"):
            message = f"Requested cpu count {wanted} is greater than the available cpus of {there}"
            self._refuse(reasons.INSUFFICIENT_CORES, message)

    def _memory(self) -> None:
        if not self._flags.given("memory"):
            return
        said, there = self._flags.get("memory"), Laptop.here().memory
        wanted = megabytes(said)
        if wanted is None:
            self._refuse(reasons.USAGE, f"Unable to parse memory '{said}': FromHumanSize: invalid size: '{said}'")
            wanted = 0
        if wanted < _MINIMUM_MEMORY:
            self._refuse(
                reasons.INSUFFICIENT_MEMORY,
                f"Requested memory allocation {wanted}MiB is less than the usable minimum of {_MINIMUM_MEMORY}MB",
            )
        if wanted < _RECOMMENDED_MEMORY:
            self._out.warning(
                f"Requested memory allocation ({wanted}MB) is less than the recommended minimum "
                f"{_RECOMMENDED_MEMORY}MB. Deployments may fail."
            )
        if wanted > there:
            self._refuse(
                reasons.OVER_ALLOC_MEM,
                f"Requested memory allocation {wanted}MB is more than your system limit {there}MB.",
            )

    def _user(self) -> None:
        """Root is refused from most drivers. The stand-in's tests run as root: only sudo's root is refused here."""
        if self.driver in (*CONTAINERS, "none") or os.geteuid() != 0:
            return
        sentence = (
            f'The "{self.driver}" driver should not be used with root privileges. '
            "If you wish to continue as root, use --force."
        )
        if self._forced:
            self._out.error(sentence)
            self._out.error("If you are running minikube within a VM, consider using --driver=none:")
            self._out.error("https://minikube.sigs.k8s.io/docs/reference/drivers/none/")
        elif faults.on("as-root") or "SUDO_USER" in os.environ:
            self._out.exit(reasons.DRV_AS_ROOT, sentence)

    # -- what a new profile is made of --------------------------------------------------------------------------------

    def network(self) -> str:
        """Only a new profile's network is looked at (start_flags.go, getNetwork)."""
        said = self._flags.get("network")
        if self.driver != "qemu2":
            return said
        if said == "socket_vmnet":
            if self._system.name != "darwin":
                self._out.exit(reasons.USAGE, "The socket_vmnet network is only supported on macOS")
            if faults.on("socket-vmnet-missing"):
                self._out.exit(reasons.NOT_FOUND_SOCKET_VMNET, "\n\n")
            return said
        if said not in ("", "builtin", "user"):
            self._out.exit(reasons.USAGE, "--network with QEMU must be 'builtin' or 'socket_vmnet'")
        if not said:
            found = self._system.name == "darwin" and not faults.on("socket-vmnet-missing")
            self._out.info(f"Automatically selected the {'socket_vmnet' if found else 'builtin'} network", "* ")
            if found:
                return "socket_vmnet"
        warning = (
            "You are using the QEMU driver without a dedicated network, which doesn't support `minikube service` & "
            "`minikube tunnel` commands."
        )
        if self._system.name == "darwin":
            warning += "\nTo try the dedicated network see: https://minikube.sigs.k8s.io/docs/drivers/qemu/#networking"
        self._out.warning(warning)
        return "builtin"

    def memory(self) -> int:
        said = self._flags.get("memory", "4000mb")
        wanted = megabytes(said)
        if wanted is None:
            message = f"Generate unable to parse memory '{said}': FromHumanSize: invalid size: '{said}'"
            self._out.exit(reasons.USAGE, message)
        return wanted

    def warn_of_kept(self, existing: dict[str, Any]) -> None:
        """An existing profile keeps its size: a change only warns (start_flags.go)."""
        kept = (
            ("memory", "memory size", megabytes(self._flags.get("memory", "0")) != existing["Memory"]),
            ("cpus", "CPUs", self.cpus != existing["CPUs"]),
            ("disk-size", "disk size", megabytes(self._flags.get("disk-size", "0")) != existing["DiskSize"]),
        )
        for flag, name, differs in kept:
            if self._flags.given(flag) and differs:
                self._out.warning(
                    f"You cannot change the {name} for an existing minikube cluster. Please first delete the cluster."
                )


def megabytes(said: str) -> int | None:
    """`8192mb`, `8g`, `8192` in MiB, `max` for all there is; None for what minikube can't read."""
    if said == "max":
        return Laptop.here().memory
    match = re.fullmatch(r"(\d+)([a-z]*)", said.lower())
    if not match or match[2] not in _UNITS:
        return None
    return int(int(match[1]) * _UNITS[match[2]])


def _number(version: str) -> tuple[int, ...]:
    match = re.fullmatch(r"v?(\d+)\.(\d+)\.(\d+)", version)
    if not match:
        raise StandinError(f"Kubernetes {version}: pass major.minor.patch")
    return tuple(map(int, match.groups()))
