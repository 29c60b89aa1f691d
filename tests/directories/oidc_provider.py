"""Two directories shaped as Entra's, on a real OpenID provider (oidc-provider, certified), with people in every state.

It shows that the protocol is spoken right, and what is made of Entra's error codes and of Graph's answers as
Microsoft documents them; not how Entra itself behaves.

    python -m tests.directories.oidc_provider       by hand: says where it is and who is in it, until Ctrl-C

What it needs: `npm ci --prefix tests/directories/oidc`.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from jwt.algorithms import RSAAlgorithm

_PROGRAM = Path(__file__).parent / "oidc"
MISSING = "node and oidc-provider are missing: npm ci --prefix tests/directories/oidc"
CALLBACK = "/api/v1/auth/oidc/callback/"


@dataclass
class OidcPerson:
    username: str
    password: str
    name: str = ""
    email: str = ""
    oid: str = field(default_factory=lambda: str(uuid.uuid4()))
    groups: list[str] = field(default_factory=list)
    state: str = "active"
    overage: str = ""
    """The address that the token names for groups that it cannot hold."""
    password_changed_at: str = "2026-10-01T08:00:00Z"
    password_policies: str = "None"


@dataclass(frozen=True)
class Certificate:
    """As an administrator uploads it to Entra, with its key."""

    pem: str
    jwks: dict[str, Any]

    @classmethod
    def make(cls) -> "Certificate":
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "freehold")])
        now = datetime.now(UTC)
        signed = (
            x509.CertificateBuilder().subject_name(name).issuer_name(name)
            .public_key(key.public_key()).serial_number(1)
            .not_valid_before(now).not_valid_after(now + timedelta(days=1))
            .sign(key, hashes.SHA256())
        )  # fmt: skip
        plain = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        pem = signed.public_bytes(Encoding.PEM) + plain
        return cls(pem.decode(), {"keys": [RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)]})


@dataclass
class OidcDirectory:
    slug: str
    people: dict[str, OidcPerson]
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    client_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    client_secret: str = field(default_factory=lambda: f"secret~{uuid.uuid4().hex}")
    certificate: "Certificate | None" = None
    """By which the client proves itself instead of by its secret."""

    @property
    def options(self) -> dict[str, Any]:
        return {"directory_id": self.id, "client_id": self.client_id}

    @property
    def secrets(self) -> dict[str, str]:
        if self.certificate:
            return {"client_certificate": self.certificate.pem}
        return {"client_secret": self.client_secret}

    def described(self) -> dict[str, Any]:
        client: dict[str, Any] = {
            "client_id": self.client_id, "client_secret": self.client_secret,
            "grant_types": ["authorization_code", "password", "client_credentials"],
            "response_types": ["code"], "token_endpoint_auth_method": "client_secret_post",
            "redirect_uris": [f"http://{self.slug}.localhost{CALLBACK}"],
        }  # fmt: skip
        if self.certificate:
            client |= {
                "token_endpoint_auth_method": "private_key_jwt",
                "jwks": self.certificate.jwks,
            }
        people = [asdict(person) for person in self.people.values()]
        return {"id": self.id, "clients": [client], "people": people}


def people_of(slug: str) -> dict[str, OidcPerson]:
    """The same names in each directory, with other passwords and ids."""

    def person(name: str, **more: Any) -> OidcPerson:
        address = f"{name}@corp.example"
        return OidcPerson(
            username=address, email=address, name=name.title(), password=f"{name} at {slug} 7", **more
        )  # fmt: skip

    states = ("locked", "expired", "disabled", "mfa", "conditional_access", "throttled")
    return {
        "alice": person("alice", groups=[f"{slug}-admins", f"{slug}-everybody"]),
        "bob": person("bob", groups=[f"{slug}-everybody"]),
        "otto": person(
            "otto", groups=[f"{slug}-admins"], overage="https://attacker.example/groups"
        ),
        **{state: person(state, state=state) for state in states},
    }


class OidcProvider:
    """The running program."""

    def __init__(self, process: "subprocess.Popen[str]", directories: list[OidcDirectory]) -> None:
        self._process = process
        self.directories = {directory.slug: directory for directory in directories}
        self.url = self._said("http://")
        self._http = httpx.Client(trust_env=False)

    @property
    def graph(self) -> str:
        return f"{self.url}/graph"

    def seen(self) -> list[str]:
        """What was asked for, as `METHOD /path`, since `forget`."""
        return list(self._order("seen"))

    def forget(self) -> None:
        self._order("forget")

    def rotate(self, directory: OidcDirectory) -> None:
        self._order("rotate", directory=directory.id)

    def register(self, directory: OidcDirectory, redirect_uri: str) -> None:
        self._order("register", directory=directory.id, redirect_uri=redirect_uri)

    def forge(self, directory: OidcDirectory, **forgery: Any) -> None:
        """The next token answer: `claims` and `header` changed, signed with the `key` of `from_`, or all of `answer`."""
        source = forgery.pop("from_", directory)
        self._order("forge", directory=directory.id, **{"from": source.id}, **forgery)

    def change(self, directory: OidcDirectory, values: Mapping[str, Any], *, oid: str = "") -> None:
        self._order("change", directory=directory.id, oid=oid, values=values)

    @contextmanager
    def away(self) -> Iterator[None]:
        self._say("away")
        try:
            yield
        finally:
            self._say("back")

    def stop(self) -> None:
        self._http.close()
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            stream.close()
        self._process.wait(10)

    def _order(self, action: str, **order: Any) -> Any:
        return self._http.post(f"{self.url}/control/{action}", json=order).raise_for_status().json()

    def _say(self, word: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{word}\n")
        self._process.stdin.flush()
        assert self._said(word), f"it has ended before it was {word}"

    def _said(self, beginning: str) -> str:
        """The library's own notices come on the same way."""
        assert self._process.stdout is not None
        return next(
            (line.strip() for line in self._process.stdout if line.startswith(beginning)), ""
        )


def is_installed() -> bool:
    return shutil.which("node") is not None and (_PROGRAM / "node_modules/oidc-provider").is_dir()


@contextmanager
def running() -> Iterator[OidcProvider]:
    """Skips the test where the program is missing, unless FREEHOLD_REQUIRE_DIRECTORIES is set."""
    if not is_installed() and not os.environ.get("FREEHOLD_REQUIRE_DIRECTORIES"):
        pytest.skip(MISSING)
    assert is_installed(), MISSING
    directories = [
        OidcDirectory("acme", people_of("acme")),
        OidcDirectory("globex", people_of("globex"), certificate=Certificate.make()),
    ]
    with tempfile.TemporaryDirectory(prefix="freehold-oidc-") as folder:
        described = Path(folder) / "directories.json"
        described.write_text(json.dumps({"directories": [d.described() for d in directories]}))
        with (Path(folder) / "errors").open("w") as errors:
            process = subprocess.Popen(
                ["node", str(_PROGRAM / "server.mjs"), str(described)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True,
                env={"PATH": os.environ["PATH"]},
            )  # fmt: skip
            provider = OidcProvider(process, directories)
            assert provider.url, (Path(folder) / "errors").read_text()
            try:
                yield provider
            finally:
                provider.stop()


def main() -> None:
    with running() as provider:
        print(f"ENTRA_AUTHORITY={provider.url} ENTRA_GRAPH={provider.graph}")
        for directory in provider.directories.values():
            print(
                f"\n{directory.slug}: directory_id {directory.id}, client_id {directory.client_id}"
            )
            for name, secret in directory.secrets.items():
                print(f"{name} {secret}")
            for person in directory.people.values():
                print(f"  {person.username:<34} {person.password:<34} {person.state}")
        print("\nCtrl-C ends it.", flush=True)
        try:
            sys.stdin.read()
        except KeyboardInterrupt:
            pass


if __name__ == "__main__":
    main()
