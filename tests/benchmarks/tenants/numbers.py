"""How many tenants there are; BENCH_TENANTS says otherwise."""

import os
from dataclasses import dataclass

from tests.benchmarks.benchmark import Scale


@dataclass(frozen=True, slots=True)
class Tenants:
    ours: int
    peer: int


def of(scale: Scale) -> Tenants:
    if scale is Scale.QUICK:
        return Tenants(ours=3, peer=1)
    # The peer's schema `base` is one more.
    return Tenants(
        ours=int(os.environ.get("BENCH_TENANTS", "200")),
        peer=int(os.environ.get("BENCH_PEER_TENANTS", "16")) - 1,
    )
