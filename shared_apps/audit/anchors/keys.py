"""The keys of anchors: Ed25519 (RFC 8037), named by their thumbprint (RFC 7638), published as a JWK set."""

import base64
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from shared_apps.audit.errors import AnchorKeyError

_ALGORITHM = "EdDSA"
_SEED_BYTES = 32


@dataclass(frozen=True, slots=True)
class PublicKey:
    key: Ed25519PublicKey

    @property
    def id(self) -> str:
        """The thumbprint."""
        members = {"crv": "Ed25519", "kty": "OKP", "x": self._x}
        return _encode(hashlib.sha256(json.dumps(members, separators=(",", ":")).encode()).digest())

    @property
    def jwk(self) -> dict[str, str]:
        return {
            "kty": "OKP",
            "crv": "Ed25519",
            "x": self._x,
            "kid": self.id,
            "use": "sig",
            "alg": _ALGORITHM,
        }

    @property
    def _x(self) -> str:
        return _encode(self.key.public_bytes_raw())


@dataclass(frozen=True, slots=True)
class SigningKey:
    key: Ed25519PrivateKey = field(repr=False)

    @classmethod
    def generate(cls) -> "SigningKey":
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def from_setting(cls, text: str) -> "SigningKey":
        """Raises AnchorKeyError: it is not what `audit anchor --new-key` writes."""
        try:
            seed = base64.urlsafe_b64decode(text.strip() + "=" * (-len(text.strip()) % 4))
        except ValueError:
            seed = b""
        if len(seed) != _SEED_BYTES:
            raise AnchorKeyError(
                "AUDIT_ANCHOR_KEY is not a key; make one with manage.py audit anchor --new-key FILE"
            )
        return cls(Ed25519PrivateKey.from_private_bytes(seed))

    @property
    def public(self) -> PublicKey:
        return PublicKey(self.key.public_key())

    @property
    def as_setting(self) -> str:
        return _encode(self.key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption()))

    def sign(self, payload: bytes) -> str:
        return jwt.api_jws.encode(
            payload, self.key, algorithm=_ALGORITHM, headers={"kid": self.public.id, "typ": None}
        )


def opened(jws: str, keys: Mapping[str, PublicKey]) -> bytes:
    """The signed payload.

    Raises:
        AnchorKeyError: by none of these keys, or altered since.
    """
    try:
        named = str(jwt.get_unverified_header(jws).get("kid"))
        if named not in keys:
            raise AnchorKeyError(f"signed with a key that is not known, {named[:50]}")
        # Only the one algorithm: what the document itself asks for does not count.
        payload: bytes = jwt.api_jws.decode(jws, keys[named].key, algorithms=[_ALGORITHM])
        return payload
    except jwt.PyJWTError as error:
        raise AnchorKeyError("the signature is forged") from error


def unproven(jws: str) -> bytes:
    """The payload as it says itself, signed by whomever.

    Raises:
        ValueError: this is no signed document.
    """
    try:
        payload: bytes = jwt.api_jws.decode_complete(jws, options={"verify_signature": False})[
            "payload"
        ]
        return payload
    except jwt.PyJWTError as error:
        raise ValueError(f"not a signed document: {error}") from error


def read_public_keys(path: Path) -> dict[str, PublicKey]:
    """The keys of a JWK set by their thumbprints.

    Raises:
        AnchorKeyError: the file cannot be read or is no such set.
    """
    try:
        listed = json.loads(path.read_text())["keys"]
        keys = [
            PublicKey(
                Ed25519PublicKey.from_public_bytes(
                    base64.urlsafe_b64decode(jwk["x"] + "=" * (-len(jwk["x"]) % 4))
                )
            )
            for jwk in listed
            if (jwk["kty"], jwk["crv"]) == ("OKP", "Ed25519")
        ]
    except OSError as error:
        raise AnchorKeyError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, UnsupportedAlgorithm) as error:
        raise AnchorKeyError(f"{path} is not a JWK set with Ed25519 keys") from error
    if not keys:
        raise AnchorKeyError(f"{path} holds no Ed25519 key")
    return {key.id: key for key in keys}


def add_public_key(path: Path, key: PublicKey) -> None:
    """Put a key into a JWK set, made if need be; those that signed before stay.

    Raises:
        AnchorKeyError: the file is something else.
        OSError: it cannot be written.
    """
    keys = read_public_keys(path) if path.exists() else {}
    keys[key.id] = key
    text = json.dumps({"keys": [one.jwk for one in keys.values()]}, indent=2) + "\n"
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_text(text)
    beside.replace(path)


def write_private_key(path: Path, key: SigningKey) -> None:
    """Into a new file that only its owner may read.

    Raises:
        OSError: it is there already, or cannot be written.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(key.as_setting + "\n")
        file.flush()
        os.fsync(file.fileno())


def _encode(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).decode().rstrip("=")
