"""Which limits a request is counted against, and whether it is let in."""

from uuid import UUID

from django.conf import settings

from shared_apps.core import context, redis_keys, spaces
from shared_apps.core.rate_limits import refusals
from shared_apps.core.rate_limits.counting import counter
from shared_apps.core.rate_limits.errors import RateLimitedError
from shared_apps.core.rate_limits.origins import address_key
from shared_apps.core.rate_limits.rates import SECONDS, RateClass, Rates
from shared_apps.core.rate_limits.standing import Rule, Standing
from shared_apps.core.rate_limits.windows import Full, Window

# Of one person, beside all that they ask for.
_OF_CLASS = (RateClass.WRITE, RateClass.EXPORT, RateClass.INGEST)


def admit(rules: tuple[Rule, ...], *, rate_class: RateClass) -> Standing:
    """A place in each of the windows, in one exchange with Redis.

    Raises:
        RateLimitedError: one of them is full; nothing was counted in the others.
    """
    found = counter().take([rule.window for rule in rules])
    standing = Standing(rules=rules, levels=found.levels)
    if isinstance(found, Full):
        refusals.note(limit=standing.tightest()[0].name, rate_class=rate_class)
        raise RateLimitedError(retry_after=found.retry_after, standing=standing)
    return standing


def rules_of_person(person_id: UUID, *, rate_class: RateClass) -> tuple[Rule, ...]:
    """Of somebody who is signed in where the present context says."""
    tenant_id = context.tenant_id()
    rates = current_rates()
    begin = f"{_installation()}:{spaces.of(tenant_id)}"
    person = f"{begin}:person:{person_id.hex}"
    rules = [_rule("person", person, rates.person)]
    if rate_class in _OF_CLASS:
        most: int = getattr(rates, rate_class)
        rules.append(_rule(rate_class, f"{person}:{rate_class}", most))
    if tenant_id is not None:
        rules.append(_rule("tenant", f"{begin}:everybody", rates.tenant))
    return tuple(rules)


def rules_of_address(address: str | None, *, rate_class: RateClass) -> tuple[Rule, ...]:
    """Of somebody without a sign-in: the same at all tenants, and nothing of what tenants have."""
    rates: Rates = settings.RATE_LIMITS
    origin = f"{_installation()}:address:{address_key(address)}"
    rules = [_rule("address", origin, rates.address)]
    if rate_class is RateClass.LOGIN:
        rules.append(_rule("login", f"{origin}:login", rates.login))
    return tuple(rules)


def current_rates() -> Rates:
    """The present tenant's: its own numbers before its plan's, these before the installation's."""
    rates: Rates = settings.RATE_LIMITS
    scope = context.current()
    if not isinstance(scope, context.TenantIdentity):
        return rates
    quotas = scope.quotas
    # One whose plan was taken out of the settings has the installation's; the doctor says so.
    plan = settings.RATE_PLANS.get(quotas.plan, {})
    return rates.with_plan(plan, tenant=quotas.requests_per_minute)


def _rule(name: str, key: str, most: int) -> Rule:
    return Rule(name, Window(key=key, most=most, seconds=SECONDS))


def _installation() -> str:
    return redis_keys.installation("limits-of-requests")
