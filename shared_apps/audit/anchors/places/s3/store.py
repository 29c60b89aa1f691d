"""Requests to an object store that speaks S3: certificates checked, bounded in time and size, no redirects."""

import base64
import hashlib
import http.client
import re
import ssl
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import quote

from shared_apps.audit.anchors.places.s3.signing import Credentials, encoded, signed
from shared_apps.audit.errors import AnchorPlaceUnavailableError
from shared_apps.core.deadlines import deadline

_SECONDS = 10.0
"""For each read and write."""
_SECONDS_ALTOGETHER = 60.0
_LARGEST = 64 * 1024 * 1024
_CODE = re.compile(rb"<Code>([A-Za-z0-9.]{1,80})</Code>")
_MESSAGE = re.compile(rb"<Message>([ -;=-~]{1,200})</Message>")

# What a store's code means to whoever set this up.
_MEANINGS = {
    "NoSuchBucket": "there is no bucket {bucket}",
    "AccessDenied": "refuses {method}: the key needs s3:PutObject, s3:GetObject and s3:ListBucket",
    "InvalidAccessKeyId": "does not know AUDIT_ANCHOR_S3_KEY_ID",
    "SignatureDoesNotMatch": "AUDIT_ANCHOR_S3_SECRET_KEY does not belong to AUDIT_ANCHOR_S3_KEY_ID",
    "RequestTimeTooSkewed": "this machine's clock is too far from the store's",
    "AuthorizationHeaderMalformed": "the bucket {bucket} is not in AUDIT_ANCHOR_S3_REGION",
    "PermanentRedirect": "the bucket {bucket} is not in AUDIT_ANCHOR_S3_REGION",
    "NotImplemented": "does not know conditional writes, so nothing there would be written once",
}
_OF_STATUS = {301: "PermanentRedirect", 403: "AccessDenied", 501: "NotImplemented"}


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    content: bytes

    @property
    def code(self) -> str:
        """The store's own word for what is wrong."""
        found = _CODE.search(self.content[:4096])
        return found[1].decode() if found else _OF_STATUS.get(self.status, "")

    @property
    def text(self) -> str:
        """What it says of a code that we know nothing of."""
        found = _MESSAGE.search(self.content[:4096])
        return f"{self.status} {self.code}" + (f": {found[1].decode()}" if found else "")


@dataclass(frozen=True, slots=True)
class Store:
    """A bucket and the key to it."""

    bucket: str
    credentials: Credentials
    region: str
    endpoint: str
    """`host[:port]` of a store that has the bucket's name in the path; empty: AWS, which has it in the host."""
    authorities: str = ""
    """A file of certificates that are believed besides the system's."""
    seconds: float = field(default=_SECONDS_ALTOGETHER)
    """For a request and its answer, however slowly the bytes come."""

    @property
    def host(self) -> str:
        return self.endpoint or f"{self.bucket}.s3.{self.region}.amazonaws.com"

    @contextmanager
    def connected(self) -> Iterator["Requests"]:
        """For several requests, one after another."""
        try:
            context = ssl.create_default_context()
            if self.authorities:
                context.load_verify_locations(self.authorities)
        except OSError as error:
            raise AnchorPlaceUnavailableError(
                f"AUDIT_ANCHOR_S3_AUTHORITIES: {self.authorities}: {error.strerror or error}"
            ) from error
        connection = http.client.HTTPSConnection(self.host, timeout=_SECONDS, context=context)
        with closing(connection):
            yield Requests(self, connection)


@dataclass(frozen=True, slots=True)
class Requests:
    store: Store
    connection: http.client.HTTPSConnection

    def get(self, key: str) -> bytes | None:
        """The object; None: there is none.

        Raises:
            AnchorPlaceUnavailableError: the store does not answer, or does not give it.
        """
        answer = self._exchange("GET", key, {}, {}, b"")
        if answer.status == 200:
            return answer.content
        if answer.status == 404 and answer.code != "NoSuchBucket":
            return None
        raise self._refused("GET", answer)

    def put(self, key: str, content: bytes, headers: Mapping[str, str]) -> bool:
        """Where nothing is yet; False: something is.

        Raises:
            AnchorPlaceUnavailableError: the store does not answer, or does not take it.
        """
        # Object lock asks for a digest, and every store knows this one.
        md5 = hashlib.md5(content, usedforsecurity=False).digest()
        sent = {"if-none-match": "*", "content-md5": base64.b64encode(md5).decode(), **headers}
        answer = self._exchange("PUT", key, {}, sent, content)
        if answer.status == 412:
            return False
        if answer.status == 200:
            return True
        raise self._refused("PUT", answer)

    def list_page(self, *, prefix: str, after: str, most: int) -> bytes:
        """Keys in their order, as the store says it.

        Raises:
            AnchorPlaceUnavailableError: the store does not answer, or does not tell.
        """
        query = {"list-type": "2", "prefix": prefix, "start-after": after, "max-keys": str(most)}
        answer = self._exchange("GET", "", query, {}, b"")
        if answer.status != 200:
            raise self._refused("GET", answer)
        return answer.content

    def _exchange(
        self, method: str, key: str, query: Mapping[str, str], headers: Mapping[str, str], body: bytes
    ) -> Answer:  # fmt: skip
        store, connection = self.store, self.connection
        path = "/" + quote(f"{store.bucket}/{key}" if store.endpoint else key)
        sent = signed(
            {"host": store.host, **headers}, credentials=store.credentials, region=store.region,
            method=method, path=path, query=query, body=body, at=datetime.now(UTC),
        )  # fmt: skip
        try:
            if connection.sock is None:
                connection.connect()
            with deadline(connection.sock, store.seconds) as is_late:
                connection.request(
                    method, f"{path}?{encoded(query)}" if query else path, body, sent
                )
                with connection.getresponse() as response:
                    content = response.read(_LARGEST + 1)
                    # A read of so many bytes does not say that fewer came than were announced.
                    is_whole = not response.length and len(content) <= _LARGEST
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise AnchorPlaceUnavailableError(f"{store.host}: {_reason(error)}") from error
        if is_late.is_set() or not is_whole:
            connection.close()
            raise AnchorPlaceUnavailableError(f"{store.host} answers too slowly or too much")
        return Answer(response.status, content)

    def _refused(self, method: str, answer: Answer) -> AnchorPlaceUnavailableError:
        meant = _MEANINGS.get(answer.code)
        if meant is None:
            said = f"answered {answer.text.strip()}"
        else:
            said = meant.format(bucket=self.store.bucket, method=method)
        return AnchorPlaceUnavailableError(f"{self.store.host}: {said}")


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not believed: {error.verify_message}"
    if isinstance(error, TimeoutError):
        return f"no answer within {_SECONDS:.0f} s"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error).strip() or type(error).__name__
