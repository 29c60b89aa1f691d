"""Anchors in an object store: a real one that checks signatures, conditions and object lock."""

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings as configured
from django.core.management import CommandError, call_command

from shared_apps.audit.anchors import comparing, keys, taking
from shared_apps.audit.anchors.keys import SigningKey
from shared_apps.audit.anchors.places import naming
from shared_apps.audit.anchors.places.s3.bucket import Bucket
from shared_apps.audit.anchors.places.s3.signing import Credentials
from shared_apps.audit.anchors.places.s3.store import Store
from shared_apps.audit.anchors.reading import Reader
from shared_apps.audit.errors import AnchorPlaceError, AnchorPlaceUnavailableError
from shared_apps.core.required import SettingMissingError
from tests.audit_chains import Chains, append, two_chains
from tests.installation import Installation
from tests.object_store import BUCKET, LOCKED, REGION, ObjectStore, object_store
from tests.receivers import Authority

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
PLACE = f"s3://{BUCKET}/freehold/prod"


@pytest.fixture(scope="module")
def store() -> Iterator[ObjectStore]:
    with object_store() as made:
        yield made


@dataclass(frozen=True)
class Kept:
    """Two tenants' chains of nine entries each, and a bucket for their anchors."""

    chains: Chains
    store: ObjectStore
    key: SigningKey
    settings: Any

    def anchor(self, *places: str, at: datetime = NOW) -> taking.Taken:
        return taking.take(
            url=configured.AUDIT_AUDITOR_DATABASE_URL,
            key=self.key,
            places=naming.places(places or [PLACE]),
            at=at,
        )

    def append(self, count: int) -> None:
        with psycopg.connect(configured.AUDIT_DATABASE_URL) as writer:
            for tenant in (self.chains.one, self.chains.other):
                append(writer, tenant, first=NOW - timedelta(hours=1), count=count)

    def compare(self, place: str = PLACE) -> comparing.Comparison:
        return comparing.compare(
            url=configured.AUDIT_AUDITOR_DATABASE_URL,
            reader=Reader([naming.source(place)], {self.key.public.id: self.key.public}),
            tenants=[self.chains.one, self.chains.other],
        )

    def object_of(self, taken: taking.Taken) -> str:
        return f"freehold/prod/anchor-{taken.counter:012d}.jsonl"

    def put(self, key: str, text: str) -> None:
        """As somebody else who has a key to the bucket."""
        self.store.client().put_object(Bucket=BUCKET, Key=key, Body=text.encode())


@pytest.fixture
def kept(system: Installation, store: ObjectStore, settings: Any) -> Iterator[Kept]:
    settings.AUDIT_ANCHOR_S3_ENDPOINT = store.endpoint
    settings.AUDIT_ANCHOR_S3_REGION = REGION
    settings.AUDIT_ANCHOR_S3_KEY_ID = store.key_id
    settings.AUDIT_ANCHOR_S3_SECRET_KEY = store.secret
    settings.AUDIT_ANCHOR_S3_AUTHORITIES = str(store.authorities)
    with two_chains() as chains:
        yield Kept(chains, store, SigningKey.generate(), settings)
    store.empty()


def test_anchors_in_a_bucket_prove_both_chains(kept: Kept) -> None:
    first = kept.anchor()
    kept.append(3)
    second = kept.anchor()
    kept.append(2)

    compared = kept.compare()

    assert (first.failures, second.failures) == ({}, {})
    assert kept.store.listed() == [kept.object_of(first), kept.object_of(second)]
    assert (compared.problems, compared.of_anchors) == ({}, [])
    assert compared.proven == {kept.chains.one: 12, kept.chains.other: 12}


def test_a_year_of_anchors_is_read_page_by_page(kept: Kept) -> None:
    taken = kept.anchor()
    bucket = naming.source(PLACE)
    assert isinstance(bucket, Bucket)
    bucket = replace(bucket, page=7)
    with bucket.store.connected() as requests:
        for number in range(1, 61):
            requests.put(f"freehold/prod/anchor-{900_000 + number:012d}.jsonl", b"%d" % number, {})
    kept.put("freehold/prod/anchor-notes.txt", "not an anchor")
    kept.put("freehold/prod/anchor-000000900000.jsonl.bak", "not an anchor")

    documents = list(bucket.documents())

    assert documents[0] == kept.store.read(kept.object_of(taken))
    assert documents[1:] == [str(number) for number in range(1, 61)]
    assert bucket.newest(after=0) == "60"
    assert bucket.newest(after=900_059) == "60"
    assert bucket.newest(after=900_060) is None


def test_what_somebody_does_to_objects_is_named(kept: Kept) -> None:
    taken = [kept.anchor()]
    for _ in range(4):
        kept.append(1)
        taken.append(kept.anchor())
    altered, swapped, gone = (kept.object_of(taken[number]) for number in (0, 1, 2))
    kept.put(altered, kept.store.read(altered).replace(',9,"', ',8,"'))
    kept.put(swapped, kept.store.read(kept.object_of(taken[3])))
    kept.store.client().delete_object(Bucket=BUCKET, Key=gone)

    said = kept.compare().of_anchors

    first = taken[0].counter
    assert said == [
        f"anchor {first} of 2026-11-20 12:00:00: its ends are altered or not complete",
        f"anchor {first + 1}-{first + 2}: missing",
    ]


def test_a_chain_that_was_cut_is_told_by_the_bucket(kept: Kept) -> None:
    kept.anchor()
    kept.chains.run(
        "DELETE FROM audit.entry WHERE tenant_id = ONE AND sequence > 6;"
        "UPDATE audit.chain SET sequence = 6, hash = (SELECT hash FROM audit.entry WHERE tenant_id = ONE"
        " AND sequence = 6) WHERE tenant_id = ONE"
    )

    problems = kept.compare().problems

    assert list(problems) == [kept.chains.one]
    assert [(str(p.kind), p.numbers) for p in problems[kept.chains.one]] == [("rolled back", "7-9")]


def test_an_object_is_never_written_over(kept: Kept) -> None:
    taken = kept.anchor()
    key, before = kept.object_of(taken), kept.store.read(kept.object_of(taken))
    kept.chains.admin.execute(
        "UPDATE audit.anchor SET document = 'other', delivered = '{}' WHERE counter = %s",
        [taken.counter],
    )
    bucket = naming.source(PLACE)
    assert isinstance(bucket, Bucket)

    failures = kept.anchor().failures
    with bucket.store.connected() as requests:
        was_put = requests.put(key, b"other", {})  # as who did not see that it is there

    assert "is there with other content" in failures[PLACE]
    assert not was_put
    assert kept.store.read(key) == before


def test_a_store_that_was_away_gets_all_that_it_missed(kept: Kept, tmp_path: Path) -> None:
    directory = (tmp_path / "anchors").as_uri()
    with socket.create_server(("127.0.0.1", 0)) as server:
        nobody = f"https://localhost:{server.getsockname()[1]}"
    kept.settings.AUDIT_ANCHOR_S3_ENDPOINT = nobody
    missed = []
    for _ in range(2):
        missed.append(kept.anchor(PLACE, directory))
        kept.append(1)
    kept.settings.AUDIT_ANCHOR_S3_ENDPOINT = kept.store.endpoint

    last = kept.anchor(PLACE, directory)

    reason = f"{nobody.removeprefix('https://')}: Connection refused"
    assert [taken.failures for taken in missed] == [{PLACE: reason}] * 2
    assert last.failures == {}
    assert kept.store.listed() == [kept.object_of(taken) for taken in (*missed, last)]
    assert [kept.store.read(key) for key in kept.store.listed()] == [
        path.read_text() for path in sorted((tmp_path / "anchors").iterdir())
    ]
    assert kept.compare().proven == {kept.chains.one: 11, kept.chains.other: 11}


def test_the_one_who_died_with_an_anchor_in_hand_gave_away_the_same(kept: Kept) -> None:
    """Killed after the object was put and before the audit database knew."""
    taken = kept.anchor()
    document = kept.store.read(kept.object_of(taken))
    kept.chains.admin.execute(
        "UPDATE audit.anchor SET delivered = '{}', document = %s WHERE counter = %s",
        [document, taken.counter],
    )

    kept.append(1)
    following = kept.anchor()

    assert following.failures == {}
    assert kept.store.listed() == [kept.object_of(taken), kept.object_of(following)]
    assert kept.compare().of_anchors == []


def test_an_audit_database_that_was_set_back_goes_on_after_the_bucket(kept: Kept) -> None:
    kept.anchor()
    kept.append(1)
    newest = kept.anchor()
    kept.chains.admin.execute("DELETE FROM audit.anchor; DELETE FROM audit.anchored")

    following = kept.anchor()

    assert (following.counter, following.failures) == (newest.counter + 1, {})
    assert kept.compare().of_anchors == []


def test_object_lock_keeps_what_nobody_may_delete(kept: Kept) -> None:
    place = f"s3://{LOCKED}/freehold/prod"
    kept.settings.AUDIT_ANCHOR_S3_LOCK_DAYS = 400
    taken = kept.anchor(place)
    client = kept.store.client()
    [version] = client.list_object_versions(Bucket=LOCKED)["Versions"]
    head = client.head_object(Bucket=LOCKED, Key=version["Key"])

    with pytest.raises(client.exceptions.ClientError, match="Access Denied"):
        client.delete_object(Bucket=LOCKED, Key=version["Key"], VersionId=version["VersionId"])

    assert taken.failures == {}
    assert head["ObjectLockMode"] == "COMPLIANCE"
    assert head["ObjectLockRetainUntilDate"] > datetime.now(UTC) + timedelta(days=399)
    # A bucket without object lock would keep it without the promise.
    refused = kept.anchor(PLACE).failures[PLACE]
    assert refused.endswith(
        "answered 400 InvalidRequest: Bucket is missing ObjectLockConfiguration"
    )
    assert kept.store.listed() == []


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        ("KEY_ID", "AKIAUNKNOWN", "does not know AUDIT_ANCHOR_S3_KEY_ID"),
        ("SECRET_KEY", "x" * 40,
         "AUDIT_ANCHOR_S3_SECRET_KEY does not belong to AUDIT_ANCHOR_S3_KEY_ID"),
        ("AUTHORITIES", "", "its certificate is not believed: unable to get local issuer certificate"),
        ("ENDPOINT", "https://store.invalid", "store.invalid: "),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_in_a_line(kept: Kept, setting: str, value: str, said: str) -> None:
    name = f"AUDIT_ANCHOR_S3_{setting}"
    setattr(kept.settings, name, value)

    reason = kept.anchor().failures[PLACE]

    assert said in reason
    assert "\n" not in reason
    assert kept.store.secret not in reason
    assert kept.store.listed() == []


def test_a_bucket_that_is_not_there_is_named(kept: Kept) -> None:
    assert (
        kept.anchor("s3://no-such-bucket")
        .failures["s3://no-such-bucket"]
        .endswith("there is no bucket no-such-bucket")
    )
    with pytest.raises(AnchorPlaceError, match="there is no bucket no-such-bucket"):
        kept.compare("s3://no-such-bucket")


def test_a_store_that_drips_is_left(kept: Kept, tmp_path: Path) -> None:
    """Each byte comes in time, the whole answer never."""
    authority = Authority(tmp_path)

    def drip() -> None:
        connection, _ = listener.accept()
        with (
            connection,
            suppress(OSError),
            authority.context().wrap_socket(connection, server_side=True) as peer,
        ):
            while not is_over.wait(0.05):
                peer.sendall(b"H")

    is_over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=drip)
        thread.start()
        endpoint = f"localhost:{listener.getsockname()[1]}"
        slow = Store(
            BUCKET, Credentials("a", "b"), REGION, endpoint, str(authority.file), seconds=0.5
        )
        with pytest.raises(AnchorPlaceUnavailableError, match=f"^{endpoint}"):
            Bucket(slow, "").keep(1, "x")
        is_over.set()
        thread.join()


def test_the_commands_read_the_bucket(kept: Kept, tmp_path: Path, capsys: Any) -> None:
    kept.anchor()
    public = tmp_path / "keys.json"
    keys.add_public_key(public, kept.key.public)
    asked = ["audit", "verify", "--tenant", str(kept.chains.one), "--public-key", str(public)]

    call_command(*asked, "--anchors", PLACE)

    assert "anchored up to 9" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        call_command(*asked, "--anchors", "s3://anchors/elsewhere")
    assert "the last one here is none: newer ones are missing" in capsys.readouterr().out
    with pytest.raises(CommandError, match=r"s3://no-such cannot be read: .* no bucket no-such"):
        call_command(*asked, "--anchors", "s3://no-such")
    kept.settings.AUDIT_ANCHOR_PLACES = [PLACE]
    kept.settings.AUDIT_ANCHOR_KEY = kept.key.as_setting
    call_command("audit", "prune", "--tenant", str(kept.chains.one), "--older-than", "1y", "--plan")
    assert "nothing is old enough" in capsys.readouterr().out


@pytest.mark.parametrize("url", ["s3://", "s3:///x", "s3://UPPER", "s3://b", "s3://bucket/a?b",
                                 "s3://bucket/a//b", "s3://bucket/../b", "s3://u:p@bucket"])  # fmt: skip
def test_a_bucket_of_another_form_is_refused(kept: Kept, url: str) -> None:
    with pytest.raises(AnchorPlaceError, match="AUDIT_ANCHOR_PLACES: s3: "):
        naming.places([url])


@pytest.mark.parametrize("url", ["https://u:p@h", "https://h/path", "https://h?q", "https://"])
def test_an_endpoint_of_another_form_is_refused(kept: Kept, url: str) -> None:
    kept.settings.AUDIT_ANCHOR_S3_ENDPOINT = url
    with pytest.raises(AnchorPlaceError, match="AUDIT_ANCHOR_S3_ENDPOINT"):
        naming.places([PLACE])


def test_without_a_key_the_setting_is_named(kept: Kept) -> None:
    kept.settings.AUDIT_ANCHOR_S3_SECRET_KEY = ""
    with pytest.raises(SettingMissingError, match="AUDIT_ANCHOR_S3_SECRET_KEY is not set"):
        naming.places([PLACE])
