"""helm, and what it renders."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from scripts.stack.deploy_tools import ensure_deploy_tools
from scripts.stack.errors import StackError
from scripts.stack.paths import ROOT

CHART = ROOT / "helm" / "freehold"
Manifest = dict[str, Any]


def value_sets() -> list[Path]:
    """The values that the chart is tried with."""
    return sorted((CHART / "ci").glob("*-values.yaml"))


def run(
    *arguments: str | Path, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """helm with nothing of the user's own: no cluster, no plugins."""
    helm = ensure_deploy_tools() / "helm"
    clean = {name: value for name, value in os.environ.items() if not name.startswith("HELM_")}
    return subprocess.run(
        [helm, *arguments],
        env={**clean, "KUBECONFIG": os.devnull, **(env or {})},
        capture_output=True,
        text=True,
        check=False,
    )


def render(
    values: Sequence[Path],
    *arguments: str,
    chart: Path = CHART,
    release: str = "freehold",
    namespace: str = "freehold",
) -> str:
    """The manifests as text, hooks too.

    Raises:
        StackError: helm refuses; with what it says.
    """
    files = [part for path in values for part in ("--values", str(path))]
    rendered = run("template", release, chart, "--namespace", namespace, *files, *arguments)
    if rendered.returncode:
        raise StackError(f"helm: {rendered.stderr.strip().removeprefix('Error: ')}")
    return rendered.stdout


def parse(text: str) -> list[Manifest]:
    """The manifests in the order in which they stand."""
    return [document for document in yaml.load_all(text, Loader=yaml.CSafeLoader) if document]
