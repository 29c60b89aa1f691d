"""A tenant's sign-in tried by an operator: the connection, and one person's credentials. Opens no session
and makes nobody."""

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from shared_apps.authn import backends, recognition
from shared_apps.authn.backends import configurations, registry
from shared_apps.authn.backends.base import AuthBackend, Configuration, are_plausible
from shared_apps.authn.backends.directory import DirectoryBackend, DirectoryPerson
from shared_apps.authn.configuring import Wanted
from shared_apps.core.errors import AppError


@dataclass(frozen=True, slots=True)
class Step:
    text: str
    ok: bool = True


@dataclass(frozen=True, slots=True)
class Trial:
    """What somebody would meet who signed in with these credentials."""

    backend: str
    """The kind, or `break_glass`."""
    is_proven: bool
    answer: str
    """`ok`, or the code of the refusal."""
    username: str = ""
    email: str = ""
    role: str = ""
    """That the groups give; whoever was invited has the role of the invitation."""
    groups: tuple[str, ...] = ()


def proposed(*, tenant_id: UUID, wanted: Wanted) -> Configuration:
    """A configuration that nobody uses yet."""
    names = registry.found().kinds[wanted.kind].realm_options
    return Configuration(
        tenant_id=tenant_id,
        kind=wanted.kind,
        realm=configurations.realm_of(
            tenant_id=tenant_id, kind=wanted.kind, options=wanted.options, names=names
        ),
        options=wanted.options,
        secrets=wanted.secrets,
    )


def try_connection(*, tenant_id: UUID, wanted: Wanted | None = None) -> Iterator[Step]:
    """Each step that worked, and the first that did not; by the present configuration or a proposed one."""
    try:
        backend = _backend(tenant_id, wanted)
        if not isinstance(backend, DirectoryBackend):
            yield Step("Passwords are kept here; there is nothing to connect to.")
            return
        for text in backend.check():
            yield Step(text)
    except AppError as error:
        yield Step(error.text, ok=False)


def try_sign_in(
    *, tenant_id: UUID, username: str, password: str, wanted: Wanted | None = None
) -> Trial:
    """One attempt, which the directory counts as it counts every other."""
    try:
        if wanted is None:
            way, backend = backends.way_of(tenant_id=tenant_id, username=username)
            name = way.name
        else:
            backend, name = _backend(tenant_id, wanted), wanted.kind
        if not isinstance(backend, DirectoryBackend):
            return _ours(backend, name, username, password)
        is_asked = are_plausible(username=username, password=password)
        person = backend.prove(username=username, password=password) if is_asked else None
    except AppError as error:
        return Trial(wanted.kind if wanted else "", is_proven=False, answer=error.code)
    if person is None:
        return Trial(name, is_proven=False, answer="invalid_credentials")
    return _of_directory(backend.configuration, person)


def _backend(tenant_id: UUID, wanted: Wanted | None) -> AuthBackend:
    if wanted is None:
        return backends.backend_for(tenant_id)
    return backends.backend_of(proposed(tenant_id=tenant_id, wanted=wanted))


def _ours(backend: AuthBackend, name: str, username: str, password: str) -> Trial:
    user = backend.authenticate(username=username, password=password)
    if user is None:
        return Trial(name, is_proven=False, answer="invalid_credentials")
    return Trial(name, is_proven=True, answer="ok", username=user.email, email=user.email)


def _of_directory(configuration: Configuration, person: DirectoryPerson) -> Trial:
    role = recognition.role_of(configuration, person.groups)
    return Trial(
        configuration.kind,
        is_proven=True,
        answer="ok",
        username=person.username,
        email=person.email,
        role=role or "",
        groups=tuple(sorted(person.groups)),
    )
