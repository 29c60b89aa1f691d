"""The checker itself: each control of the published standard refuses what it is about."""

from typing import Any

import pytest

from scripts.stack.chart import pod_security
from scripts.stack.chart.pods import Pod, pods_of

pytestmark = pytest.mark.quick_deploy


def container(**fields: Any) -> dict[str, Any]:
    context = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        **fields.pop("securityContext", {}),
    }
    return {"name": "web", "image": "web", "securityContext": context, **fields}


def pod(
    *containers: dict[str, Any], annotations: dict[str, str] | None = None, **fields: Any
) -> Pod:
    context = {
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
        **fields.pop("securityContext", {}),
    }
    spec = {"securityContext": context, "containers": list(containers) or [container()], **fields}
    return Pod("Pod", "web", annotations or {}, spec)


def test_a_restricted_pod_passes() -> None:
    assert pod_security.violations(pod()) == []
    allowed = pod(
        container(securityContext={"capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]}}),
        volumes=[{"name": "a", "emptyDir": {}}, {"name": "b", "secret": {"secretName": "b"}}],
        securityContext={"sysctls": [{"name": "net.ipv4.tcp_syncookies", "value": "1"}]},
    )
    assert pod_security.violations(allowed) == []


@pytest.mark.parametrize(
    ("refused", "expected"),
    [
        (pod(hostNetwork=True), "spec.hostNetwork: must not be set"),
        (pod(hostPID=True), "spec.hostPID: must not be set"),
        (pod(hostIPC=True), "spec.hostIPC: must not be set"),
        (
            pod(volumes=[{"name": "a", "hostPath": {"path": "/"}}]),
            "spec.volumes[0].hostPath: is none of the kinds allowed",
        ),
        (
            pod(volumes=[{"name": "a", "nfs": {"server": "a", "path": "/"}}]),
            "spec.volumes[0].nfs: is none of the kinds allowed",
        ),
        (
            pod(securityContext={"sysctls": [{"name": "kernel.msgmax", "value": "1"}]}),
            "spec.securityContext.sysctls[0].name: is not safe",
        ),
        (
            pod(annotations={"container.apparmor.security.beta.kubernetes.io/web": "unconfined"}),
            "metadata.annotations[container.apparmor.security.beta.kubernetes.io/web]:"
            " must be runtime/default or localhost/*",
        ),
        (
            pod(securityContext={"appArmorProfile": {"type": "Unconfined"}}),
            "spec.securityContext.appArmorProfile.type: must be RuntimeDefault or Localhost",
        ),
        (
            pod(securityContext={"seccompProfile": {"type": "Unconfined"}}),
            "spec.securityContext.seccompProfile.type: must be RuntimeDefault or Localhost",
        ),
        (
            pod(securityContext={"seccompProfile": None}),
            "spec.containers[0].securityContext.seccompProfile.type: must be set, here or for the pod",
        ),
        (pod(securityContext={"runAsUser": 0}), "spec.securityContext.runAsUser: must not be 0"),
        (
            pod(securityContext={"runAsNonRoot": None}),
            "spec.containers[0].securityContext.runAsNonRoot: must be true, here or for the pod",
        ),
        (
            pod(container(securityContext={"runAsNonRoot": False})),
            "spec.containers[0].securityContext.runAsNonRoot: must be true, here or for the pod",
        ),
        (
            pod(container(securityContext={"runAsUser": 0})),
            "spec.containers[0].securityContext.runAsUser: must not be 0",
        ),
        (
            pod(securityContext={"seLinuxOptions": {"type": "spc_t"}}),
            "spec.securityContext.seLinuxOptions.type: is not a container's",
        ),
        (
            pod(container(securityContext={"seLinuxOptions": {"role": "sysadm_r"}})),
            "spec.containers[0].securityContext.seLinuxOptions.role: must not be set",
        ),
        (
            pod(securityContext={"windowsOptions": {"hostProcess": True}}),
            "spec.securityContext.windowsOptions.hostProcess: must not be set",
        ),
        (
            pod(container(securityContext={"privileged": True})),
            "spec.containers[0].securityContext.privileged: must not be set",
        ),
        (
            pod(container(securityContext={"allowPrivilegeEscalation": None})),
            "spec.containers[0].securityContext.allowPrivilegeEscalation: must be false",
        ),
        (
            pod(container(securityContext={"procMount": "Unmasked"})),
            "spec.containers[0].securityContext.procMount: must be Default",
        ),
        (
            pod(container(securityContext={"capabilities": {"drop": ["NET_RAW"]}})),
            "spec.containers[0].securityContext.capabilities.drop: must have ALL",
        ),
        (
            pod(
                container(securityContext={"capabilities": {"drop": ["ALL"], "add": ["SYS_TIME"]}})
            ),
            "spec.containers[0].securityContext.capabilities.add: SYS_TIME is not allowed",
        ),
        (
            pod(container(ports=[{"containerPort": 80, "hostPort": 80}])),
            "spec.containers[0].ports[0].hostPort: must not be set",
        ),
        (
            pod(container(livenessProbe={"httpGet": {"host": "10.0.0.1", "port": 80}})),
            "spec.containers[0].livenessProbe.httpGet.host: must not be set",
        ),
        (
            pod(container(lifecycle={"preStop": {"tcpSocket": {"host": "10.0.0.1", "port": 80}}})),
            "spec.containers[0].lifecycle.preStop.tcpSocket.host: must not be set",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_control_refuses_what_it_is_about(refused: Pod, expected: str) -> None:
    assert pod_security.violations(refused) == [expected]


@pytest.mark.parametrize("field", ["initContainers", "ephemeralContainers"])
def test_containers_of_every_kind_are_looked_at(field: str) -> None:
    refused = pod(**{field: [container(securityContext={"privileged": True})]})

    assert pod_security.violations(refused) == [
        f"spec.{field}[0].securityContext.privileged: must not be set"
    ]
    assert [c.path for c in pod_security.failing_containers(refused)] == [f"spec.{field}[0]"]


def test_pods_are_found_in_every_kind_that_makes_them() -> None:
    spec = {"containers": [{"name": "a", "image": "a"}]}
    template = {"metadata": {}, "spec": spec}
    kinds = ["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "Job"]
    manifests = [
        {"kind": "Pod", "metadata": {"name": "Pod"}, "spec": spec},
        {
            "kind": "CronJob",
            "metadata": {"name": "CronJob"},
            "spec": {"jobTemplate": {"spec": {"template": template}}},
        },
        *({"kind": k, "metadata": {"name": k}, "spec": {"template": template}} for k in kinds),
        {"kind": "Service", "metadata": {"name": "Service"}, "spec": {}},
    ]

    assert [found.name for found in pods_of(manifests)] == ["Pod", "CronJob", *kinds]
