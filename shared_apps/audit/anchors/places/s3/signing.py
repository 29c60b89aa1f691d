"""AWS Signature Version 4, as S3 and the stores that speak its protocol ask for it.

By ourselves: it is a page of hashing with published examples, and the libraries for it bring an HTTP client that
reads proxies and credentials from wherever it finds some.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import quote

_ALGORITHM = "AWS4-HMAC-SHA256"


@dataclass(frozen=True, slots=True)
class Credentials:
    key_id: str
    secret: str = field(repr=False)


def signed(
    headers: Mapping[str, str],
    *,
    credentials: Credentials,
    region: str,
    method: str,
    path: str,
    query: Mapping[str, str],
    body: bytes,
    at: datetime,
) -> dict[str, str]:
    """The headers, `host` among them, with those that sign them all. `path` is encoded already; `at` is UTC."""
    moment = f"{at:%Y%m%dT%H%M%SZ}"
    digest = hashlib.sha256(body).hexdigest()
    sent = {name.lower(): value for name, value in headers.items()}
    sent |= {"x-amz-date": moment, "x-amz-content-sha256": digest}
    names = ";".join(sorted(sent))
    lines = "".join(f"{name}:{sent[name].strip()}\n" for name in sorted(sent))
    asked = "\n".join([method, path, encoded(query), lines, names, digest])
    scope = f"{at:%Y%m%d}/{region}/s3/aws4_request"
    to_sign = "\n".join([_ALGORITHM, moment, scope, hashlib.sha256(asked.encode()).hexdigest()])
    key = f"AWS4{credentials.secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, to_sign.encode(), "sha256").hex()
    sent["authorization"] = (
        f"{_ALGORITHM} Credential={credentials.key_id}/{scope},SignedHeaders={names},Signature={signature}"
    )
    return sent


def encoded(query: Mapping[str, str]) -> str:
    """A query in the order and spelling that are signed."""
    return "&".join(
        f"{quote(name, safe='')}={quote(query[name], safe='')}" for name in sorted(query)
    )
