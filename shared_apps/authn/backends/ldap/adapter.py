"""LDAP (RFC 4511) with one server: what is asked and what is answered, in terms of LDAP.

No request is made twice, no referral is followed, nobody's password is sent but over TLS.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from ssl import SSLContext

from shared_apps.authn.backends.ldap import ber
from shared_apps.authn.backends.ldap.faults import DirectoryFault, ServerFault, UncertainFault
from shared_apps.authn.backends.ldap.messages import (
    Answer,
    Change,
    Code,
    Control,
    Entry,
    Scope,
    read_answer,
    read_entry,
)
from shared_apps.authn.backends.ldap.wire import Limit, Wire

_START_TLS = "1.3.6.1.4.1.1466.20037"
_CHANGE_PASSWORD = "1.3.6.1.4.1.4203.1.11.1"  # noqa: S105  # RFC 3062's name of the request
_PAGED = "1.2.840.113556.1.4.319"
_PAGE = 500
_PAGES_WITHOUT_ENTRIES = 3

_SEARCH_ENTRY, _SEARCH_DONE, _SEARCH_REFERENCE, _INTERMEDIATE = 0x64, 0x65, 0x73, 0x79
_BIND, _MODIFY, _EXTENDED = 0x61, 0x67, 0x78


class Link:
    """A connection to one server. Every method raises ServerFault; what it sent may have been done then."""

    def __init__(self, *, host: str, port: int, until: float, seconds: float) -> None:
        self.name = f"{host}:{port}"
        self._wire = Wire(host=host, port=port, until=until)
        self._limit = Limit(seconds=seconds)
        self._last_id = 0

    def encrypt(self, context: SSLContext) -> None:
        self._wire.encrypt(context)

    def start_tls(self, context: SSLContext) -> None:
        answer = self._extended(_START_TLS)
        if answer.code != Code.SUCCESS:
            raise ServerFault(f"{self.name} refuses StartTLS: {answer}")
        self._wire.encrypt(context)

    def bind(self, dn: str, password: str, *controls: Control) -> Answer:
        """As it was answered, also when the answer is no."""
        if not self._wire.is_encrypted:
            raise DirectoryFault(f"{self.name}: no password is sent without TLS")
        if not dn or not password:
            raise DirectoryFault(
                "without a DN or a password a bind is anonymous, and proves nothing"
            )
        request = ber.encode(
            0x60,
            ber.encode(ber.INTEGER, ber.encode_integer(3)),
            ber.encode(ber.OCTETS, dn.encode()),
            ber.encode(0x80, password.encode()),
        )
        return self._one(request, _BIND, controls)

    def search(
        self,
        base: str,
        search_filter: bytes,
        attributes: Sequence[str],
        *controls: Control,
        scope: Scope = Scope.SUBTREE,
        limit: Limit | None = None,
        is_paged: bool = False,
    ) -> tuple[list[Entry], Answer]:
        """What was found, and how it ended; references to other servers are left out."""
        limit = limit or self._limit
        # Of pages: OpenLDAP counts what a size limit allows over all of them.
        size_limit = 0 if is_paged else limit.entries
        request = ber.encode(
            0x63,
            ber.encode(ber.OCTETS, base.encode()),
            ber.encode(ber.ENUMERATED, ber.encode_integer(scope)),
            ber.encode(ber.ENUMERATED, ber.encode_integer(0)),
            ber.encode(ber.INTEGER, ber.encode_integer(size_limit)),
            ber.encode(ber.INTEGER, ber.encode_integer(max(1, int(limit.seconds)))),
            ber.encode(0x01, b"\x00"),
            search_filter,
            ber.encode(ber.SEQUENCE, *(ber.encode(ber.OCTETS, a.encode()) for a in attributes)),
        )
        entries: list[Entry] = []
        with self._making_sense():
            for tag, value, controls_of in self._ask(request, controls, limit):
                if tag == _SEARCH_DONE:
                    return entries, read_answer(value, controls_of)
                if tag == _SEARCH_ENTRY and len(entries) < limit.entries:
                    entries.append(read_entry(value))
                elif tag not in (_SEARCH_REFERENCE, _INTERMEDIATE):
                    break
            raise ValueError("more entries than were asked for, or something else")

    def search_paged(
        self,
        base: str,
        search_filter: bytes,
        attributes: Sequence[str],
        *controls: Control,
        limit: Limit,
        page: int = _PAGE,
    ) -> Iterator[Entry]:
        """All entries, at most `limit.entries`; the other limits are each page's."""
        cookie, found, empty = b"", 0, 0
        of_page = Limit(limit.seconds, limit.message_octets, limit.octets, entries=page)
        while True:
            paged = Control(_PAGED, _page_request(page, cookie), is_critical=True)
            entries, answer = self.search(
                base, search_filter, attributes, paged, *controls, limit=of_page, is_paged=True
            )
            if answer.code != Code.SUCCESS:
                raise ServerFault(f"{self.name}: search below {base!r}: {answer}")
            found += len(entries)
            empty = 0 if entries else empty + 1
            previous, cookie = cookie, _page_cookie(answer)
            if found > limit.entries:
                raise ServerFault(f"{self.name}: more than {limit.entries} entries below {base!r}")
            if cookie and (empty > _PAGES_WITHOUT_ENTRIES or (empty and cookie == previous)):
                raise ServerFault(f"{self.name} pages without an end")
            yield from entries
            if not cookie:
                return

    def modify(self, dn: str, changes: Sequence[tuple[Change, str, bytes]]) -> Answer:
        encoded = (
            ber.encode(
                ber.SEQUENCE,
                ber.encode(ber.ENUMERATED, ber.encode_integer(change)),
                ber.encode(
                    ber.SEQUENCE,
                    ber.encode(ber.OCTETS, attribute.encode()),
                    ber.encode(0x31, ber.encode(ber.OCTETS, value)),
                ),
            )
            for change, attribute, value in changes
        )
        request = ber.encode(
            0x66, ber.encode(ber.OCTETS, dn.encode()), ber.encode(ber.SEQUENCE, *encoded)
        )
        return self._one(request, _MODIFY, ())

    def change_own_password(self, old: str, new: str, *controls: Control) -> Answer:
        """Of whoever is bound (RFC 3062)."""
        value = ber.encode(
            ber.SEQUENCE, ber.encode(0x81, old.encode()), ber.encode(0x82, new.encode())
        )
        return self._extended(_CHANGE_PASSWORD, value, *controls)

    def close(self) -> None:
        self._wire.close()

    def _extended(self, oid: str, value: bytes = b"", *controls: Control) -> Answer:
        request = ber.encode(
            0x77, ber.encode(0x80, oid.encode()), ber.encode(0x81, value) if value else b""
        )
        return self._one(request, _EXTENDED, controls)

    def _one(self, request: bytes, expected: int, controls: Sequence[Control]) -> Answer:
        with self._making_sense():
            for tag, value, controls_of in self._ask(request, controls, self._limit):
                if tag == expected:
                    return read_answer(value, controls_of)
                if tag != _INTERMEDIATE:
                    break
            raise ValueError("something else than was asked")

    @contextmanager
    def _making_sense(self) -> Iterator[None]:
        try:
            yield
        except (ber.MalformedError, ValueError) as error:
            self.close()
            raise UncertainFault(f"{self.name} makes no sense: {error}") from error

    def _ask(
        self, request: bytes, controls: Sequence[Control], limit: Limit
    ) -> Iterator[tuple[int, bytes, bytes]]:
        """Tag, value and controls of each message that answers the request."""
        self._last_id += 1
        sent = ber.encode(ber.INTEGER, ber.encode_integer(self._last_id)) + request
        if controls:
            sent += ber.encode(0xA0, *(control.encoded() for control in controls))
        self._wire.send(ber.encode(ber.SEQUENCE, sent), limit)
        until, octets = self._wire.deadline(limit), 0
        while time.monotonic() < until:
            message = self._wire.receive(limit, until=until)
            octets += len(message)
            if octets > limit.octets:
                break
            (_, number), (tag, value), *rest = ber.elements(message)
            if ber.integer(number) != self._last_id:
                break
            yield tag, value, rest[0][1] if rest else b""
        self.close()
        raise UncertainFault(f"{self.name} answers too much, too long or out of turn")


def _page_request(size: int, cookie: bytes) -> bytes:
    return ber.encode(
        ber.SEQUENCE,
        ber.encode(ber.INTEGER, ber.encode_integer(size)),
        ber.encode(ber.OCTETS, cookie),
    )


def _page_cookie(answer: Answer) -> bytes:
    """Empty after the last page, and from a server that does not page but has sent all."""
    value = answer.controls.get(_PAGED)
    if value is None:
        return b""
    try:
        (_, _size), (_, cookie) = ber.elements(ber.only(value, ber.SEQUENCE))
    except (ber.MalformedError, ValueError) as error:
        raise ServerFault(f"a page's control makes no sense: {error}") from error
    return cookie
