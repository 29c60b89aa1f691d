"""A directory of OpenLDAP's, with a certificate, a password policy and people in every state.

    python -m tests.directories.slapd [acme|globex]

starts one and says how to reach it, until Ctrl-C. The program comes from the system (Debian: `apt-get install
slapd ldap-utils`, without its service): no wheel carries it.
"""

import base64
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trustme

from scripts.stack.errors import StackError
from scripts.stack.ports import free_port
from scripts.stack.privileges import Identity, unprivileged_identity
from scripts.stack.process import spawn
from scripts.stack.server import EmbeddedServer
from tests.waiting import wait_until

if TYPE_CHECKING:
    from shared_apps.authn.backends.base import Configuration

MISSING = "slapd is not installed; on Debian: apt-get install slapd ldap-utils"
_PLACES = "/usr/sbin:/usr/local/sbin:/usr/local/libexec:/usr/bin"
_MODULES = Path("/usr/lib/ldap")
_SCHEMA = Path("/etc/ldap/schema")
_NAMESPACE = uuid.UUID("5b3c9d0e-7a4f-4b62-9c1d-0a6c2f5e8d11")
MAX_AGE = timedelta(days=90)
LOCKOUT = timedelta(minutes=15)
MIN_LENGTH = 12
HISTORY = 3
GRACE = 2
_RELAX = ("-e", "relax")


@dataclass(frozen=True)
class Member:
    """Somebody in the directory, or a group's worth of what is said of them."""

    uid: str
    cn: str
    unit: str = "people"
    has_mail: bool = True
    operational: Mapping[str, str] = field(default_factory=dict)


def _stamp(moment: datetime) -> str:
    return moment.strftime("%Y%m%d%H%M%SZ")


def members(now: datetime) -> tuple[Member, ...]:
    """Ten people: named after the state that they are in, where it is a state."""
    long_ago = {"pwdChangedTime": _stamp(now - MAX_AGE - timedelta(days=1))}
    fresh = {"pwdChangedTime": _stamp(now - timedelta(days=1))}
    return (
        Member("alice", "Alice Adams", operational=fresh),
        Member("bob", "Bob Brown", operational=fresh),
        Member("carol", "Carol Clark", has_mail=False, operational=fresh),
        Member("jürgen", "Jürgen Groß, 1st (Lord) \\ *", operational=fresh),
        Member("expired", "Ed Expired", operational=long_ago),
        Member(
            "grace",
            "Grace Grant",
            operational=long_ago | {"pwdPolicySubentry": "cn=grace,ou=policies,{suffix}"},
        ),
        Member("mustchange", "Mia Must", operational=fresh | {"pwdReset": "TRUE"}),
        Member("locked", "Leo Locked", operational=fresh | {"pwdAccountLockedTime": _stamp(now)}),
        Member(
            "disabled",
            "Dan Disabled",
            operational=fresh | {"pwdAccountLockedTime": "000001010000Z"},
        ),
        Member("twin", "Tom Twin", operational=fresh),
        Member("twin", "Tim Twin", unit="contractors", operational=fresh),
    )


GROUPS = {
    # Their members: people, or groups. The last two hold one another.
    "editors": ("uid=alice,ou=people", "cn=staff,ou=groups"),
    "staff": ("uid=bob,ou=people", "cn=juniors,ou=groups"),
    "juniors": ("uid=carol,ou=people", "cn=staff,ou=groups"),
}


def find_slapd() -> Path | None:
    found = shutil.which("slapd") or shutil.which("slapd", path=_PLACES)
    is_whole = found and _MODULES.is_dir() and shutil.which("ldapmodify")
    return Path(found) if found and is_whole else None


def require_slapd() -> None:
    """Skips the test where slapd is missing, unless FREEHOLD_REQUIRE_DIRECTORIES is set."""
    if find_slapd() is None:
        if os.environ.get("FREEHOLD_REQUIRE_DIRECTORIES"):
            pytest.fail(MISSING)
        pytest.skip(MISSING)


class Slapd(EmbeddedServer):
    """The directory of one organisation, `dc=<organisation>,dc=example`."""

    name = "slapd"
    kind = "openldap"
    group_class, member_attribute = "groupOfNames", "member"
    stop_signals = ((signal.SIGTERM, 10.0), (signal.SIGKILL, 5.0))

    def __init__(
        self, directory: Path, *, organisation: str = "acme", authority: Any = None
    ) -> None:
        super().__init__(directory)
        self.organisation = organisation
        self.suffix = f"dc={organisation},dc=example"
        self.authority: Any = authority or trustme.CA()
        self.tls_port = 0
        self.realm = uuid.uuid5(_NAMESPACE, organisation)
        self._identity: Identity | None = None
        self._seeded = False

    @property
    def url(self) -> str:
        return f"ldaps://localhost:{self.tls_port}"

    @property
    def start_tls_url(self) -> str:
        return f"ldap://localhost:{self.port}"

    @property
    def ca_certificate(self) -> str:
        return str(self.authority.cert_pem.bytes().decode())

    @property
    def bind_dn(self) -> str:
        return f"cn=freehold,ou=services,{self.suffix}"

    @property
    def bind_password(self) -> str:
        return f"{self.organisation} service secret"

    @property
    def policy_dn(self) -> str:
        return f"cn=default,ou=policies,{self.suffix}"

    def password(self, uid: str) -> str:
        return f"{self.organisation}-{uid}-secret"

    def dn(self, uid: str, unit: str = "people") -> str:
        return f"uid={uid},ou={unit},{self.suffix}"

    def external_id(self, uid: str, unit: str = "people") -> str:
        return str(uuid.uuid5(_NAMESPACE, self.dn(uid, unit)))

    def options(self, **more: Any) -> dict[str, Any]:
        return {
            "url": self.url,
            "base_dn": self.suffix,
            "bind_dn": self.bind_dn,
            "ca_certificate": self.ca_certificate,
            "group_base_dn": f"ou=groups,{self.suffix}",
            "password_policy_dn": self.policy_dn,
            **more,
        }

    def configuration(self, tenant_id: uuid.UUID, **options: Any) -> "Configuration":
        from shared_apps.authn.backends.base import Configuration  # needs Django, the rest does not

        return Configuration(
            tenant_id=tenant_id,
            kind=self.kind,
            realm=self.realm,
            options=self.options(**options),
            secrets={"bind_password": self.bind_password},
        )

    def prepare(self) -> None:
        if find_slapd() is None:
            raise StackError(MISSING)
        place = self.directory.path
        self._identity = unprivileged_identity(must_reach=[place / "."])
        (place / "data").mkdir(exist_ok=True)
        certificate = self.authority.issue_cert("localhost", "127.0.0.1", socket.gethostname())
        chain = b"".join(pem.bytes() for pem in certificate.cert_chain_pems)
        self._write(place / "authority.pem", self.ca_certificate)
        self._write(place / "certificate.pem", chain.decode())
        self._write(place / "key.pem", certificate.private_key_pem.bytes().decode())
        self._write(place / "slapd.conf", self.settings())
        if self._identity is not None:
            self._identity.own(place / "data")

    def spawn(self, log: int) -> subprocess.Popen[bytes]:
        program = find_slapd()
        assert program is not None
        self.tls_port = self.tls_port or free_port()
        urls = f"ldap://127.0.0.1:{self.port} ldaps://127.0.0.1:{self.tls_port}"
        return spawn(
            [program, "-f", self.directory.path / "slapd.conf", "-h", urls, "-d", "0"],
            stdout=log,
            cwd=Path("/"),
            identity=self._identity,
        )

    def answers(self) -> bool:
        try:
            for port in (self.port, self.tls_port):
                socket.create_connection(("127.0.0.1", port), timeout=5).close()
        except OSError:
            return False
        if not self._seeded:
            self.apply("ldapadd", *_RELAX, ldif=self.foundation() + self.people())
            self._seeded = True
        return True

    def after_stop(self) -> None:
        """Nothing stays: it has one process."""

    def reset(self) -> None:
        """All people as they were at first, whatever a test did to them."""
        units = [f"ou={unit},{self.suffix}" for unit in ("people", "contractors", "groups")]
        self.apply("ldapdelete", "-r", *units)
        self.apply("ldapadd", *_RELAX, ldif=self.people())

    @contextmanager
    def away(self) -> Iterator[None]:
        """Nobody listens meanwhile; afterwards it does again, at the same address, with everybody as before."""
        self.stop()
        try:
            yield
        finally:
            self.directory.acquire()
            self.restart()
            wait_until(self.is_ready, "slapd is back")

    def add(self, uid: str) -> str:
        """Somebody new; their password."""
        changed = {"pwdChangedTime": _stamp(datetime.now(UTC) - timedelta(days=1))}
        self.apply("ldapadd", *_RELAX, ldif=self.entry(Member(uid, uid, operational=changed)))
        return self.password(uid)

    def apply(self, program: str, *arguments: str, ldif: str = "") -> str:
        """What a tool of ldap-utils says to the server, as its superuser."""
        done = subprocess.run(
            [program, "-x", "-H", f"ldap://127.0.0.1:{self.port}", "-D", f"cn=root,{self.suffix}",
             "-w", "root", *arguments],
            input=ldif, capture_output=True, text=True, check=False, timeout=30,
        )  # fmt: skip
        if done.returncode != 0:
            raise StackError(f"{program}: {done.stderr or done.stdout}")
        return done.stdout

    def is_password(self, uid: str, password: str) -> bool:
        """By a bind of another client than ours. Counts as a failure where it is not."""
        done = subprocess.run(
            ["ldapwhoami", "-x", "-H", f"ldap://127.0.0.1:{self.port}", "-D", self.dn(uid),
             "-w", password],
            capture_output=True, text=True, check=False, timeout=30,
        )  # fmt: skip
        return done.returncode == 0

    def values(self, uid: str, attribute: str) -> list[str]:
        """What the directory itself holds of a person."""
        listed = self.apply(
            "ldapsearch", "-LLL", "-o", "ldif-wrap=no", "-b", self.dn(uid), "-s", "base", attribute
        )
        prefix = f"{attribute}: "
        return [
            line.removeprefix(prefix) for line in listed.splitlines() if line.startswith(prefix)
        ]

    def settings(self) -> str:
        place = self.directory.path
        schemas = "\n".join(
            f"include {_SCHEMA}/{name}.schema" for name in ("core", "cosine", "inetorgperson")
        )
        return f"""{schemas}
modulepath {_MODULES}
moduleload back_mdb
moduleload ppolicy
moduleload memberof
TLSCACertificateFile {place}/authority.pem
TLSCertificateFile {place}/certificate.pem
TLSCertificateKeyFile {place}/key.pem
sizelimit 500
database mdb
suffix "{self.suffix}"
rootdn "cn=root,{self.suffix}"
rootpw root
directory {place}/data
dbnosync
index objectClass,uid,entryUUID,member eq
limits dn.exact="{self.bind_dn}" size=unlimited
access to attrs=userPassword by self =xw by anonymous auth by * none
access to * by dn.exact="{self.bind_dn}" read by * none
overlay memberof
overlay ppolicy
ppolicy_default "{self.policy_dn}"
ppolicy_use_lockout
ppolicy_hash_cleartext
"""

    def foundation(self) -> str:
        units = "".join(_unit(name, self.suffix) for name in ("policies", "services"))
        return f"""dn: {self.suffix}
objectClass: dcObject
objectClass: organization
dc: {self.organisation}
o: {self.organisation}

{units}{self.policies()}
dn: {self.bind_dn}
objectClass: applicationProcess
objectClass: simpleSecurityObject
cn: freehold
userPassword: {_hashed(self.bind_password)}

"""

    def policies(self) -> str:
        policy = f"""objectClass: device
objectClass: pwdPolicy
pwdAttribute: userPassword
pwdMaxAge: {int(MAX_AGE.total_seconds())}
pwdExpireWarning: 1209600
pwdCheckQuality: 2
pwdMinLength: {MIN_LENGTH}
pwdInHistory: {HISTORY}
pwdLockout: TRUE
pwdMaxFailure: 5
pwdLockoutDuration: {int(LOCKOUT.total_seconds())}
pwdMustChange: TRUE
pwdAllowUserChange: TRUE
"""
        return f"""dn: {self.policy_dn}
cn: default
{policy}
dn: cn=grace,ou=policies,{self.suffix}
cn: grace
{policy}pwdGraceAuthNLimit: {GRACE}
"""

    def people(self) -> str:
        units = (_unit(name, self.suffix) for name in ("people", "contractors", "groups"))
        everybody = (self.entry(member) for member in members(datetime.now(UTC)))
        return "".join((*units, *everybody, *self._groups()))

    def entry(self, member: Member) -> str:
        lines = [
            _line("dn", self.dn(member.uid, member.unit)),
            "objectClass: inetOrgPerson",
            _line("uid", member.uid),
            _line("cn", member.cn),
            _line("sn", member.cn.split()[-1]),
            *self.details(member),
        ]
        if member.has_mail:
            mailbox = member.uid.replace("ü", "ue")
            lines.append(_line("mail", f"{mailbox}@{self.organisation}.example"))
        return "\n".join(lines) + "\n\n"

    def details(self, member: Member) -> list[str]:
        """What this kind of directory holds of a person's id, password and state."""
        return [
            f"entryUUID: {self.external_id(member.uid, member.unit)}",
            f"userPassword: {_hashed(self.password(member.uid))}",
            *(
                f"{name}: {value.format(suffix=self.suffix)}"
                for name, value in member.operational.items()
            ),
        ]

    def _groups(self) -> Iterator[str]:
        for name, held in GROUPS.items():
            listed = "\n".join(f"{self.member_attribute}: {dn},{self.suffix}" for dn in held)
            yield f"dn: cn={name},ou=groups,{self.suffix}\nobjectClass: {self.group_class}\n"
            yield f"cn: {name}\n{listed}\n\n"

    def _write(self, path: Path, content: str) -> None:
        path.touch(mode=0o600)
        path.write_text(content)
        if self._identity is not None:
            self._identity.own(path)


@contextmanager
def running(kind: type[Slapd] = Slapd, *, organisation: str = "acme") -> Iterator[Slapd]:
    """A directory while the block lasts, with nothing left of it afterwards."""
    with tempfile.TemporaryDirectory(prefix="freehold-slapd-") as place:
        server = kind(Path(place) / organisation, organisation=organisation)
        server.start()
        try:
            yield server
        finally:
            server.stop()


def _unit(name: str, suffix: str) -> str:
    return f"dn: ou={name},{suffix}\nobjectClass: organizationalUnit\nou: {name}\n\n"


def _line(name: str, value: str) -> str:
    return f"{name}:: {base64.b64encode(value.encode()).decode()}"


def _hashed(password: str) -> str:
    salt = os.urandom(8)
    digest = hashlib.sha1(password.encode() + salt).digest()
    return "{SSHA}" + base64.b64encode(digest + salt).decode()


def main() -> None:
    organisation = sys.argv[1] if len(sys.argv) > 1 else "acme"
    with running(organisation=organisation) as server:
        authority = server.directory.path / "authority.pem"
        print(f"LDAPS      {server.url}\nStartTLS   {server.start_tls_url}\nCA         {authority}")
        print(f"base       {server.suffix}\nservice    {server.bind_dn}  {server.bind_password}")
        for member in members(datetime.now(UTC)):
            print(f"{member.uid:<12}{server.password(member.uid):<28}{member.cn}")
        print("Ctrl-C ends it.", flush=True)
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            pass


if __name__ == "__main__":
    main()
