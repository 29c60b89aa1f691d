"""Renderings of the chart, each made once."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from scripts.stack.chart import helm
from scripts.stack.chart.pods import Pod, pods_of

Manifest = dict[str, Any]
SETS = {path.name.removesuffix("-values.yaml"): path for path in helm.value_sets()}


@cache
def text(name: str, *arguments: str) -> str:
    return helm.render([SETS[name]], *arguments)


def manifests(name: str, *arguments: str) -> list[Manifest]:
    return helm.parse(text(name, *arguments))


def of_kind(name: str, kind: str, *arguments: str) -> dict[str, Manifest]:
    return {m["metadata"]["name"]: m for m in manifests(name, *arguments) if m["kind"] == kind}


def pods(name: str, *arguments: str) -> dict[str, Pod]:
    """By component; of the two CronJobs the last."""
    return {pod.name.removeprefix("freehold-"): pod for pod in pods_of(manifests(name, *arguments))}


def variables(pod: Pod, container: str) -> dict[str, str]:
    (spec,) = [c.spec for c in pod.containers() if c.name == container]
    return {entry["name"]: entry.get("value", "") for entry in spec["env"]}


def secret_files(pod: Pod, container: str) -> set[str]:
    """What lies in /run/secrets/freehold of one container of a pod."""
    (spec,) = [c.spec for c in pod.containers() if c.name == container]
    (mounted,) = [
        m["name"] for m in spec["volumeMounts"] if m["mountPath"] == "/run/secrets/freehold"
    ]
    (volume,) = [v for v in pod.spec["volumes"] if v["name"] == mounted]
    return {
        item["path"]
        for source in volume["projected"]["sources"]
        for item in source["secret"]["items"]
    }


def refusal(tmp_path: Path, values: dict[str, Any], *, of: str = "minimal") -> list[str]:
    """The lines with which helm refuses values on top of a set."""
    file = tmp_path / "values.yaml"
    file.write_text(yaml.safe_dump(values))
    rendered = helm.run("template", "freehold", helm.CHART, "--values", SETS[of], "--values", file)
    assert rendered.returncode, "it was not refused"
    return list(_points(rendered.stderr))


def _points(output: str) -> Iterator[str]:
    for line in output.splitlines():
        if line.strip().startswith("- "):
            yield line.strip()[2:]
