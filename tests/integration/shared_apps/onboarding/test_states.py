"""Every action on a tenant in every state: the documented effect, or a refusal with nothing changed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from shared_apps.core import attribution, context
from shared_apps.core.context import TenantIdentity
from shared_apps.onboarding import schemas, services
from shared_apps.onboarding.choices import HALF_RESTORED
from shared_apps.onboarding.errors import HalfRestoredError
from shared_apps.tenants import services as tenants
from shared_apps.tenants.choices import TenantState
from shared_apps.tenants.models import Tenant
from tests import tenant_files
from tests.client import Api
from tests.installation import PASSWORD, Installation
from tests.integration.shared_apps.onboarding.console import Console, tenant

S = TenantState
LATER = datetime(2099, 1, 1, tzinfo=UTC)
HOST = "initech.localhost"

STATES: Mapping[str, Mapping[str, Any]] = {
    "pending": {"state": S.PENDING},
    "provisioning": {"state": S.PROVISIONING},
    "failed": {"state": S.FAILED, "last_error": "schema: no space left"},
    "half restored": {"state": S.FAILED, "last_error": HALF_RESTORED},
    "active": {"state": S.ACTIVE},
    "suspended": {"state": S.SUSPENDED, "state_reason": "Unpaid."},
    "archived": {"state": S.ARCHIVED, "state_reason": "Left."},
    "in grace": {"state": S.ARCHIVED, "state_reason": "Left.", "delete_after": LATER},
    "half deleted": {"state": S.DELETED, "state_reason": "Left.", "delete_after": LATER},
}
UNFINISHED = ("pending", "provisioning", "failed")
FINISHED = ("active", "suspended", "archived", "in grace")

GONE = "gone"
SAME = "same"
"""Allowed, and no row of a tenant is changed."""


@dataclass(frozen=True)
class Action:
    arguments: tuple[str, ...]
    effects: Mapping[str, str]
    """State → what it is afterwards; a state that is not named is refused."""
    makes: Mapping[str, str] | None = None
    """Another tenant, `twin`, in this state."""


def to(state: str, *states: str) -> dict[str, str]:
    return dict.fromkeys(states, state)


ACTIONS: Mapping[str, Action] = {
    "plan": Action(("plan", "-f", "FILE"), to(SAME, *UNFINISHED, "active", "suspended")),
    "apply": Action(
        ("apply", "-f", "FILE", "--yes"),
        {**to("active", *UNFINISHED, "active"), "suspended": "suspended"},
    ),
    "create": Action(
        ("create", "initech", "--name", "Initech", "--domain", HOST, "--admin-email", "a@b.example"),
        to("active", *UNFINISHED),
    ),
    "repair": Action(("repair", "initech"), to(SAME, *FINISHED)),
    "undo-failed": Action(("undo-failed", "initech"), to(GONE, "failed", "half restored")),
    "suspend": Action(
        ("suspend", "initech", "--reason", "r"), to("suspended", "active", "archived", "in grace")
    ),
    "resume": Action(("resume", "initech", "--reason", "r"), to("active", "suspended")),
    "archive": Action(("archive", "initech", "--reason", "r"), to("archived", "active", "suspended")),
    "take-back": Action(
        ("take-back", "initech", "--reason", "r"), to("suspended", "archived", "in grace")
    ),
    "delete": Action(("delete", "initech", "--without-backup", "initech"), to("in grace", *FINISHED)),
    "purge": Action(
        ("purge",),
        {**to(SAME, *UNFINISHED, "half restored", *FINISHED), "half deleted": GONE},
    ),
    "export": Action(("export", "initech", "-o", "NEW"), to(SAME, *FINISHED)),
    "restore": Action(("restore", "ARCHIVE", "--as", "initech", "--domain", "x.localhost"), {}),
    "rename": Action(
        ("rename", "initech", "twin"), to(GONE, "active", "suspended", "archived"),
        makes={"active": "active", "suspended": "suspended", "archived": "archived"},
    ),
    "rename onto it": Action(("rename", "acme", "initech", "--domain", "x.localhost"), {}),
    "clone": Action(
        ("clone", "initech", "twin"), to(SAME, *FINISHED),
        makes={**to("active", *FINISHED), "suspended": "suspended"},
    ),
    "clone onto it": Action(("clone", "acme", "initech", "--domain", "x.localhost"), {}),
    "show": Action(("show", "initech"), to(SAME, *STATES)),
}  # fmt: skip


def make(system: Installation) -> TenantIdentity:
    request = services.TenantRequest(
        slug="initech", name="Initech", domains=(HOST,),
        admin_email="admin@initech.example", admin_password=PASSWORD,
    )  # fmt: skip
    with context.operator(), attribution.acting(attribution.command("test")):
        made = services.create_tenant(request=request, at=datetime.now(UTC)).identity
    tenant_files.save(made, "tps.txt")
    system.relay()
    return made


def put(system: Installation, state: str) -> None:
    """A whole tenant `initech` whose row says that it is in this state, and no `twin`."""
    empty = {"state_reason": "", "last_error": "", "delete_after": None}
    with context.operator(), attribution.acting(attribution.command("test")):
        for other in Tenant.objects.filter(slug="twin"):
            schemas.drop_schema(other.identity)
            other.delete()
        found = Tenant.objects.filter(slug="initech").first()
        identity = found.identity if found else make(system)
        tenants.set_domains(tenant_id=identity.id, domains=[HOST])
        Tenant.objects.filter(id=identity.id).update(
            **{**empty, "name": "Initech", **STATES[state]}
        )


def everything(system: Installation) -> Any:
    with system.owner() as owner:
        return [
            owner.execute(query).fetchall()
            for query in (
                "SELECT to_jsonb(t) FROM tenants_tenant t ORDER BY id",
                "SELECT domain, tenant_id, is_primary FROM tenants_domain ORDER BY domain",
                "SELECT tenant_id, user_id, role FROM accounts_usertenantrole ORDER BY 1, 2",
                "SELECT relnamespace::regnamespace::text, relname FROM pg_class"
                " WHERE relnamespace::regnamespace::text LIKE 't\\_%' ORDER BY 1, 2",
                "SELECT rolname FROM pg_roles ORDER BY 1",
                "SELECT schema_name, fingerprint FROM fleet_schemaversion ORDER BY 1",
            )
        ] + [sorted(str(path) for path in Path(settings.MEDIA_ROOT).rglob("*"))]


def state_of(slug: str) -> str:
    with context.operator():
        found = Tenant.objects.filter(slug=slug).first()
    if found is None:
        return GONE
    return "in grace" if found.delete_after else found.state.lower()


@pytest.mark.parametrize("state", STATES)
def test_every_action_has_its_effect_or_changes_nothing(
    console: Console, system: Installation, tmp_path: Path, state: str
) -> None:
    console.declare(tenant("initech", name="Other"))
    archive = tmp_path / "acme.tar.gz"
    assert console.run("export", "acme", "-o", str(archive)).code == 0
    wrong: dict[str, str] = {}
    for number, (name, action) in enumerate(ACTIONS.items()):
        put(system, state)
        before = everything(system)
        files = {"FILE": console.file, "ARCHIVE": archive, "NEW": tmp_path / f"{number}.tar.gz"}

        ended = console.run(*(str(files.get(word, word)) for word in action.arguments))

        expected = action.effects.get(state)
        if expected is None:
            lines = ended.err.strip().splitlines()
            is_clear = ended.code == 1 and 1 <= len(lines) <= 3 and "Traceback" not in ended.err
            is_right = is_clear and everything(system) == before
        elif expected == SAME and not action.makes:
            is_right = ended.code == 0 and everything(system) == before
        else:
            twin = (action.makes or {}).get(state, GONE)
            is_right = ended.code == 0 and state_of("twin") == twin
            is_right = is_right and expected in (SAME, state_of("initech"))
        if not is_right:
            wrong[name] = (
                f"{expected or 'refused'}, but {ended.code} {ended.err.strip()[-300:]!r}, "
                f"{state_of('initech')}, twin {state_of('twin')}"
            )
    put(system, "active")
    assert wrong == {}


def test_a_half_restored_tenant_is_not_completed_over_http_either(
    console: Console, system: Installation
) -> None:
    put(system, "half restored")
    before = everything(system)
    client = Api(None)
    client.sign_in("operator@example.com", system.password)
    declared = {"slug": "initech", "name": "I", "domains": [HOST], "admins": ["a@b.example"]}

    retried = client.post("operator/tenants/initech/retry/")
    posted = client.post("operator/tenants/", declared)

    assert (retried.status_code, retried.json()["code"]) == (409, "onboarding.half_restored")
    assert "undo-failed" in retried.json()["detail"]
    assert posted.status_code == 409
    assert everything(system) == before


def test_the_engine_itself_refuses_what_a_restore_left(
    console: Console, system: Installation
) -> None:
    """Whoever planned before the restore began and applies after it died."""
    put(system, "half restored")
    before = everything(system)

    request = services.TenantRequest(
        slug="initech", name="I", domains=(HOST,), admin_email="a@b.example"
    )
    with context.operator(), pytest.raises(HalfRestoredError):
        services.create_tenant(request=request, at=datetime.now(UTC) + timedelta(1))

    assert everything(system) == before
