"""Every address of a tenant's host, with the other tenant's keys in each place that takes one."""

import json
from typing import Any
from uuid import UUID

from shared_apps.onboarding.laboratory import addresses, planting
from shared_apps.onboarding.laboratory.report import Record
from shared_apps.onboarding.laboratory.subjects import Pair, Subject
from shared_apps.onboarding.laboratory.visitors import Visitor, content_of

_READING = ("GET", "HEAD", "OPTIONS")
_WRITING = ("POST", "PUT", "PATCH", "DELETE")


def probe(pair: Pair, record: Record) -> None:
    for asking, other in pair.directions():
        visitor = Visitor(asking)
        visitor.sign_in()
        before = planting.fingerprint(other)
        templates = _read(visitor, other, record)
        _write(visitor, other, templates, record)
        _with_another_tenants_token(visitor, other, record)
        after = planting.fingerprint(other)
        for table, digest in before.items():
            record.expect(
                after[table] == digest,
                f"{other.slug}.{table}",
                f"was changed through {asking.slug}",
            )


def _read(visitor: Visitor, other: Subject, record: Record) -> list[dict[str, Any]]:
    """Ask every address with one's own keys and the other's; returns bodies to write with."""
    bodies: list[dict[str, Any]] = [{}]
    for route in addresses.routes():
        for method in _READING:
            for path in [*route.with_keys_of(visitor.subject), *_foreign(route, other)]:
                content = _judged(visitor, method, path, None, other, record)
                bodies += _objects(content)
    return list({json.dumps(sorted(body)): body for body in bodies}.values())


def _write(visitor: Visitor, other: Subject, bodies: list[dict[str, Any]], record: Record) -> None:
    """Send every kind of body that was read, with its keys exchanged for the other's."""
    exchanged = [_exchanged(body, visitor.subject, other) for body in bodies]
    for route in addresses.routes():
        paths = _foreign(route, other) if route.has_parameters else [str(route)]
        for path in paths:
            for method in _WRITING:
                for body in exchanged if not route.has_parameters else exchanged[:3]:
                    _judged(visitor, method, path, body, other, record)


def _with_another_tenants_token(visitor: Visitor, other: Subject, record: Record) -> None:
    stranger = Visitor(other)
    stranger.token = visitor.token
    for route in addresses.routes():
        if not route.has_parameters:
            response = stranger.send_once("GET", str(route), None)
            found = other.found_in(content_of(response))
            record.expect(
                found is None,
                f"GET {route} at {other.slug} with {visitor.subject.slug}'s token",
                f"showed {found}",
            )


def _judged(
    visitor: Visitor, method: str, path: str, body: Any, other: Subject, record: Record
) -> str:
    response = visitor.send(method, path, body)
    content = content_of(response)
    # What was sent may come back in an error; what was not sent may not.
    sent = f"{path}{json.dumps(body)}"
    found = other.found_in(content)
    subject = f"{method} {path} at {visitor.subject.slug}"
    record.sightings += visitor.subject.marker in content
    record.expect(found is None or found in sent, subject, f"showed {found} of {other.slug}")
    record.expect(response.status_code < 500, subject, f"answered {response.status_code}")
    # OPTIONS looks no row up, and a link to the next version names what was asked for.
    if found and method in ("GET", "HEAD") and found in path:
        record.expect(response.status_code >= 400, subject, f"found {other.slug}'s {found}")
    return content


def _foreign(route: addresses.Route, other: Subject) -> list[str]:
    return list(route.with_keys_of(other)) if route.has_parameters else []


def _objects(content: str) -> list[dict[str, Any]]:
    """The JSON objects of an answer and of its list of results."""
    _, _, body = content.partition("\n\n") if "\n\n" in content else ("", "", content)
    try:
        answer = json.loads(body[body.index("{") :])
    except ValueError:
        return []
    results = answer.get("results")
    return [answer, *(results[:1] if isinstance(results, list) else [])]


def _exchanged(body: Any, own: Subject, other: Subject) -> Any:
    """`body` with each of `own`'s keys replaced by one of the same table of the other's."""
    if isinstance(body, dict):
        return {name: _exchanged(value, own, other) for name, value in body.items()}
    if isinstance(body, list):
        return [_exchanged(value, own, other) for value in body]
    return _counterpart(body, own, other)


def _counterpart(value: Any, own: Subject, other: Subject) -> Any:
    try:
        key = UUID(value)
    except (ValueError, TypeError, AttributeError):
        return value
    for table, ids in own.ids.items():
        if key in ids and other.ids.get(table):
            return str(other.ids[table][0])
    return value
