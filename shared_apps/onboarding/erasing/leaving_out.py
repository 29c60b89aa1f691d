"""Rows of an archive that are of people who were erased since it was made."""

from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from shared_apps.onboarding.erasing import rules
from shared_apps.onboarding.erasing.declarations import declared
from shared_apps.onboarding.erasing.subjects import Line, Subject, merged
from shared_apps.onboarding.erasing.tombstones import Tombstones


def leave_out(identity: TenantIdentity, tombstones: Tombstones, *, using: str) -> list[Line]:
    """Apply the rules to the rows of a schema, in the caller's transaction.

    A tombstone does not tell the address, so those that stand in the rows are compared with it.
    """
    found: list[Line] = []
    with context.tenant(identity):
        present = rules.columns_of(identity.schema, shared=False, using=using)
        subjects = [Subject(user_id, None) for user_id in sorted(tombstones.people)]
        if tombstones.hashes:
            subjects += _by_address(tombstones, using)
        for subject in subjects:
            lines = rules.carry_out(subject, shared=False, dry=False, present=present, using=using)
            found = merged(found, [line for own in lines.values() for line in own])
    return found


def _by_address(tombstones: Tombstones, using: str) -> list[Subject]:
    addresses = set().union(
        *(rules.addresses_in(model, using=using) for model in declared(shared=False))
    )
    # The account's id was looked for by itself.
    return [Subject(None, address) for address in sorted(addresses) if tombstones.cover(address)]
