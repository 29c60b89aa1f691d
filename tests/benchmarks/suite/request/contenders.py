"""Who takes part: a settings module each, and how it is told who asks."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.benchmarks.benchmark import Part

FIXED_TOKEN = "fixed"
_SETTINGS = "tests.benchmarks.suite.request.settings"


@dataclass(frozen=True, slots=True)
class RequestContender:
    name: str
    part: Part
    what: str
    settings: str
    has_tenants: bool = True
    signs_in: bool = False
    """With a real sign-in at each tenant; the others accept a fixed token."""
    environment: Mapping[str, str] = field(default_factory=dict)
    behind_pooler: bool = False
    """A PgBouncer of its own in transaction mode, with one server connection."""

    def __hash__(self) -> int:
        return hash(self.name)


PLAIN = RequestContender(
    "plain Django",
    Part.FLOOR,
    "no tenants; the tables of the first one by a fixed search_path, persistent connection",
    settings=f"{_SETTINGS}.plain",
    has_tenants=False,
)
OURS = RequestContender(
    "ours",
    Part.OURS,
    "role, path and audit attribution of each request set, tenant by host",
    settings=f"{_SETTINGS}.ours",
)
STOCK_LIMITED = RequestContender(
    "django-tenants, limited",
    Part.PEER,
    "the same with TENANT_LIMIT_SET_CALLS",
    settings=f"{_SETTINGS}.stock_limited",
)
UNLIMITED = RequestContender(
    "ours, signed in",
    Part.INFORMATION,
    "the product's settings without its rate limits",
    settings=f"{_SETTINGS}.unlimited",
    signs_in=True,
)
WHOLE = RequestContender(
    "ours, whole endpoint",
    Part.INFORMATION,
    "the product's settings untouched: signature and session of the access token are checked",
    settings="config.settings.local",
    signs_in=True,
)
CONTENDERS = (
    PLAIN,
    RequestContender(
        "django-tenants",
        Part.PEER,
        "its backend and middleware at their defaults, tenant by host, persistent connection",
        settings=f"{_SETTINGS}.stock",
    ),
    STOCK_LIMITED,
    OURS,
    WHOLE,
)
