"""One person out of the whole installation: the account withdrawn, every tenant's rows, the account's name.

In this order, and each part one transaction with its record: whatever stops it in between, nobody can sign
in as the person any more, and the same command goes on until all is done. Rows are reached in each
tenant's own context, so that a rule can touch no other tenant's.
"""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from django.db import Error, connection, transaction

from shared_apps.accounts import erasure as accounts
from shared_apps.audit.errors import AuditUnavailableError
from shared_apps.audit.sealing import destroying
from shared_apps.audit.selectors import EntryFilter, count_entries
from shared_apps.audit.transfer import INSTALLATION
from shared_apps.core import attribution, context
from shared_apps.core.context import TenantIdentity
from shared_apps.core.errors import AppError, explain
from shared_apps.onboarding.erasing import rules, tombstones
from shared_apps.onboarding.erasing.cases import Case, open_case
from shared_apps.onboarding.erasing.reports import Report, State, TenantPart, Trail
from shared_apps.onboarding.erasing.subjects import (
    Line,
    Subject,
    is_changed,
    merged,
    unreadable,
)
from shared_apps.onboarding.errors import PersonUnknownError
from shared_apps.onboarding.models import Erasure, TenantErasure
from shared_apps.onboarding.provisioning import locks
from shared_apps.tenants import selectors as tenants_read
from shared_apps.tenants.models import Tenant

logger = logging.getLogger(__name__)

Tell = Callable[[str], None]
Clock = Callable[[], datetime]

_SHARED_SCHEMA = "public"
_TELL_EVERY = 100  # tenants in which nothing was found


@dataclass(frozen=True, slots=True)
class Allowed:
    """What is refused unless somebody says that it is meant."""

    orphaned: tuple[str, ...] = ()
    """Slugs of tenants that may lose their last administrator."""
    last_operator: bool = False


def plan_erasure(*, email: str, tell: Tell = lambda line: None) -> Report:
    """What would be erased and what stays; changes nothing.

    Raises:
        EmailError: this is no address.
        PersonUnknownError: nothing is known of it.
        SealingKeyError: the keys of the trail cannot be found.
    """
    case = open_case(email)
    sealed = destroying.count_entries(
        destroying.subjects_of(user_id=case.subject.user_id, address=case.email)
    )
    shared = _shared(case.subject, dry=True)
    parts = _visit(
        lambda tenant: [
            *shared.get(tenant.id, []),
            *_own(tenant.identity, case.subject, dry=True),
        ],
        tell,
    )
    warnings = []
    if case.subject.user_id is not None:
        warnings = [
            f"{slug} would be left without an administrator (--allow-orphaned {slug})"
            for slug in accounts.list_orphaned(user_id=case.subject.user_id)
        ]
        if accounts.is_last_operator(user_id=case.subject.user_id):
            warnings.append("nobody else operates the installation (--allow-last-operator)")
    lines = [*shared.get(None, []), *unreadable(sealed)]
    report = _report(case, State.PLANNED, lines, parts, warnings)
    is_known = case.subject.user_id is not None or case.erasure is not None
    if not is_known and not report.finds_anything and not report.failed:
        raise PersonUnknownError
    return report


def erase_person(
    *, email: str, allowed: Allowed, clock: Clock, tell: Tell = lambda line: None
) -> Report:
    """Erase whoever has an address; one that was begun is taken up again, one that is done changes nothing.

    Raises:
        EmailError, PersonUnknownError, TenantOrphanedError, LastOperatorError: nothing was changed.
        ErasureRunningError: another one, or a restore, is at work.
        SealingKeyError: the keys of the trail cannot be found; nothing was changed.
    """
    with locks.only_erasure():
        case = open_case(email)
        destroying.require_keys()
        if case.is_to_be_looked_for:
            plan = plan_erasure(email=email, tell=tell)
            if not plan.changes_anything and not plan.failed:
                return replace(plan, state=State.ERASED)
        erasure = _begin(case, allowed, clock())
        # Everything that follows is found in each trail under the erasure's id.
        who = replace(attribution.current(), request_id=str(erasure.id))
        with attribution.acting(who):
            parts = _visit(lambda tenant: _erase_tenant(tenant, erasure, case, clock()), tell)
            is_whole = not any(part.error for part in parts)
            if is_whole:
                _finish(erasure, case, clock())
        return _recorded(case, erasure, parts, is_whole=is_whole)


def _begin(case: Case, allowed: Allowed, at: datetime) -> Erasure:
    """From its commit on nobody signs in as the person, and no older archive brings them back."""
    user_id = case.subject.user_id
    with context.operator(), transaction.atomic():
        if user_id is not None:
            accounts.withdraw(
                user_id=user_id, orphaned=allowed.orphaned, last_operator=allowed.last_operator
            )
        erasure = case.erasure or Erasure(
            user_id=user_id,
            address_hash=tombstones.address_hash(case.email),
            key_mark=tombstones.key_mark(),
            started_at=at,
        )
        erasure.user_id, erasure.finished_at = user_id, None
        erasure.save()
        with attribution.acting(replace(attribution.current(), request_id=str(erasure.id))):
            _erase_shared(erasure, case.subject, at)
    return erasure


def _erase_shared(erasure: Erasure, subject: Subject, at: datetime) -> None:
    for tenant_id, lines in _shared(subject, dry=False).items():
        if tenant_id is None:
            erasure.lines = _merged_json(erasure.lines, lines)
            erasure.save(update_fields=["lines"])
        else:
            _record(erasure, tenant_id, lines, at)
    if subject.user_id is not None:
        accounts.drop_role(user_id=subject.user_id)


def _erase_tenant(tenant: Tenant, erasure: Erasure, case: Case, at: datetime) -> list[Line]:
    with transaction.atomic():
        lines = _own(tenant.identity, case.subject, dry=False)
        if lines:
            with context.operator():
                _record(erasure, tenant.id, lines, at)
    return lines


def _finish(erasure: Erasure, case: Case, at: datetime) -> None:
    user_id = case.subject.user_id
    own = destroying.subjects_of(user_id=user_id, address=case.email)
    with context.operator(), transaction.atomic():
        # Once more: somebody may have given the person a role meanwhile.
        _erase_shared(erasure, case.subject, at)
        if user_id is not None and accounts.anonymise(user_id=user_id, at=at):
            line = Line(
                "accounts_user", "anonymised", ("email", "name", "password", "password_changed_at"), 1
            )  # fmt: skip
            erasure.lines = _merged_json(erasure.lines, [line])
        erasure.save(update_fields=["lines"])
        # Last: what was changed up to here is on its way into the trail, and not to be read there.
        destroying.bury(own)
    with context.operator(), transaction.atomic():
        # After that is committed (audit/sealing/destroying.py).
        lines = unreadable(destroying.destroy(own))
        erasure.lines = _merged_json(erasure.lines, lines)
        erasure.finished_at = at
        erasure.save(update_fields=["lines", "finished_at"])


def _record(erasure: Erasure, tenant_id: UUID, lines: list[Line], at: datetime) -> None:
    """In the tenant's trail too, because the row is a tenant's: what was done, not to whose address."""
    part = TenantErasure.objects.filter(erasure=erasure, tenant_id=tenant_id).first()
    if part is None:
        part = TenantErasure(erasure=erasure, tenant_id=tenant_id, user_id=erasure.user_id)
    before = part.lines
    part.lines = _merged_json(before, lines)
    if part.lines != before:
        part.changed_at = at
        part.save()


def _merged_json(before: list[dict[str, object]], lines: Iterable[Line]) -> list[dict[str, object]]:
    return [line.as_json for line in merged(map(Line.from_json, before), lines)]


def _shared(subject: Subject, *, dry: bool) -> rules.Lines:
    with context.operator(), transaction.atomic():
        present = rules.columns_of(_SHARED_SCHEMA, shared=True)
        return rules.carry_out(subject, shared=True, dry=dry, present=present)


def _own(identity: TenantIdentity, subject: Subject, *, dry: bool) -> list[Line]:
    with context.operator():
        present = rules.columns_of(identity.schema, shared=False)
    if not present:
        return []
    with context.tenant(identity), transaction.atomic():
        found = rules.carry_out(subject, shared=False, dry=dry, present=present)
    return [line for lines in found.values() for line in lines]


def _visit(work: Callable[[Tenant], list[Line]], tell: Tell) -> list[TenantPart]:
    """Every tenant that is not deleted, whatever its state; one that fails does not keep the others."""
    with context.operator():
        tenants = list(tenants_read.list_tenants())
    parts = []
    for number, tenant in enumerate(tenants, start=1):
        lines, error = [], ""
        try:
            lines = work(tenant)
        except (Error, AppError) as raised:
            logger.exception("A person could not be erased from a tenant")
            error = explain(raised)
            with context.operator():
                # Else a connection that broke would fail for all that follow.
                connection.close_if_unusable_or_obsolete()
        if lines or error:
            parts.append(TenantPart(tenant.id, tenant.slug, tenant.state, tuple(lines), error))
        if error or is_changed(lines) or number % _TELL_EVERY == 0 or number == len(tenants):
            changed = sum(line.rows for line in lines if not line.is_kept)
            tell(f"[{number}/{len(tenants)}] {tenant.slug}: {error or f'{changed} rows'}")
    return parts


def _recorded(case: Case, erasure: Erasure, parts: list[TenantPart], *, is_whole: bool) -> Report:
    """All that this erasure has done, in this run and in those before it."""
    errors = {part.id: part.error for part in parts}
    with context.operator():
        done = {part.tenant_id: part for part in TenantErasure.objects.filter(erasure=erasure)}
        tenants = list(tenants_read.list_tenants())
    whole = [
        TenantPart(
            tenant.id, tenant.slug, tenant.state,
            tuple(map(Line.from_json, done[tenant.id].lines)) if tenant.id in done else (),
            errors.get(tenant.id, ""),
        )
        for tenant in tenants
        if tenant.id in done or errors.get(tenant.id)
    ]  # fmt: skip
    state = State.ERASED if is_whole else State.INCOMPLETE
    lines = list(map(Line.from_json, erasure.lines))
    return _report(replace(case, erasure=erasure), state, lines, whole)


def _report(
    case: Case,
    state: State,
    lines: list[Line],
    parts: list[TenantPart],
    warnings: Iterable[str] = (),
) -> Report:
    erasure = case.erasure
    return Report(
        state=state,
        erasure_id=erasure.id if erasure else None,
        person_id=case.subject.user_id,
        started_at=erasure.started_at if erasure else None,
        finished_at=erasure.finished_at if erasure else None,
        lines=tuple(lines),
        tenants=tuple(parts),
        trail=_trail(case.subject.user_id),
        warnings=tuple(warnings),
    )


def _trail(user_id: UUID | None) -> Trail:
    if user_id is None:
        return Trail(0)
    with context.operator():
        slugs = dict(tenants_read.list_tenants().values_list("id", "slug"))
    try:
        account = EntryFilter(entity_type="accounts.user", record_id=str(user_id))
        of_account = count_entries(tenants=[INSTALLATION], where=account)
        by_person = count_entries(
            tenants=[*slugs, INSTALLATION], where=EntryFilter(modified_by=str(user_id))
        )
    except AuditUnavailableError:
        return Trail(None)
    return Trail(
        sum(of_account.values()),
        {slugs.get(tenant_id, "installation"): count for tenant_id, count in by_person.items()},
    )
