"""`minikube start`."""

from __future__ import annotations

import os
import random
import time
from typing import Any

from . import faults, reasons
from .errors import Killed
from .flags import Flag, Parsed
from .home import Home, System, new_profile
from .output import START_STEPS, Output
from .user_kubeconfig import UserKubeconfig
from .validate import BUILTIN_ADDRESS, CONTAINERS, Validation, megabytes

FLAGS = {
    "addons": Flag("list"),
    "auto-update-drivers": Flag("bool"),
    "cache-images": Flag("bool"),
    "container-runtime": Flag("value", "c"),
    "cpus": Flag("value"),
    "delete-on-failure": Flag("bool"),
    "disk-size": Flag("value"),
    "driver": Flag("value", "d"),
    "dry-run": Flag("bool"),
    "embed-certs": Flag("bool"),
    "extra-config": Flag("list"),
    "force": Flag("bool"),
    "install-addons": Flag("bool"),
    "interactive": Flag("bool"),
    "keep-context": Flag("bool"),
    "kubernetes-version": Flag("value"),
    "memory": Flag("value", "m"),
    "namespace": Flag("value"),
    "native-ssh": Flag("bool"),
    "network": Flag("value"),
    "output": Flag("value", "o"),
    "preload": Flag("bool"),
    "qemu-firmware-path": Flag("value"),
    "service-cluster-ip-range": Flag("value"),
    "socket-vmnet-client-path": Flag("value"),
    "socket-vmnet-path": Flag("value"),
    "vm-driver": Flag("value"),
    "wait": Flag("list"),
    "wait-timeout": Flag("value"),
    **{
        name: Flag("untaught")
        for name in (
            *("apiserver-ips", "apiserver-name", "apiserver-names", "apiserver-port", "auto-pause-interval"),
            *("base-image", "binary-mirror", "cert-expiration", "cni", "cri-socket", "disable-driver-mounts"),
            *("disable-metrics", "disable-optimizations", "dns-domain", "dns-proxy", "docker-env", "docker-opt"),
            *("download-only", "enable-default-cni", "extra-disks", "feature-gates", "force-systemd", "gpus", "ha"),
            *("host-dns-resolver", "host-only-cidr", "image-mirror-country", "image-repository"),
            *("insecure-registry", "iso-url", "kvm-network", "kvm-qemu-uri", "listen-address", "mount"),
            *("mount-string", "network-plugin", "no-kubernetes", "nodes", "ports", "registry-mirror", "ssh-ip-address"),
            *("ssh-key", "ssh-port", "ssh-user", "static-ip", "subnet", "trace", "uuid", "vm"),
        )
    },
}
_PAUSE_ON_FAULT = 2.0


class Start:
    """One `minikube start`, step by step."""

    def __init__(self, home: Home, profile: str, flags: Parsed) -> None:
        self._home = home
        self._profile = profile
        self._flags = flags
        self._out = Output(
            as_json=flags.get("output") == "json", steps=START_STEPS, log=home.profile(profile) / "events.json"
        )
        self._check = Validation(home, profile, flags, self._out)
        self._vm = home.vm(profile)
        self._kubeconfig = UserKubeconfig(home.environment)

    def run(self) -> int:
        self._check.before_driver()
        self._check.with_driver()
        config = self._configuration()
        if self._flags.on("dry-run"):
            self._out.step("Selecting Driver", "dry-run validation complete!")
            return 0
        self._download()
        name = self._profile
        self._step("Starting Node", f'Starting "{name}" primary control-plane node in "{name}" cluster')
        if config["Driver"] in CONTAINERS:
            self._step("Pulling Base Image", "Pulling base image v0.0.50 ...")
        # From here on the profile is there, whatever becomes of its machine (node.Provision).
        self._home.save(config)
        self._machine(config)
        self._bring_up(config)
        return 0

    def _step(self, name: str, message: str) -> None:
        if faults.on("slow-start"):
            time.sleep(float(os.environ.get("STANDIN_SLOW_SECONDS", _PAUSE_ON_FAULT)))
        self._out.step(name, message)

    # -- configuration ------------------------------------------------------------------------------------------------

    def _configuration(self) -> dict[str, Any]:
        flags, check = self._flags, self._check
        if check.existing:
            config = check.existing
            check.warn_of_kept(config)
            config["Network"] = flags.get("network") or config["Network"]
        else:
            config = {**new_profile(), "Name": self._profile, "Driver": check.driver}
            config["Network"] = check.network()
            config |= {"Memory": check.memory(), "CPUs": check.cpus}
            config["DiskSize"] = megabytes(flags.get("disk-size", "20000mb"))
        for key, flag in (("KeepContext", "keep-context"), ("EmbedCerts", "embed-certs")):
            config[key] = flags.on(flag, config[key] if check.existing else False)
        for key, flag in (
            ("CustomQemuFirmwarePath", "qemu-firmware-path"),
            ("SocketVMnetPath", "socket-vmnet-path"),
            ("SocketVMnetClientPath", "socket-vmnet-client-path"),
        ):
            config[key] = flags.get(flag, config[key])
        kubernetes = config["KubernetesConfig"]
        kubernetes["ClusterName"] = self._profile
        kubernetes["KubernetesVersion"] = check.kubernetes
        kubernetes["ContainerRuntime"] = check.runtime
        kubernetes["Namespace"] = flags.get("namespace", kubernetes["Namespace"])
        kubernetes["ServiceCIDR"] = flags.get("service-cluster-ip-range", kubernetes["ServiceCIDR"])
        if flags.given("extra-config"):
            kubernetes["ExtraOptions"] = [_extra(option) for option in flags.lists["extra-config"]]
        node = {"Name": "", "IP": "", "Port": config["APIServerPort"], "ControlPlane": True, "Worker": True}
        before = config["Nodes"][0] if config["Nodes"] else node
        versions = {"KubernetesVersion": check.kubernetes, "ContainerRuntime": check.runtime}
        config["Nodes"] = [{**before, **versions}]
        return config

    def _download(self) -> None:
        """Once, into the cache that `delete` leaves."""
        name = f"minikube-v1.38.0-{System.here().architecture}.iso"
        kept = self._home.root / "cache" / "iso" / System.here().architecture / name
        if self._check.driver in CONTAINERS or kept.exists():
            return
        self._step("Downloading Artifacts", "Downloading VM boot image ...")
        self._out.download(name)
        for progress in ("0.25", "0.5", "1"):
            self._out.download(name, progress)
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text("")

    # -- machine ------------------------------------------------------------------------------------------------------

    @property
    def _kind(self) -> str:
        return "container" if self._check.driver in CONTAINERS else "VM"

    def _machine(self, config: dict[str, Any]) -> None:
        driver, name = config["Driver"], self._profile
        if self._vm.exists and self._vm.pid() is not None:
            self._step("Updating Driver", f'Updating the running {driver} "{name}" {self._kind} ...')
            return
        if self._vm.exists:
            self._attempt(config, "Updating Driver", f'Restarting existing {driver} {self._kind} for "{name}" ...')
            return
        if self._check.existing:
            self._step("Updating Driver", f'{driver} "{name}" {self._kind} is missing, will recreate.')
        sizes = f"CPUs={config['CPUs']}, Memory={config['Memory']}MB"
        if self._kind == "VM":
            sizes += f", Disk={config['DiskSize']}MB"
        step = "Creating VM" if self._kind == "VM" else "Creating Container"
        self._attempt(config, step, f"Creating {driver} {self._kind} ({sizes}) ...")

    def _attempt(self, config: dict[str, Any], step: str, message: str) -> None:
        """Start the machine; what fails is tried once more, then ends the start (node.Provision, mk#19745)."""
        is_new = step != "Updating Driver"
        error = self._try(config, step, message)
        if error is None:
            return
        if is_new:
            self._out.step("Deleting", f'Deleting "{self._profile}" in {config["Driver"]} ...')
        prefix = "creating host: create: creating: " if is_new else "driver start: "
        self._out.error(f"StartHost failed, but will try again: {prefix}{error.text}")
        error = self._try(config, step, message) or error
        profile = "" if self._profile == "minikube" else f" -p {self._profile}"
        self._out.error(
            f'Failed to start {config["Driver"]} {self._kind}. Running "minikube delete{profile}" may fix it: '
            f"{prefix}{error.text}"
        )
        said = f"error provisioning guest: Failed to start host: {prefix}{error.text}"
        self._out.exit(error.reason, error.own or said, box=error.reason is reasons.GUEST_PROVISION)

    def _try(self, config: dict[str, Any], step: str, message: str) -> _DriverError | None:
        self._step(step, message)
        error = _driver_error(config)
        if error:
            if error.printed:
                self._out.raw("OUTPUT: ")
                self._out.raw(f"ERROR: {error.printed}")
                self._out.raw("")
            return error
        self._vm.create(config)
        if faults.on("half-created"):
            (self._vm.folder / "config.json").unlink()
            raise Killed
        self._vm.start(config)
        return None

    # -- Kubernetes ---------------------------------------------------------------------------------------------------

    def _bring_up(self, config: dict[str, Any]) -> None:
        name, kubernetes = self._profile, config["KubernetesConfig"]
        was_on_builtin = config["Nodes"][0]["IP"] == BUILTIN_ADDRESS and config["Network"] == "socket_vmnet"
        node = self._home.node(name)
        is_new = not node.is_made
        runtime = f"{kubernetes['ContainerRuntime']} {_RUNTIME_VERSIONS[kubernetes['ContainerRuntime']]}"
        version = kubernetes["KubernetesVersion"]
        self._step("Preparing Kubernetes", f"Preparing Kubernetes {version} on {runtime} ...")
        for option in kubernetes["ExtraOptions"]:
            self._out.info(f"{option['Component']}.{option['Key']}={option['Value']}")
        if was_on_builtin or faults.on("apiserver-unhealthy"):
            # An old profile moved to socket_vmnet keeps 10.0.2.15 and never gets healthy (mk#18640).
            self._out.exit(
                reasons.GUEST_START,
                "failed to start node: wait 6m0s for node: wait for healthy API server: apiserver healthz never "
                "reported healthy: context deadline exceeded",
                box=True,
            )
        if not is_new and node.is_up and node.paused_containers():
            node.unpause()

        def progress(part: str) -> None:
            if part == "machine" and is_new:
                self._step("Generating certificates", "Generating certificates and keys ...")
            if part == "cluster" and is_new:
                self._step("Booting control plane", "Booting up control plane ...")
                self._step("Configuring RBAC rules", "Configuring RBAC rules ...")

        node.start(kubernetes["ServiceCIDR"], progress)
        config["Nodes"][0]["IP"] = BUILTIN_ADDRESS if config["Network"] == "builtin" else node.address
        self._home.save(config)
        self._kubeconfig.add(self._home, config, node.credentials)
        cni = "Configuring bridge CNI (Container Networking Interface) ..."
        if is_new:
            self._step("Configuring CNI", cni)
        else:  # kubeadm.go, applyCNI: a restart doesn't register the step
            self._out.info(cni, "* ")
        self._step("Verifying Kubernetes", "Verifying Kubernetes components...")
        self._addons(config)
        self._done(config)

    def _addons(self, config: dict[str, Any]) -> None:
        """The two of every machine, which the stand-in only names; wanted ones; unknown names are skipped silently."""
        from . import addons

        known = [name for every in self._flags.lists.get("addons", []) for name in every.split(",")]
        wanted = [name for name in known if name in addons.MANIFESTS]
        for name in wanted:
            addons.apply(self._home, self._profile, name)
        enabled = sorted({"default-storageclass", "storage-provisioner", *wanted})
        self._out.info("Using image gcr.io/k8s-minikube/storage-provisioner:v5")
        config["Addons"] |= dict.fromkeys(enabled, True)
        self._home.save(config)
        self._out.step("Enabling Addons", f"Enabled addons: {', '.join(enabled)}")

    def _done(self, config: dict[str, Any]) -> None:
        if config["KeepContext"]:
            self._out.step("Done", f"To connect to this cluster, use:  --context={self._profile}")
            return
        namespace = config["KubernetesConfig"]["Namespace"]
        self._out.step(
            "Done",
            f'Done! kubectl is now configured to use "{self._profile}" cluster and "{namespace}" namespace by default',
        )


_RUNTIME_VERSIONS = {"containerd": "2.2.0", "docker": "29.2.1", "cri-o": "1.35.0"}


class _DriverError:
    """Why the machine doesn't start: `printed` is what the driver itself writes, `own` replaces minikube's sentence."""

    def __init__(
        self, text: str, *, printed: str = "", reason: reasons.Reason = reasons.GUEST_PROVISION, own: str = ""
    ) -> None:
        self.text = text
        self.printed = printed
        self.reason = reason
        self.own = own


def _driver_error(config: dict[str, Any]) -> _DriverError | None:
    """Of the faults that are switched on, the one that the driver trips over."""
    printed = {
        "hvf-unknown": "qemu-system-x86_64: -accel hvf: Unknown Error",
        "hvf-invalid": "qemu-system-aarch64: -accel hvf: invalid accelerator hvf",
        "qemu-too-old": "qemu-system-aarch64: Property 'host-arm-cpu.sme' not found",
    }
    if config["Network"] == "socket_vmnet":
        brew = config["SocketVMnetPath"] or "/opt/homebrew/var/run/socket_vmnet"
        printed |= {
            "socket-vmnet-refused": f'Failed to connect to "{brew}": Connection refused',
            "socket-vmnet-denied": f'Failed to connect to "{brew}": Permission denied',
            "socket-vmnet-denied-var-run": 'Failed to connect to "/var/run/socket_vmnet": Permission denied',
        }
    for fault, line in printed.items():
        if faults.on(fault):
            # Its pattern misses /opt/homebrew, so only the other path has a reason of its own (minikube.md).
            has_own = fault == "socket-vmnet-denied-var-run"
            reason = reasons.SOCKET_VMNET_DENIED if has_own else reasons.GUEST_PROVISION
            return _DriverError(f"{line}: exit status 1", printed=line, reason=reason)
    mac = ":".join(f"{random.randrange(256):x}" for _ in range(6))
    lease = f"ip not found: failed to get IP address: could not find an IP address for {mac}"
    if faults.on("no-ip-for-mac"):
        return _DriverError(lease)
    if faults.on("bootpd-firewall"):
        return _DriverError(lease, reason=reasons.BOOTPD_FIREWALL, own=lease)
    if faults.on("no-route-to-host"):  # [U] the issue has the words, not the whole line
        return _DriverError("dial tcp 192.168.105.4:22: connect: no route to host")
    return None


def _extra(option: str) -> dict[str, str]:
    name, _, value = option.partition("=")
    component, _, key = name.partition(".")
    return {"Component": component, "Key": key, "Value": value}
