"""Requests of all tenants at once, from several threads over one server connection."""

from collections.abc import Mapping, Sequence

from tests.benchmarks.benchmark import Scale
from tests.benchmarks.suite.request.contenders import RequestContender
from tests.benchmarks.workers import Worker

_REQUESTS = {Scale.FULL: 10_000, Scale.QUICK: 100}
_THREADS = 4
# The shorter of the two lists: more of the time is the database's.
_PATH = "/api/v1/vendors/"


def interleaved(
    contender: RequestContender, process: Worker, path: str, hosts: Sequence[str], scale: Scale
) -> Mapping[str, float]:
    """How many of the answers were another tenant's, how many an error; none where no server connection is shared."""
    shares = contender.has_tenants and contender.behind_pooler
    if not shares or len(hosts) == 1 or path != _PATH:
        return {"foreign answers": 0, "failed answers": 0}
    foreign, failed = process.call(
        "interleaved", path=path, hosts=hosts, requests=_REQUESTS[scale], threads=_THREADS
    )
    return {"foreign answers": foreign, "failed answers": failed}
