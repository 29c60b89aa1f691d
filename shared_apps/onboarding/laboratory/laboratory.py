"""Run the probes over a pair of tenants."""

from collections.abc import Callable, Iterator

from shared_apps.onboarding.laboratory.probes import (
    caches,
    files,
    http,
    interleaving,
    models,
    sockets,
    tasks,
    wall,
)
from shared_apps.onboarding.laboratory.report import Record
from shared_apps.onboarding.laboratory.subjects import Pair

Probe = Callable[[Pair, Record], None]

# In this order: the last ones write.
PROBES: dict[str, Probe] = {
    "wall": wall.probe,
    "models": models.probe,
    "caches": caches.probe,
    "files": files.probe,
    "tasks": tasks.probe,
    "sockets": sockets.probe,
    "interleaving": interleaving.probe,
    "http": http.probe,
}
# Probes that must have seen a tenant's own marker to be believed.
_SEEING = PROBES.keys() - {"wall"}


def run(pair: Pair, names: list[str]) -> Iterator[Record]:
    """Yields each probe's notes as it ends. A probe that breaks has found that it breaks."""
    for name in names:
        record = Record(name)
        try:
            PROBES[name](pair, record)
        except Exception as error:
            record.leak(name, f"the probe broke: {type(error).__name__}: {error}")
        if not record.checks or (name in _SEEING and not record.sightings):
            record.leak(name, "saw nothing of its own, so it has proven nothing")
        yield record
