from prometheus_client import Counter

from shared_apps.core.caching.states import CacheState
from shared_apps.core.caching.tiers import Tier

ANSWERS = Counter(
    "freehold_cache_answers_total", "Results by tier and by what X-Cache says.", ("tier", "result")
)


def count(tier: Tier, state: CacheState) -> None:
    ANSWERS.labels(tier.label, state.value.lower()).inc()
