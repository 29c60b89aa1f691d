"""What the figures were measured on."""

import os
import platform
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version

from scripts.stack.binaries import ensure_binaries


@dataclass(frozen=True, slots=True)
class Machine:
    measured_at: str
    system: str
    cores: int
    processor: str
    load_average: tuple[float, float, float]
    """At the start, over 1, 5 and 15 minutes: what else was running."""
    python: str
    postgresql: str


def describe() -> Machine:
    postgres = ensure_binaries().postgres("postgres")
    answer = subprocess.run([postgres, "--version"], capture_output=True, text=True, check=True)
    return Machine(
        measured_at=datetime.now(UTC).isoformat(timespec="seconds"),
        system=f"{platform.system()} {platform.machine()}",
        cores=_usable_cores(),
        processor=_processor(),
        load_average=os.getloadavg(),
        python=platform.python_version(),
        postgresql=answer.stdout.split()[-1],
    )


def versions(distributions: Iterable[str]) -> Mapping[str, str]:
    return {name: version(name) for name in distributions}


def _usable_cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # only Linux has it
        return os.cpu_count() or 1


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as file:
            lines = file.readlines()
    except OSError:
        return platform.processor()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor()
