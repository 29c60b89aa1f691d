"""What `audit verify` says without anchors and with them, after somebody who may do everything was there."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from shared_apps.audit.anchors import comparing, examining, keys, taking
from shared_apps.audit.anchors.keys import SigningKey
from shared_apps.audit.anchors.places.directory import Directory
from shared_apps.audit.anchors.reading import Reader
from tests.audit_chains import Chains, append, two_chains
from tests.installation import Installation

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)

# What a database administrator does after having changed entries: all hashes from number FROM on, and the end.
REHASH = """
DO $$ DECLARE e audit.entry; before bytea := (SELECT hash FROM audit.entry WHERE tenant_id = ONE AND sequence = FROM - 1);
BEGIN
    before := coalesce(before, sha256(convert_to(ONE, 'UTF8')));
    FOR e IN SELECT * FROM audit.entry WHERE tenant_id = ONE AND sequence >= FROM ORDER BY sequence LOOP
        before := audit.entry_hash(before, e);
        UPDATE audit.entry SET hash = before WHERE tenant_id = ONE AND sequence = e.sequence;
    END LOOP;
    UPDATE audit.chain SET hash = before, sequence = (SELECT max(sequence) FROM audit.entry WHERE tenant_id = ONE)
    WHERE tenant_id = ONE;
END $$
"""
CUT = "DELETE FROM audit.entry WHERE tenant_id = ONE AND sequence > 6"


@dataclass(frozen=True)
class Anchored:
    """Two chains; an anchor after nine entries of each, and a second after twelve."""

    chains: Chains
    directory: Path
    key: SigningKey

    def anchor(self, *, at: datetime = NOW) -> taking.Taken:
        return taking.take(
            url=settings.AUDIT_AUDITOR_DATABASE_URL,
            key=self.key,
            places=[Directory(self.directory)],
            at=at,
        )

    def append(self, count: int) -> None:
        with psycopg.connect(settings.AUDIT_DATABASE_URL) as writer:
            for tenant in (self.chains.one, self.chains.other):
                append(writer, tenant, first=NOW - timedelta(hours=1), count=count)

    def compare(self, *paths: Path, key: SigningKey | None = None) -> comparing.Comparison:
        public = (key or self.key).public
        return comparing.compare(
            url=settings.AUDIT_AUDITOR_DATABASE_URL,
            reader=Reader(paths or [self.directory], {public.id: public}),
            tenants=[self.chains.one, self.chains.other],
        )

    def found(self) -> list[tuple[str, str]]:
        compared = self.compare()
        assert compared.of_anchors == []
        assert self.chains.other not in compared.problems
        problems = compared.problems.get(self.chains.one, [])
        return [(str(problem.kind), problem.numbers) for problem in problems]

    def files(self) -> list[Path]:
        return sorted(self.directory.iterdir())


@pytest.fixture
def anchored(system: Installation, tmp_path: Path) -> Iterator[Anchored]:
    with two_chains() as chains:
        made = Anchored(chains, tmp_path / "anchors", SigningKey.generate())
        made.anchor()
        made.append(3)
        made.anchor()
        yield made


def test_what_nobody_touched_is_proven_up_to_the_last_anchor(anchored: Anchored) -> None:
    anchored.append(2)

    compared = anchored.compare()

    assert (compared.problems, compared.of_anchors) == ({}, [])
    assert compared.proven == {anchored.chains.one: 12, anchored.chains.other: 12}


@pytest.mark.parametrize(
    ("tampering", "chain_says", "anchors_say"),
    [
        ("UPDATE audit.entry SET new_values = '{}' WHERE tenant_id = ONE AND sequence = 5",
         [("edited", "5")], []),
        ("UPDATE audit.entry SET created_at = created_at - interval '1 hour'"
         " WHERE tenant_id = ONE AND sequence = 5", [("edited", "5")], []),
        ("DELETE FROM audit.entry WHERE tenant_id = ONE AND sequence = 5", [("missing", "5")], []),
        ("UPDATE audit.entry SET sequence = CASE sequence WHEN 4 THEN 6 ELSE 4 END"
         " WHERE tenant_id = ONE AND sequence IN (4, 6)",
         [("reordered", "4"), ("edited", "5"), ("reordered", "6"), ("edited", "7")], []),
        (CUT, [("tail cut", "7-12")], [("rolled back", "7-12")]),
        # From here on the chain itself is whole again.
        (CUT + ";" + REHASH.replace("FROM -", "7 -").replace(">= FROM", ">= 7"),
         [], [("rolled back", "7-12")]),
        ("UPDATE audit.entry SET new_values = '{}' WHERE tenant_id = ONE AND sequence = 5;"
         + REHASH.replace("FROM -", "5 -").replace(">= FROM", ">= 5"), [], [("rewritten", "1-12")]),
        ("UPDATE audit.entry SET created_at = created_at - interval '1 hour'"
         " WHERE tenant_id = ONE AND sequence = 11;"
         + REHASH.replace("FROM -", "11 -").replace(">= FROM", ">= 11"), [], [("rewritten", "10-12")]),
        ("DELETE FROM audit.entry WHERE tenant_id = ONE AND sequence = 5;"
         "UPDATE audit.entry SET sequence = sequence - 1 WHERE tenant_id = ONE AND sequence > 5;"
         + REHASH.replace("FROM -", "5 -").replace(">= FROM", ">= 5"),
         [], [("rewritten", "1-9"), ("rolled back", "12")]),
        ("UPDATE audit.entry SET sequence = CASE sequence WHEN 4 THEN 6 ELSE 4 END"
         " WHERE tenant_id = ONE AND sequence IN (4, 6);"
         + REHASH.replace("FROM -", "4 -").replace(">= FROM", ">= 4"), [], [("rewritten", "1-12")]),
        ("DELETE FROM audit.entry WHERE tenant_id = ONE;"
         "INSERT INTO audit.entry SELECT (jsonb_populate_record(e, jsonb_build_object('tenant_id', ONE,"
         " 'uid', gen_random_uuid()))).* FROM audit.entry e WHERE tenant_id = OTHER;"
         + REHASH.replace("FROM -", "1 -").replace(">= FROM", ">= 1"), [], [("rewritten", "1-12")]),
        ("DELETE FROM audit.entry WHERE tenant_id = ONE; DELETE FROM audit.chain WHERE tenant_id = ONE",
         None, [("rolled back", "1-12")]),
    ],
    ids=["edit", "backdate", "delete", "reorder", "cut the tail", "cut the tail and set the end",
         "edit and hash again", "backdate and hash again", "delete and hash again",
         "reorder and hash again", "clone another tenant's", "remove all"],
)  # fmt: skip
def test_the_tampering_matrix(
    anchored: Anchored,
    tampering: str,
    chain_says: list[tuple[str, str]] | None,
    anchors_say: list[tuple[str, str]],
) -> None:
    anchored.chains.run(tampering)

    if chain_says is None:
        assert [v.tenant_id for v in anchored.chains.verify()] == [anchored.chains.other]
    else:
        assert anchored.chains.found() == chain_says
    assert anchored.found() == anchors_say


def test_an_old_copy_that_was_put_back_and_written_on(anchored: Anchored) -> None:
    anchored.chains.run(CUT + ";" + REHASH.replace("FROM -", "7 -").replace(">= FROM", ">= 7"))
    anchored.chains.admin.execute(
        "DELETE FROM audit.anchor; DELETE FROM audit.anchored"
    )  # as of before, like all that was in the copy
    with psycopg.connect(settings.AUDIT_DATABASE_URL) as writer:
        append(writer, anchored.chains.one, first=NOW, count=10)

    taken = anchored.anchor()  # goes on after those that the directory has

    assert anchored.chains.found() == []
    assert len(anchored.files()) == 3
    assert anchored.files()[-1].name == f"anchor-{taken.counter:012d}.jsonl"
    assert anchored.found() == [("rewritten", "1-12")]


def test_a_chain_that_ends_before_its_anchor_is_told_when_the_next_is_taken(
    anchored: Anchored,
) -> None:
    anchored.chains.run(CUT + ";" + REHASH.replace("FROM -", "7 -").replace(">= FROM", ">= 7"))

    taken = anchored.anchor()

    assert taken.set_back == (taking.SetBack(anchored.chains.one, 12, 6),)


def test_an_anchor_holds_what_moved_and_once_a_day_everything(anchored: Anchored) -> None:
    idle = anchored.anchor()
    next_day = anchored.anchor(at=NOW + timedelta(days=1))

    assert idle.ends == 0
    assert next_day.ends >= 2
    assert anchored.compare().problems == {}


def test_missing_doubled_forged_and_altered_anchors_are_named(
    anchored: Anchored, tmp_path: Path
) -> None:
    for _ in range(3):
        anchored.append(1)
        anchored.anchor()
    first, second, third, fourth, fifth = anchored.files()
    number = int(first.stem.split("-")[1])
    second.unlink()
    altered = third.read_text().replace(',12,"', ',11,"').replace(',13,"', ',14,"')
    third.unlink()
    third.write_text(altered)
    forged = SigningKey.generate()
    foreign = fourth.read_text().splitlines()[0]
    fourth.unlink()
    fourth.write_text(foreign[:60] + ("A" if foreign[60] != "A" else "B") + foreign[61:] + "\n")

    said = anchored.compare().of_anchors

    assert said[0].startswith(f"anchor {number + 2} of 2026-11-20 12:00:00: its ends are altered")
    assert "forged" in said[1] or "cannot be read" in said[1]
    assert f"anchor {number + 1}: missing" in said
    assert f"anchor {number + 3}: missing" in said
    assert anchored.compare(fifth).of_anchors == []
    assert "not known" in anchored.compare(fifth, key=forged).of_anchors[0]


def test_two_anchors_of_one_number_are_named(anchored: Anchored, tmp_path: Path) -> None:
    """Whoever has the key and sets the audit database back takes the same number for something else."""
    anchored.chains.admin.execute(
        "DELETE FROM audit.anchor WHERE counter = (SELECT max(counter) FROM audit.anchor)"
    )
    elsewhere = Anchored(anchored.chains, tmp_path / "elsewhere", anchored.key)
    anchored.append(1)
    taken = elsewhere.anchor()

    compared = anchored.compare(anchored.directory, elsewhere.directory)

    assert compared.of_anchors == [
        f"anchor {taken.counter} of 2026-11-20 12:00:00: there are two of this number"
    ]


def test_newer_anchors_that_were_kept_back_are_missed(anchored: Anchored) -> None:
    last = anchored.files()[-1]
    number = int(last.stem.split("-")[1])
    last.unlink()

    assert anchored.compare().of_anchors == [
        f"anchors up to {number} were given away, but the last one here is {number - 1}:"
        " newer ones are missing"
    ]


def test_a_place_that_was_away_gets_all_that_it_missed(anchored: Anchored, tmp_path: Path) -> None:
    away = tmp_path / "away"
    away.write_text("in the way of the directory")
    places = [Directory(away), Directory(anchored.directory)]

    def take() -> taking.Taken:
        anchored.append(1)
        return taking.take(
            url=settings.AUDIT_AUDITOR_DATABASE_URL, key=anchored.key, places=places, at=NOW
        )

    failed = [take().failures, take().failures]
    away.unlink()
    recovered = take()

    assert [list(failures) for failures in failed] == [[away.as_uri()], [away.as_uri()]]
    assert recovered.failures == {}
    assert [path.name for path in sorted(away.iterdir())] == [p.name for p in anchored.files()[-3:]]
    assert anchored.compare(away).proven[anchored.chains.one] == 15


def test_the_one_who_died_with_an_anchor_in_hand_gave_away_the_same(
    anchored: Anchored, tmp_path: Path
) -> None:
    """Killed after the file was written and before the audit database knew."""
    anchored.append(1)
    full = tmp_path / "taken"
    taken = taking.take(
        url=settings.AUDIT_AUDITOR_DATABASE_URL,
        key=anchored.key,
        places=[Directory(full)],
        at=NOW,
    )
    document = (full / f"anchor-{taken.counter:012d}.jsonl").read_text()
    anchored.chains.admin.execute(
        "UPDATE audit.anchor SET delivered = '{}', document = %s WHERE counter = %s",
        [document, taken.counter],
    )
    Directory(anchored.directory).keep(taken.counter, document)

    anchored.append(1)
    anchored.anchor()

    assert [p.suffix for p in anchored.files()] == [".jsonl"] * 4
    assert anchored.compare().of_anchors == []
    assert anchored.compare().proven[anchored.chains.one] == 14


def test_an_anchor_is_never_written_over(anchored: Anchored) -> None:
    path = anchored.files()[0]
    before = path.read_text()
    anchored.chains.admin.execute(
        "UPDATE audit.anchor SET document = 'other', delivered = '{}' WHERE counter = %s",
        [int(path.stem.split("-")[1])],
    )

    failures = anchored.anchor().failures

    assert "is there with other content" in failures[anchored.directory.as_uri()]
    assert path.read_text() == before


def _verify(*arguments: str) -> tuple[int, dict[str, Any]]:
    out = StringIO()
    try:
        call_command("audit", "verify", *arguments, "--json", stdout=out, stderr=StringIO())
        code = 0
    except SystemExit as ended:
        code = int(str(ended.code))
    return code, json.loads(out.getvalue())


def test_the_command_believes_the_key_that_it_is_given(anchored: Anchored, tmp_path: Path) -> None:
    public = tmp_path / "keys.json"
    keys.add_public_key(public, SigningKey.generate().public)
    keys.add_public_key(public, anchored.key.public)
    asked = ["--tenant", str(anchored.chains.one), "--anchors", str(anchored.directory)]
    anchored.chains.run(CUT + ";" + REHASH.replace("FROM -", "7 -").replace(">= FROM", ">= 7"))

    without, with_key = _verify(*asked[:2]), _verify(*asked, "--public-key", str(public))
    with_own_key = _verify(*asked)

    assert (without[0], without[1]["chains"][0]["problems"]) == (0, [])
    assert with_key[0] == 1
    assert with_key[1]["anchors"]["problems"] == []
    assert [p["kind"] for p in with_key[1]["chains"][0]["problems"]] == ["rolled back"]
    assert with_own_key[1]["anchors"]["problems"][0].endswith(
        f"not known, {anchored.key.public.id}"
    )


def test_a_key_is_made_once_and_auditors_keep_the_old_ones(
    system: Installation, tmp_path: Path
) -> None:
    private, public = tmp_path / "key", tmp_path / "keys.json"
    made = ["audit", "anchor", "--public-keys", str(public), "--new-key"]
    call_command(*made, str(private), stdout=StringIO())
    call_command(*made, str(tmp_path / "next"), stdout=StringIO())

    with pytest.raises(CommandError, match="is there already"):
        call_command(*made, str(private), stdout=StringIO())

    assert private.stat().st_mode & 0o777 == 0o600
    assert SigningKey.from_setting(private.read_text()).public.id in keys.read_public_keys(public)
    assert len(keys.read_public_keys(public)) == 2


def test_the_command_takes_one_with_the_installations_own_settings(
    system: Installation, anchored: Anchored
) -> None:
    out = StringIO()
    call_command("audit", "anchor", "--json", stdout=out)

    taken = json.loads(out.getvalue())
    own = Path(settings.AUDIT_ANCHOR_PLACES[0].removeprefix("file://"))
    assert taken["failures"] == {}
    assert (own / f"anchor-{taken['counter']:012d}.jsonl").exists()


def test_nobody_but_the_auditor_may_take_one_down(anchored: Anchored) -> None:
    for url in (
        settings.AUDIT_DATABASE_URL,
        settings.AUDIT_READER_DATABASE_URL,
        settings.AUDIT_RETENTION_DATABASE_URL,
    ):
        with (
            psycopg.connect(url, autocommit=True) as login,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            login.execute("SELECT audit.begin_anchor(9999, now(), 'x', 'x')")


def test_an_end_that_no_entry_has_is_not_taken_down(anchored: Anchored) -> None:
    """Retention would take it for a licence."""
    with psycopg.connect(settings.AUDIT_AUDITOR_DATABASE_URL, autocommit=True) as auditor:
        auditor.execute(
            "SELECT audit.record_ends((SELECT max(counter) FROM audit.anchor), %s, %s, %s)",
            [[anchored.chains.one], [99], [b"x" * 32]],
        )
        row = auditor.execute(
            "SELECT sequence FROM audit.anchored WHERE tenant_id = %s", [anchored.chains.one]
        ).fetchone()
    assert row == (12,)


def test_the_doctor_tells_of_a_place_that_is_away_and_of_a_chain_that_was_set_back(
    anchored: Anchored,
) -> None:
    assert list(examining.find_problems()) == []
    anchored.chains.admin.execute(
        "UPDATE audit.anchor SET taken_at = now() - interval '4 days', document = 'x'"
    )
    anchored.chains.run("UPDATE audit.chain SET sequence = 7 WHERE tenant_id = ONE")

    overdue, waiting, set_back = examining.find_problems()

    assert overdue.problem == "none was taken for 3 days, 0:00:00"
    assert waiting.problem == f"2 wait for {settings.AUDIT_ANCHOR_PLACES[0]}"
    assert (
        set_back.problem
        == f"the chain of {anchored.chains.one} ends at 7, but was anchored up to 12"
    )
