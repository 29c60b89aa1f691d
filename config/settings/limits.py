"""How often the product may be asked, where a tenant has nothing of its own (docs/rate-limits.md)."""

import json

from config.env import Environment, env
from shared_apps.core.rate_limits.rates import OF_A_PLAN, Rates

_HIGH = 10_000_000


def rates_from(env: Environment, *, times: int = 1) -> Rates:
    """Requests in a minute; `times` the product's own numbers where the environment says nothing."""
    return Rates(
        tenant=env.integer("RATE_LIMIT_TENANT", default=60_000 * times, low=1, high=_HIGH),
        person=env.integer("RATE_LIMIT_PERSON", default=600 * times, low=1, high=_HIGH),
        write=env.integer("RATE_LIMIT_WRITE", default=300 * times, low=1, high=_HIGH),
        export=env.integer("RATE_LIMIT_EXPORT", default=30 * times, low=1, high=_HIGH),
        ingest=env.integer("RATE_LIMIT_INGEST", default=300 * times, low=1, high=_HIGH),
        address=env.integer("RATE_LIMIT_ADDRESS", default=600 * times, low=1, high=_HIGH),
        login=env.integer("RATE_LIMIT_LOGIN", default=300 * times, low=1, high=_HIGH),
    )


def plans_in(text: str) -> dict[str, dict[str, int]]:
    """`{"basic": {"tenant": 600, "person": 60}}`. Raises ValueError."""
    try:
        plans = json.loads(text)
    except ValueError:
        raise ValueError("must be JSON") from None
    if not isinstance(plans, dict):
        raise ValueError("must be an object of plans")
    for name, plan in plans.items():
        if not isinstance(plan, dict) or not plan.keys() <= OF_A_PLAN:
            raise ValueError(f"plan {name}: must be an object of {', '.join(sorted(OF_A_PLAN))}")
        if not all(type(most) is int and 1 <= most <= _HIGH for most in plan.values()):
            raise ValueError(f"plan {name}: each must be a whole number from 1 to {_HIGH}")
    return plans


RATE_LIMITS = rates_from(env)
# What of these a tenant's plan changes, by the plan's name.
_no_plans: dict[str, dict[str, int]] = {}
RATE_PLANS = env.parsed("RATE_PLANS", plans_in, default=_no_plans)
# For how long Redis is waited for, before a process counts for itself; and what share of each limit it
# then has: the processes together should have about the whole.
RATE_LIMIT_TIMEOUT_MS = env.integer("RATE_LIMIT_TIMEOUT_MS", default=100, low=10, high=10_000)
RATE_LIMIT_LOCAL_PERCENT = env.integer("RATE_LIMIT_LOCAL_PERCENT", default=25, low=1, high=100)
