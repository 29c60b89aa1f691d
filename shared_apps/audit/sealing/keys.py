"""People's keys as the relay uses them, with its own connections.

A key that is used is locked until the entries that it seals are stored and their outbox rows are gone: who
destroys it waits, and what is sealed later finds it gone. A new key is committed before anything is sealed
with it, over a connection of its own: the entries are in another database, and may outlive a rollback here.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID, uuid4

import psycopg

from shared_apps.audit.errors import SealingKeyError
from shared_apps.audit.sealing import wrapping
from shared_apps.audit.sealing.models import WrappingKey
from shared_apps.audit.sealing.values import DataKey
from shared_apps.audit.sealing.wrapping import Subject
from shared_apps.core import renewal
from shared_apps.core.doctor import Finding

_ATTEMPTS: Final = 10

# In the order of their ids, so that two relays do not wait for each other.
_USE = """
WITH locked AS (
    SELECT k.id, wanted.entries FROM public.audit_sealing_personkey k
    JOIN unnest(%(names)s::text[], %(entries)s::bigint[]) AS wanted (subject, entries) USING (subject)
    WHERE k.trail_id = %(trail)s ORDER BY k.id FOR UPDATE OF k)
UPDATE public.audit_sealing_personkey k SET entries = k.entries + locked.entries
FROM locked WHERE k.id = locked.id
RETURNING k.id, k.subject, k.wrapped, k.wrapping_key_id
"""
_MAKE = """
INSERT INTO public.audit_sealing_personkey (id, trail_id, subject, wrapped, wrapping_key_id, entries)
SELECT id, %s, subject, wrapped, %s, 0
FROM unnest(%s::uuid[], %s::text[], %s::bytea[]) AS made (id, subject, wrapped)
ON CONFLICT DO NOTHING
"""
REGISTER: Final = """
INSERT INTO public.audit_sealing_wrappingkey (id, proof) VALUES (%s, %s) ON CONFLICT DO NOTHING
"""


def require_known(source: psycopg.Connection[Any]) -> None:
    """Raises SealingKeyError: the settings are not those that keys were wrapped with."""
    wrapping.require(
        source.execute("SELECT id, proof FROM public.audit_sealing_wrappingkey").fetchall()
    )


def use(
    source: psycopg.Connection[Any], trail_id: UUID, entries: Mapping[Subject, int]
) -> dict[Subject, DataKey]:
    """The keys of people, made if need be, locked in the caller's transaction and credited with entries.

    Raises:
        SealingKeyError: the settings are not those that keys were wrapped with.
    """
    require_known(source)
    found: dict[Subject, DataKey] = {}
    for _ in range(_ATTEMPTS):
        missing = {subject: count for subject, count in entries.items() if subject not in found}
        if not missing:
            return found
        found |= _lock(source, trail_id, missing)
        if new := [subject for subject in missing if subject not in found]:
            _make(source, trail_id, new)
    raise SealingKeyError("Keys of the audit trail are destroyed as fast as they are made.")


def erased_since(
    source: psycopg.Connection[Any], subjects: Iterable[Subject]
) -> dict[Subject, datetime]:
    """Of those who were erased, when that was. Ask when their keys are locked."""
    by_name = _by_name(subjects)
    rows = source.execute(
        "SELECT subject, erased_at FROM public.audit_sealing_erasedsubject WHERE subject = ANY(%s)",
        [list(by_name)],
    ).fetchall()
    found: dict[Subject, datetime] = {}
    for name, erased_at in rows:
        subject = by_name[name]
        found[subject] = max(erased_at, found.get(subject, erased_at))
    return found


def find_unusable() -> list[Finding]:
    """For the doctor: keys that the settings cannot open."""
    try:
        wrapping.require(WrappingKey.objects.values_list("id", "proof"))
    except SealingKeyError as error:
        return [
            Finding(
                "AUDIT_SEALING_KEYS",
                error.text,
                "add the former secret after the one in use, in every process",
            )
        ]
    return []


def _lock(
    source: psycopg.Connection[Any], trail_id: UUID, entries: Mapping[Subject, int]
) -> dict[Subject, DataKey]:
    by_name = _by_name(entries)
    rows = source.execute(
        _USE,
        {
            "trail": trail_id,
            "names": list(by_name),
            "entries": [entries[subject] for subject in by_name.values()],
        },
    ).fetchall()
    secrets = wrapping.by_id()
    return {
        by_name[name]: DataKey(
            key_id, secrets[wrapped_by].unwrap(wrapped, key_id=key_id, trail_id=trail_id)[0]
        )
        for key_id, name, wrapped, wrapped_by in rows
    }


def _make(source: psycopg.Connection[Any], trail_id: UUID, subjects: Sequence[Subject]) -> None:
    secret = wrapping.configured()[0]
    # Sorted, as two relays may make the same ones.
    made = sorted(
        (secret.name(subject), key_id, _wrapped(secret, subject, key_id, trail_id))
        for subject in subjects
        for key_id in [uuid4()]
    )
    with renewal.Connection[Any].connect(source.info.dsn, password=source.info.password) as own:
        own.execute(REGISTER, [secret.id, secret.proof])
        own.execute(
            _MAKE,
            [
                trail_id,
                secret.id,
                [key_id for _, key_id, _ in made],
                [name for name, _, _ in made],
                [wrapped for _, _, wrapped in made],
            ],
        )


def _wrapped(
    secret: wrapping.WrappingSecret, subject: Subject, key_id: UUID, trail_id: UUID
) -> bytes:
    return secret.wrap(wrapping.new_key(), subject, key_id=key_id, trail_id=trail_id)


def _by_name(subjects: Iterable[Subject]) -> dict[str, Subject]:
    return {name: subject for subject in subjects for name in wrapping.names_of(subject)}
