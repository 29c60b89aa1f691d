"""The default file storage: one tenant's file, asked for by the other in every spelling."""

from collections.abc import Callable
from typing import Any

from django.core.exceptions import SuspiciousOperation
from django.core.files.base import ContentFile
from django.core.files.storage import Storage, default_storage

from shared_apps.core import context
from shared_apps.core.errors import AppError
from shared_apps.onboarding.laboratory.report import Record
from shared_apps.onboarding.laboratory.subjects import Pair, Subject
from shared_apps.onboarding.laboratory.visitors import Visitor, content_of

_REFUSALS = (AppError, OSError, RuntimeError, SuspiciousOperation, ValueError)


def probe(pair: Pair, record: Record) -> None:
    for asking, other in pair.directions():
        with context.tenant(other.identity):
            name: str = default_storage.save(f"{other.marker}.txt", ContentFile(other.marker))
        try:
            _examine(asking, other, name, record)
            with context.tenant(other.identity):
                record.sightings += default_storage.exists(name)
        finally:
            with context.tenant(other.identity):
                default_storage.delete(name)


def _examine(asking: Subject, other: Subject, name: str, record: Record) -> None:
    with context.tenant(other.identity):
        path, url = default_storage.path(name), default_storage.url(name)
    directory = path.removesuffix(f"/{name}").rsplit("/", 1)[-1]
    with context.tenant(asking.identity):
        for spelling in (name, f"../{directory}/{name}", path, f"x/../../{directory}/{name}"):
            for verb, read in _reads(spelling).items():
                outcome = _shown(read, other)
                record.expect(
                    outcome is None, f"{verb}({spelling}) as {asking.slug}", outcome or ""
                )
        listed = _shown(lambda: str(default_storage.listdir("")), other)
        record.expect(listed is None, f"listdir as {asking.slug}", listed or "")
        _refused(lambda: default_storage.delete(name))
    with context.tenant(other.identity):
        record.expect(default_storage.exists(name), f"delete as {asking.slug}", "was done")
    _over_http(asking, other, url, record)
    with context.nobody():
        refused = _refused(lambda: default_storage.listdir(""))
    record.expect(refused, "listdir without a context", "was done")


def _over_http(asking: Subject, other: Subject, url: str, record: Record) -> None:
    visitor = Visitor(asking)
    visitor.sign_in()
    response = visitor.send("GET", url)
    record.expect(
        response.status_code >= 400 and other.marker not in content_of(response).replace(url, ""),
        f"the address of {other.slug}'s file at {asking.slug}",
        f"answered {response.status_code}",
    )


def _reads(name: str) -> dict[str, Callable[[], Any]]:
    return {
        "open": lambda: _text(default_storage, name),
        "exists": lambda: "a file" if default_storage.exists(name) else "",
        "size": lambda: f"{default_storage.size(name)} bytes",
    }


def _text(storage: Storage, name: str) -> str:
    with storage.open(name) as file:
        return str(file.read().decode())


def _shown(read: Callable[[], str], other: Subject) -> str | None:
    try:
        shown = read()
    except _REFUSALS:
        return None
    if shown in ("", "a file") or other.owns(shown) or shown.endswith(" bytes"):
        return f"showed {shown[:80]}" if shown else None
    return None


def _refused(action: Callable[[], Any]) -> bool:
    try:
        action()
    except _REFUSALS:
        return True
    return False
