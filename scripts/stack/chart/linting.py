"""What must hold of the chart before a change is accepted, for every set of values in its `ci`."""

import json
import re
import subprocess
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from scripts.stack.chart import figures, helm, pod_security
from scripts.stack.chart.pods import pods_of
from scripts.stack.deploy_tools import ensure_deploy_tools

OLDEST: Final = "1.28"
# Of operators, whose kinds Kubernetes itself does not know.
FOREIGN: Final = (
    "gateway.networking.k8s.io/", "monitoring.coreos.com/", "postgresql.cnpg.io/", "external-secrets.io/", "keda.sh/",
)  # fmt: skip
_YAML: Final = "{extends: default, rules: {line-length: {max: 130}, document-start: disable, braces: {max-spaces-inside: 0}, comments: {min-spaces-from-content: 1}}}"


def findings() -> list[str]:
    """Empty: the chart is as it should be."""
    ensure_deploy_tools()
    with ThreadPoolExecutor(4) as pool:
        return [text for some in pool.map(_of_values, helm.value_sets()) for text in some] + [
            *_form()
        ]


def _of_values(values: Path) -> list[str]:
    return [f"{values.name}: {text}" for text in _look_at(values)]


def _look_at(values: Path) -> Iterator[str]:
    linted = helm.run("lint", "--strict", helm.CHART, "--values", values)
    if linted.returncode:
        yield linted.stdout.strip()
        return
    first, second = helm.render([values]), helm.render([values])
    manifests = helm.parse(first)
    if changed := figures.changed_lines(first, second):
        yield f"rendered again, {changed} lines are others"
    for version in (OLDEST, newest()):
        yield from invalid(manifests, version=version)
    for pod in pods_of(manifests):
        for text in pod_security.violations(pod):
            yield f"{pod.kind}/{pod.name}: {text}"
        if pod.is_serving:
            for container in pod.long_running():
                for probe in figures.missing_probes(container.spec):
                    yield f"{pod.kind}/{pod.name}: {container.name} has no {probe}"


def versions() -> list[str]:
    """Those that the chart supports and kubernetes-validate knows, oldest first."""
    known = {tuple(map(int, path.name[1:].split(".")[:2])) for path in _schemas().iterdir()}
    oldest = tuple(map(int, OLDEST.split(".")))
    return [f"{major}.{minor}" for major, minor in sorted(known) if (major, minor) >= oldest]


def newest() -> str:
    return versions()[-1]


def invalid(manifests: Iterable[helm.Manifest], *, version: str) -> Iterator[str]:
    """What this version of Kubernetes would refuse or not know, by its own OpenAPI document."""
    for manifest in manifests:
        if manifest["apiVersion"].startswith(FOREIGN):
            continue
        name = f"{manifest['kind']}/{manifest['metadata']['name']}"
        validator = _validator(manifest["kind"], manifest["apiVersion"], version)
        if validator is None:
            yield f"{name}: {version} has no {manifest['apiVersion']}"
            continue
        for error in validator.iter_errors(manifest):
            yield f"{name}: not valid for {version}: {error.json_path}: {error.message}"


def _schemas() -> Path:
    """kubernetes-validate's; its own function reads all of a version's again for each manifest."""
    ensure_deploy_tools()
    (package,) = find_spec("kubernetes_validate").submodule_search_locations  # type: ignore[union-attr,misc]
    return Path(package) / "kubernetes-json-schema"


@cache
def _validator(kind: str, api_version: str, version: str) -> Draft202012Validator | None:
    # rbac.authorization.k8s.io/v1 → rbac-v1
    group = re.sub(r"^([^./]*)(?:\.[^/]*)?/", r"\1-", api_version)
    file = _schemas() / f"v{version}.0-local-strict" / f"{kind.lower()}-{group}.json"
    if not file.exists():
        return None
    schema = json.loads(file.read_text())
    return Draft202012Validator(
        schema, registry=Resource.from_contents(schema) @ _definitions(version)
    )


@cache
def _definitions(version: str) -> Registry[Any]:
    file = _schemas() / f"v{version}.0-local-strict" / "_definitions.json"
    return Resource.from_contents(json.loads(file.read_text())) @ Registry()


def _form() -> Iterator[str]:
    yamllint = ensure_deploy_tools() / "yamllint"
    files = [helm.CHART / "Chart.yaml", helm.CHART / "values.yaml", *helm.value_sets()]
    formed = subprocess.run(
        [yamllint, "--strict", "-f", "parsable", "-d", _YAML, *files],
        capture_output=True,
        text=True,
        check=False,
    )
    yield from formed.stdout.splitlines()
