"""Groups in groups, deep and in circles: a sign-in and a synchronisation end, and give the same roles."""

from uuid import uuid4

from shared_apps.authn.backends.active_directory import ActiveDirectoryBackend
from shared_apps.authn.backends.base import Configuration
from shared_apps.authn.backends.directory import DirectoryBackend
from shared_apps.authn.backends.ldap.openldap import OpenLdapBackend
from shared_apps.authn.recognition import recognise, role_of
from shared_apps.core.context import TenantIdentity
from tests.directories.samba import Domain
from tests.directories.samba_people import PASSWORD, dn
from tests.directories.slapd import Slapd

DEPTH = 25


def roles_of(backend: DirectoryBackend, *, username: str, password: str) -> tuple[object, object]:
    """By signing in, and by listing everybody."""
    proven = backend.prove(username=username, password=password)
    assert proven is not None
    (listed,) = (one for one in backend.list_people() if one.username == username)
    return (
        role_of(backend.configuration, proven.groups),
        role_of(backend.configuration, listed.groups),
    )


def test_in_openldap(slapd: Slapd, acme: TenantIdentity, globex: TenantIdentity) -> None:
    names = [f"ring{number}" for number in range(DEPTH)]
    base = f"ou=groups,{slapd.suffix}"
    # Each is a member of the next, and the last of the first; one is a member of itself, too.
    ring = {name: [f"cn={names[at - 1]},{base}"] for at, name in enumerate(names)}
    ring[names[0]].append(slapd.dn("alice"))
    ring[names[3]].append(f"cn={names[3]},{base}")
    for name, held in ring.items():
        members = "\n".join(f"{slapd.member_attribute}: {member}" for member in held)
        slapd.apply(
            "ldapadd",
            ldif=f"dn: cn={name},{base}\nobjectClass: {slapd.group_class}\ncn: {name}\n{members}\n",
        )
    backends = [
        OpenLdapBackend(slapd.configuration(tenant.id, role_groups={role: [group]}), recognise)
        for tenant, role, group in (
            (acme, "editor", f"cn={names[-1]},{base}"),
            (globex, "viewer", f"cn=nobody,{base}"),
        )
    ]

    found = [
        [roles_of(backend, username=uid, password=slapd.password(uid)) for uid in ("alice", "bob")]
        for backend in backends
    ]

    assert found == [[("editor", "editor"), (None, None)], [(None, None), (None, None)]]


def test_in_active_directory(samba: Domain, globex: TenantIdentity, acme: TenantIdentity) -> None:
    mark = uuid4().hex[:8]
    names = [f"ring{number}-{mark}" for number in range(DEPTH)]
    inside, outside = f"in-{mark}", f"out-{mark}"
    with samba.administration() as administration:
        for name in names:
            administration.add_group(name)
        for at, name in enumerate(names):
            administration.add_members(name, names[at - 1])
        for person in (inside, outside):
            administration.add_person(person)
        administration.add_members(names[0], inside)
    backend, other = (
        ActiveDirectoryBackend(
            Configuration(
                tenant_id=tenant.id,
                kind="active_directory",
                realm=uuid4(),
                options={**samba.options, "role_groups": role_groups},
                secrets={"bind_password": samba.bind_password},
            ),
            recognise,
        )
        for tenant, role_groups in ((globex, {"editor": [dn(names[-1])]}), (acme, {}))
    )

    assert roles_of(backend, username=inside, password=PASSWORD) == ("editor", "editor")
    assert roles_of(backend, username=outside, password=PASSWORD) == (None, None)
    assert roles_of(other, username=inside, password=PASSWORD) == (None, None)
