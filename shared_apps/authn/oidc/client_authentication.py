"""How we prove to a provider that we are the client that was registered there."""

import base64
import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import uuid4

import jwt
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from shared_apps.authn.errors import BackendUnavailableError

_LIFETIME = timedelta(minutes=5)
_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


def fields(
    *, client_id: str, secrets: Mapping[str, str], token_endpoint: str, at: datetime
) -> dict[str, str]:
    """Of a token request: an assertion by `client_certificate`, else the `client_secret`.

    Raises:
        BackendUnavailableError: there is neither, or no use can be made of the certificate.
    """
    if pem := secrets.get("client_certificate"):
        assertion = _assertion(pem, client_id=client_id, audience=token_endpoint, at=at)
        return {
            "client_id": client_id,
            "client_assertion_type": _ASSERTION,
            "client_assertion": assertion,
        }
    if secret := secrets.get("client_secret"):
        return {"client_id": client_id, "client_secret": secret}
    raise BackendUnavailableError("neither client_secret nor client_certificate")


def _assertion(pem: str, *, client_id: str, audience: str, at: datetime) -> str:
    try:
        certificate = x509.load_pem_x509_certificate(pem.encode())
        key = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError):
        # Without the cause: its text may quote the key.
        raise BackendUnavailableError(
            "client_certificate is no PEM text of a certificate and its key"
        ) from None
    if not isinstance(key, RSAPrivateKey):
        raise BackendUnavailableError("the key of client_certificate is not RSA")
    thumbprint = hashlib.sha256(certificate.public_bytes(Encoding.DER)).digest()
    claims = {
        "iss": client_id, "sub": client_id, "aud": audience, "jti": str(uuid4()),
        "iat": int(at.timestamp()), "nbf": int(at.timestamp()),
        "exp": int((at + _LIFETIME).timestamp()),
    }  # fmt: skip
    header = {"x5t#S256": base64.urlsafe_b64encode(thumbprint).decode().rstrip("=")}
    return jwt.encode(claims, key, algorithm="PS256", headers=header)
