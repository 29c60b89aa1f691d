"""`audit proof`: what a file proves to who has the public key alone, and what it tells of others."""

import base64
import copy
import hashlib
import json
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from django.conf import settings as configured
from django.core.management import CommandError, call_command

from shared_apps.audit.anchors import keys, taking
from shared_apps.audit.anchors.keys import SigningKey
from shared_apps.audit.anchors.places.directory import Directory
from shared_apps.core import attribution
from tests.audit_chains import Chains, append, two_chains
from tests.installation import Installation

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Proofs:
    """Two chains, anchored after entries 9, 12 and 15 of each; entries 16 and 17 are in no anchor."""

    chains: Chains
    directory: Path
    key: SigningKey
    public: Path

    def grow(self, count: int) -> None:
        with psycopg.connect(configured.AUDIT_DATABASE_URL) as writer:
            for tenant in (self.chains.one, self.chains.other):
                append(writer, tenant, first=NOW - timedelta(hours=1), count=count)

    def anchor(self) -> taking.Taken:
        return taking.take(
            url=configured.AUDIT_AUDITOR_DATABASE_URL, key=self.key,
            places=[Directory(self.directory / "anchors")], at=NOW,
        )  # fmt: skip

    def make(self, *arguments: str, name: str = "proof") -> list[dict[str, Any]]:
        path = self.directory / name
        call_command(
            "audit", "proof", "--tenant", str(self.chains.one), "-o", str(path),
            "--anchors", str(self.directory / "anchors"), "--key", str(self.public), *arguments,
            stdout=StringIO(), stderr=StringIO(),
        )  # fmt: skip
        return [json.loads(line) for line in path.read_text().splitlines()]

    def check(self, lines: list[dict[str, Any]]) -> tuple[int, dict[str, Any]]:
        path = self.directory / "given"
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        out = StringIO()
        try:
            call_command("audit", "proof", "--check", str(path), "--key", str(self.public),
                         "--json", stdout=out)  # fmt: skip
            return 0, json.loads(out.getvalue())
        except SystemExit as ended:
            return int(str(ended.code)), json.loads(out.getvalue())


@pytest.fixture
def proofs(system: Installation, tmp_path: Path) -> Iterator[Proofs]:
    key = SigningKey.generate()
    keys.add_public_key(tmp_path / "keys.json", key.public)
    with two_chains() as chains:
        made = Proofs(chains, tmp_path, key, tmp_path / "keys.json")
        for _ in range(2):
            made.anchor()
            made.grow(3)
        made.anchor()
        made.grow(2)
        yield made


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _by_hand(lines: list[dict[str, Any]], jwk: dict[str, str]) -> list[int]:
    """As docs/audit.md tells it, with nothing of ours: the numbers that are proven."""
    head, proven, waiting, before = lines[0]["freehold_proof"], [], [], None
    for line in lines[1:]:
        if "freehold_anchored" not in line:
            content = b""
            values = [head["tenant_id"], str(line["sequence"]), *(line[name] for name in (
                "uid", "created_at", "completed_at", "entity_type", "operation", "record_id", "old_values",
                "new_values", "diff", "modified_by", "attribution", "request_id", "database_role",
                "transaction_id"))]  # fmt: skip
            for place, value in enumerate(values):
                if place in (3, 4):
                    moment = datetime.fromisoformat(str(value)) - datetime(1970, 1, 1, tzinfo=UTC)
                    value = str(moment // timedelta(microseconds=1))
                data = b"" if value is None else str(value).encode()
                content += b"-" if value is None else b"%d:%b" % (len(data), data)
            own = hashlib.sha256(bytes.fromhex(line["previous_hash"]) + content).hexdigest()
            assert own == line["hash"]
            assert before in (None, line["previous_hash"])
            before = own
            waiting.append(line["sequence"])
            continue
        anchored = line["freehold_anchored"]
        header, payload, signature = anchored["anchor"].split(".")
        Ed25519PublicKey.from_public_bytes(_decoded(jwk["x"])).verify(
            _decoded(signature), f"{header}.{payload}".encode()
        )
        claims = json.loads(_decoded(payload))
        assert (anchored["sequence"], anchored["hash"]) == (waiting[-1], before)
        end = f"{head['tenant_id']}:{anchored['sequence']}:".encode() + bytes.fromhex(before)
        node, place, last = (
            hashlib.sha256(b"\x00" + end).digest(),
            anchored["index"],
            claims["ends"] - 1,
        )
        for beside in map(bytes.fromhex, anchored["path"]):
            if place % 2 or place == last:
                node = hashlib.sha256(b"\x01" + beside + node).digest()
                while place % 2 == 0 and place:
                    place, last = place // 2, last // 2
            else:
                node = hashlib.sha256(b"\x01" + node + beside).digest()
            place, last = place // 2, last // 2
        assert node.hex() == claims["root"]
        proven += waiting
        waiting, before = [], None
    assert waiting == []
    return proven


ASKED: list[tuple[str, list[list[int]], list[int]]] = [
    ("9", [[9, 9]], [9]),
    ("4", [[4, 4]], list(range(4, 10))),
    ("1-15", [[1, 15]], list(range(1, 16))),
    ("8-11", [[8, 11]], list(range(8, 13))),
]


def test_entries_are_proven_with_the_public_key_alone(
    proofs: Proofs, subtests: pytest.Subtests
) -> None:
    for asked, runs, in_file in ASKED:
        with subtests.test(asked):
            lines = proofs.make("--sequence", asked, name=asked)

            code, said = proofs.check(lines)

            assert (code, said["problems"]) == (0, [])
            assert lines[0]["freehold_proof"]["entries"] == runs
            assert [line["sequence"] for line in lines if "sequence" in line] == in_file
            assert said["proven"][0]["anchored_at"] == "2026-11-20 12:00:00+00:00"
            assert _by_hand(lines, proofs.key.public.jwk) == in_file
            assert stat.S_IMODE((proofs.directory / asked).stat().st_mode) == 0o600


def test_a_records_history_is_proven_over_several_anchors(proofs: Proofs) -> None:
    """`ä` has the first entry of each time that some were added."""
    with pytest.raises(CommandError, match=r"entry 16 of .* is in no anchor"):
        proofs.make("--record", "ä")
    proofs.anchor()
    lines = proofs.make("--record", "ä")

    code, said = proofs.check(lines)

    assert (code, said["problems"]) == (0, [])
    assert lines[0]["freehold_proof"]["entries"] == [[1, 1], [10, 10], [13, 13], [16, 16]]
    assert [(one["first"], one["last"]) for one in said["proven"]] == [
        (1, 9),
        (10, 12),
        (13, 15),
        (16, 17),
    ]
    assert _by_hand(lines, proofs.key.public.jwk) == list(range(1, 18))


def test_it_tells_nothing_of_another_tenant(proofs: Proofs) -> None:
    proofs.chains.run(
        "UPDATE audit.entry SET database_role = database_role WHERE tenant_id = OTHER"
    )
    proofs.make("--sequence", "1-15")

    text = (proofs.directory / "proof").read_text()

    with psycopg.connect(configured.AUDIT_AUDITOR_DATABASE_URL) as auditor:
        found = auditor.execute(
            "SELECT uid::text, encode(hash, 'hex') FROM audit.entry WHERE tenant_id = %s",
            [proofs.chains.other],
        ).fetchall()
    assert len(found) == 17
    assert not any(uid in text or own in text for uid, own in found)
    assert str(proofs.chains.other) not in text


Change = Callable[[list[dict[str, Any]], Proofs], object]


def _edit_and_hash_again(lines: list[dict[str, Any]], _: Proofs) -> None:
    from shared_apps.audit.exports.checking import entry_hash

    lines[1]["new_values"] = '{"name": "forged"}'
    for before, entry in zip([lines[1], *lines[1:6]], lines[1:7], strict=True):
        entry["previous_hash"] = entry["previous_hash"] if before is entry else before["hash"]
        entry["hash"] = entry_hash(entry)
    lines[7]["freehold_anchored"]["hash"] = lines[6]["hash"]


def _sign_it_oneself(lines: list[dict[str, Any]], proofs: Proofs) -> None:
    payload = keys.unproven(lines[7]["freehold_anchored"]["anchor"])
    lines[7]["freehold_anchored"]["anchor"] = SigningKey.generate().sign(payload)


def _under_a_known_name(lines: list[dict[str, Any]], proofs: Proofs) -> None:
    """Another root, with the header and signature of the right one."""
    header, payload, signature = lines[7]["freehold_anchored"]["anchor"].split(".")
    claims = json.loads(_decoded(payload)) | {"root": "00" * 32}
    changed = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    lines[7]["freehold_anchored"]["anchor"] = f"{header}.{changed}.{signature}"


TAMPERING: list[tuple[Change, str]] = [
    (lambda lines, _: lines[1].update(new_values="{}"), "line 2: entry 4 was changed"),
    (
        lambda lines, _: lines[1].update(created_at="2026-11-02T00:00:00.000000Z"),
        "line 2: entry 4 was changed",
    ),
    (
        lambda lines, _: lines[1].update(approved_by="the auditor"),
        "line 2: entry 4 has fields that nothing proves, or lacks some",
    ),
    (lambda lines, _: lines.pop(3), "line 4: entry 7 does not follow entry 5"),
    (lambda lines, _: lines.pop(1), "entry 4 is not proven"),
    (lambda lines, _: lines.pop(6), "line 7: the entries before it do not lead to the end 9"),
    (lambda lines, _: lines.pop(7), "entries 4 to 9 lead to no anchor"),
    (lambda lines, _: lines.__setitem__(slice(1, 8), []), "entry 4 is not proven"),
    (
        lambda lines, _: lines[0]["freehold_proof"].update(entries=[[3, 4]]),
        "entries 3 to 4 are not proven",
    ),
    (
        lambda lines, _: lines[0]["freehold_proof"].update(entries=[]),
        "it says nothing of which entries it is about",
    ),
    (
        lambda lines, proofs: lines[0]["freehold_proof"].update(tenant_id=str(proofs.chains.other)),
        "line 2: entry 4 is another tenant's",
    ),
    (_edit_and_hash_again, "does not have this end"),
    (lambda lines, _: lines[7]["freehold_anchored"].update(index=99), "there is no place 99"),
    (lambda lines, _: lines[7]["freehold_anchored"]["path"].pop(), "too short"),
    (lambda lines, _: lines[7]["freehold_anchored"]["path"].append("00" * 32), "too long"),
    (_sign_it_oneself, "signed with a key that is not known"),
    (_under_a_known_name, "the signature is forged"),
]


def test_what_somebody_did_to_a_proof_is_named(proofs: Proofs, subtests: pytest.Subtests) -> None:
    good = proofs.make("--sequence", "4")
    assert len(good) == 8
    for change, problem in TAMPERING:
        with subtests.test(problem):
            lines = copy.deepcopy(good)
            change(lines, proofs)

            code, said = proofs.check(lines)

            assert code == 1
            assert said["proven"] == [] or "not proven" in problem or "nothing of which" in problem
            assert any(problem in found for found in said["problems"]), said["problems"]


def test_an_anchor_of_another_time_proves_nothing_else(proofs: Proofs) -> None:
    early, late = proofs.make("--sequence", "9"), proofs.make("--sequence", "12", name="late")

    code, said = proofs.check([*early[:2], late[2]])

    assert code == 1
    assert said["problems"][0] == "line 3: the entries before it do not lead to the end 12"


IMPOSSIBLE: list[tuple[list[str], str]] = [
    (
        ["--sequence", "16"],
        "is in no anchor: the last anchored end is 15; manage.py audit anchor",
    ),
    (["--sequence", "99"], "is in no anchor"),
    (["--record", "nobody"], "knows no record nobody"),
    (["--record", "ä", "--entity", "invoicing.vendor"], "knows no record ä"),
    ([], "--record or --sequence says which entries"),
    (["--record", "ä", "--sequence", "1"], "--record or --sequence says which entries"),
    (["--sequence", "0"], "the first of which is 1"),
    (["--sequence", "9-3"], "1 to 1000000 entries"),
    (["--sequence", "1-9999999"], "1 to 1000000 entries"),
    (["--sequence", "x"], "a number as 12"),
]


def test_what_cannot_be_proven_leaves_no_file(proofs: Proofs, subtests: pytest.Subtests) -> None:
    for arguments, said in IMPOSSIBLE:
        with subtests.test(said), pytest.raises(CommandError, match=said):
            proofs.make(*arguments)
    assert not (proofs.directory / "proof").exists()


def test_a_chain_that_is_not_what_was_anchored_gives_no_proof(proofs: Proofs) -> None:
    proofs.chains.run(
        "UPDATE audit.entry SET new_values = '{}' WHERE tenant_id = ONE AND sequence = 11"
    )
    with pytest.raises(CommandError, match="entry 11 is not what was written: audit verify says"):
        proofs.make("--sequence", "10")
    proofs.chains.run("DELETE FROM audit.entry WHERE tenant_id = ONE AND sequence = 11")
    with pytest.raises(CommandError, match="there is no entry 11"):
        proofs.make("--sequence", "10")
    proofs.chains.run("DELETE FROM audit.entry WHERE tenant_id = ONE AND sequence > 11")
    with pytest.raises(CommandError, match="does not lead to the end 12 that was anchored"):
        proofs.make("--sequence", "10")
    assert [path.name for path in proofs.directory.iterdir() if "proof" in path.name] == []


def test_after_retention_the_rest_is_proven_from_the_checkpoint_on(proofs: Proofs) -> None:
    proofs.chains.run(
        "INSERT INTO audit.checkpoint (tenant_id, sequence, hash, counter)"
        " SELECT tenant_id, sequence, hash, 1 FROM audit.entry WHERE tenant_id = ONE AND sequence = 4;"
        "DELETE FROM audit.entry WHERE tenant_id = ONE AND sequence <= 4"
    )
    lines = proofs.make("--sequence", "5")

    assert proofs.check(lines)[0] == 0
    assert _by_hand(lines, proofs.key.public.jwk) == [5, 6, 7, 8, 9]
    with pytest.raises(CommandError, match="there is no entry"):
        proofs.make("--sequence", "3", name="gone")


def test_a_proof_is_an_entry_of_the_trail_that_it_is_about(
    system: Installation, tmp_path: Path
) -> None:
    """With the installation's own tenant, anchors and key, as its operator says it."""
    acme = system.tenants["acme"]
    path, out = tmp_path / "proof", StringIO()
    call_command("audit", "anchor", stdout=StringIO())

    with attribution.acting(attribution.command("test")):
        call_command("audit", "proof", "--tenant", "acme", "--sequence", "1", "-o", str(path), "--json", stdout=out)  # fmt: skip
    system.relay()
    call_command("audit", "proof", "--check", str(path), stdout=StringIO())

    said = json.loads(out.getvalue())
    assert (said["entries"], said["tenant_id"]) == (1, str(acme.id))
    with psycopg.connect(configured.AUDIT_AUDITOR_DATABASE_URL) as auditor:
        told = auditor.execute(
            "SELECT new_values FROM audit.entry WHERE tenant_id = %s AND entity_type = 'audit.access'"
            " ORDER BY sequence DESC LIMIT 1", [acme.id],
        ).fetchone()  # fmt: skip
    assert told is not None
    assert told[0]["resource"] == "proof"
    with pytest.raises(CommandError, match="exists already; it is not overwritten"):
        call_command("audit", "proof", "--tenant", "acme", "--sequence", "1", "-o", str(path))


NO_PROOFS = (b"", b"{}\n", b"x", b"\xff\n", b'{"freehold_proof": {"version": 2}}\n')


def test_a_file_that_is_no_proof_is_refused(proofs: Proofs) -> None:
    path = proofs.directory / "other"
    asked = ["audit", "proof", "--check", str(path), "--key", str(proofs.public)]
    for content in NO_PROOFS:
        path.write_bytes(content)
        with pytest.raises((CommandError, SystemExit)):
            call_command(*asked, stdout=StringIO())
    with pytest.raises(CommandError, match="cannot be read: No such file"):
        call_command("audit", "proof", "--check", "/nowhere", "--key", str(proofs.public))
    with pytest.raises(CommandError, match="--tenant does not belong to --check"):
        call_command(*asked, "--tenant", "acme")
