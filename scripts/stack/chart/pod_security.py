"""The Pod Security Standards' level `restricted`, as published by Kubernetes (v1.34), control by control.

Of pods on Linux: the exceptions for Windows are none here.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final

from scripts.stack.chart.pods import Container, Pod

_VOLUMES: Final = {
    "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret",
}  # fmt: skip
_SYSCTLS: Final = {
    "kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.tcp_syncookies", "net.ipv4.ping_group_range", "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
}  # fmt: skip
_SELINUX_TYPES: Final = {
    "", "container_t", "container_init_t", "container_kvm_t", "container_engine_t",
}  # fmt: skip
_PROFILES: Final = {"RuntimeDefault", "Localhost"}
_APPARMOR: Final = "container.apparmor.security.beta.kubernetes.io/"
_HANDLERS: Final = (
    ("livenessProbe",), ("readinessProbe",), ("startupProbe",), ("lifecycle", "postStart"), ("lifecycle", "preStop"),
)  # fmt: skip


def violations(pod: Pod) -> list[str]:
    """Each as `place: what is wrong`; empty: the pod is let in where `restricted` is enforced."""
    found = [text for control in _OF_PODS for text in control(pod)]
    for container in pod.containers():
        found += [
            f"{container.path}.{text}"
            for control in _OF_CONTAINERS
            for text in control(container.spec, pod.spec)
        ]
    return found


def failing_containers(pod: Pod) -> list[Container]:
    """Those for which the pod would be refused; all of them for what is the pod's own."""
    of_pod = [text for control in _OF_PODS for text in control(pod)]
    return [
        container
        for container in pod.containers()
        if of_pod or any(list(control(container.spec, pod.spec)) for control in _OF_CONTAINERS)
    ]


def _context(spec: dict[str, Any]) -> dict[str, Any]:
    return spec.get("securityContext") or {}


# What the pod itself says.


def _host_namespaces(pod: Pod) -> Iterator[str]:
    for field in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.spec.get(field):
            yield f"spec.{field}: must not be set"


def _volumes(pod: Pod) -> Iterator[str]:
    for index, volume in enumerate(pod.spec.get("volumes") or []):
        for kind in set(volume) - {"name"} - _VOLUMES:
            yield f"spec.volumes[{index}].{kind}: is none of the kinds allowed"


def _sysctls(pod: Pod) -> Iterator[str]:
    for index, sysctl in enumerate(_context(pod.spec).get("sysctls") or []):
        if sysctl.get("name") not in _SYSCTLS:
            yield f"spec.securityContext.sysctls[{index}].name: is not safe"


def _apparmor_annotations(pod: Pod) -> Iterator[str]:
    for name, value in pod.annotations.items():
        is_allowed = value in ("", "runtime/default") or value.startswith("localhost/")
        if name.startswith(_APPARMOR) and not is_allowed:
            yield f"metadata.annotations[{name}]: must be runtime/default or localhost/*"


def _pod_context(pod: Pod) -> Iterator[str]:
    """What pods and containers can both say."""
    for text in _common(_context(pod.spec)):
        yield f"spec.securityContext.{text}"


def _common(context: dict[str, Any]) -> Iterator[str]:
    if (context.get("windowsOptions") or {}).get("hostProcess"):
        yield "windowsOptions.hostProcess: must not be set"
    if context.get("runAsUser") == 0:
        yield "runAsUser: must not be 0"
    selinux = context.get("seLinuxOptions") or {}
    if selinux.get("type", "") not in _SELINUX_TYPES:
        yield "seLinuxOptions.type: is not a container's"
    for field in ("user", "role"):
        if selinux.get(field):
            yield f"seLinuxOptions.{field}: must not be set"
    for profile in ("seccompProfile", "appArmorProfile"):
        kind = (context.get(profile) or {}).get("type")
        if kind is not None and kind not in _PROFILES:
            yield f"{profile}.type: must be RuntimeDefault or Localhost"


# What each container says, or leaves to the pod.

Spec = dict[str, Any]


def _own_context(container: Spec, pod: Spec) -> Iterator[str]:
    for text in _common(_context(container)):
        yield f"securityContext.{text}"


def _privileged(container: Spec, pod: Spec) -> Iterator[str]:
    context = _context(container)
    if context.get("privileged"):
        yield "securityContext.privileged: must not be set"
    if context.get("allowPrivilegeEscalation") is not False:
        yield "securityContext.allowPrivilegeEscalation: must be false"
    if context.get("procMount", "Default") != "Default":
        yield "securityContext.procMount: must be Default"


def _not_root(container: Spec, pod: Spec) -> Iterator[str]:
    own = _context(container).get("runAsNonRoot")
    if (_context(pod).get("runAsNonRoot") if own is None else own) is not True:
        yield "securityContext.runAsNonRoot: must be true, here or for the pod"


def _seccomp(container: Spec, pod: Spec) -> Iterator[str]:
    profile = _context(container).get("seccompProfile") or _context(pod).get("seccompProfile") or {}
    if profile.get("type") is None:
        yield "securityContext.seccompProfile.type: must be set, here or for the pod"


def _capabilities(container: Spec, pod: Spec) -> Iterator[str]:
    capabilities = _context(container).get("capabilities") or {}
    if "ALL" not in (capabilities.get("drop") or []):
        yield "securityContext.capabilities.drop: must have ALL"
    for added in capabilities.get("add") or []:
        if added != "NET_BIND_SERVICE":
            yield f"securityContext.capabilities.add: {added} is not allowed"


def _host_ports(container: Spec, pod: Spec) -> Iterator[str]:
    for index, port in enumerate(container.get("ports") or []):
        if port.get("hostPort"):
            yield f"ports[{index}].hostPort: must not be set"


def _handlers(container: Spec, pod: Spec) -> Iterator[str]:
    """The kubelet would ask another host."""
    for path in _HANDLERS:
        handler: Any = container
        for field in path:
            handler = (handler or {}).get(field) or {}
        for action in ("httpGet", "tcpSocket"):
            if (handler.get(action) or {}).get("host"):
                yield f"{'.'.join(path)}.{action}.host: must not be set"


_OF_PODS: tuple[Callable[[Pod], Iterator[str]], ...] = (
    _host_namespaces, _volumes, _sysctls, _apparmor_annotations, _pod_context,
)  # fmt: skip
_OF_CONTAINERS: tuple[Callable[[Spec, Spec], Iterator[str]], ...] = (
    _own_context, _privileged, _not_root, _seccomp, _capabilities, _host_ports, _handlers,
)  # fmt: skip
