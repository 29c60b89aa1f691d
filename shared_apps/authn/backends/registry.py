"""Which backends there are: ours, and those that an installed package brings.

A package of a customer's declares one in its entry points, named as in tenants.yaml:

    [project.entry-points."freehold.auth_backends"]
    acme_sso = "acme_sso.backend:AcmeBackend"

The class derives from AuthBackend, has that name and a `declared: ClassVar[Kind]`, takes (configuration,
recognise) as DirectoryBackend does, and passes the contract of tests/directories/contract.py.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final

from shared_apps.authn.backends.active_directory import ActiveDirectoryBackend
from shared_apps.authn.backends.base import AuthBackend
from shared_apps.authn.backends.database import DatabaseBackend
from shared_apps.authn.backends.kinds import BUILT_IN, Kind
from shared_apps.authn.backends.ldap.openldap import OpenLdapBackend
from shared_apps.authn.backends.ldap.oracle_oid import OracleOidBackend

GROUP: Final = "freehold.auth_backends"

# Beside DatabaseBackend these take (configuration, recognise).
_OWN: Final[Mapping[str, type[AuthBackend]]] = {
    DatabaseBackend.name: DatabaseBackend,
    ActiveDirectoryBackend.name: ActiveDirectoryBackend,
    OpenLdapBackend.name: OpenLdapBackend,
    OracleOidBackend.name: OracleOidBackend,
}


@dataclass(frozen=True)
class Broken:
    """An entry point that is no backend."""

    name: str
    reason: str


@dataclass(frozen=True)
class Found:
    classes: Mapping[str, type[Any]]
    kinds: Mapping[str, Kind]
    broken: tuple[Broken, ...]


@cache
def found() -> Found:
    """Read once: packages are not installed into a running process."""
    return read(entry_points(group=GROUP))


def read(declared: Iterable[EntryPoint]) -> Found:
    classes: dict[str, type[Any]] = dict(_OWN)
    kinds = dict(BUILT_IN)
    broken: list[Broken] = []
    for point in declared:
        try:
            loaded = point.load()
        except Exception as error:  # whatever a foreign module does when it is imported
            broken.append(Broken(point.name, f"it cannot be loaded: {type(error).__name__}"))
            continue
        if reason := _fault(point.name, loaded, kinds):
            broken.append(Broken(point.name, reason))
            continue
        classes[point.name], kinds[point.name] = loaded, loaded.declared
    return Found(classes, kinds, tuple(broken))


def _fault(name: str, loaded: Any, taken: Mapping[str, Kind]) -> str:
    if name in taken:
        return "a backend of this name is there already"
    if not (isinstance(loaded, type) and issubclass(loaded, AuthBackend)):
        return "it is no class that derives from AuthBackend"
    if getattr(loaded, "name", None) != name:
        return "its class has another name than its entry point"
    if not isinstance(getattr(loaded, "declared", None), Kind):
        return "its class does not say in `declared` what is declared of it"
    return ""
