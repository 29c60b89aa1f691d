"""What is no archive of ours, however it was made: refused, and nothing was changed."""

import json
import tarfile
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from shared_apps.core import attribution, context
from shared_apps.core.context import TenantIdentity
from shared_apps.onboarding import services
from shared_apps.onboarding.archive.verifying import verify
from shared_apps.onboarding.errors import ArchiveInvalidError
from tests import tenant_files
from tests.archives import Contents, header, members, pack, plain, rewrite, vouched
from tests.client import Api
from tests.installation import Installation
from tests.integration.shared_apps.onboarding.console import Console

_MANY = 150
_MB = 1 << 20


@pytest.fixture
def archive(
    acme: TenantIdentity, globex: TenantIdentity, api: Callable[..., Api], system: Installation,
    tmp_path: Path,
) -> Path:  # fmt: skip
    for number in range(3):
        api(acme, "admin").post("vendors/", {"name": f"Vendor {number}"})
    tenant_files.save(acme, "reports/a.txt", b"one\ntwo")
    tenant_files.save(globex, "theirs.txt", b"theirs")
    system.relay()
    path = tmp_path / "acme.tar.gz"
    with context.operator(), attribution.acting(attribution.command("test")):
        services.export_tenant(slug="acme", path=path, at=datetime.now(UTC))
    return path


def is_refused(path: Path) -> bool:
    try:
        verify(path)
    except ArchiveInvalidError:
        return True
    return False


def test_cut_off_anywhere(archive: Path) -> None:
    whole = archive.read_bytes()
    sizes = {*range(0, len(whole), len(whole) // _MANY), *range(len(whole) - 20, len(whole))}
    for size in sorted(sizes):
        archive.write_bytes(whole[:size])
        assert is_refused(archive), size


def test_any_byte_changed(archive: Path) -> None:
    """Either it is refused, or it holds the same: in a gzip header is a time, and one text can be
    compressed in many ways."""
    whole, contents = archive.read_bytes(), members(archive)
    refused = 0
    offsets = {*range(20), *range(0, len(whole), len(whole) // _MANY), *range(len(whole) - 9, len(whole))}  # fmt: skip
    for offset in sorted(offsets - {len(whole)}):
        changed = bytearray(whole)
        changed[offset] ^= 0xFF
        archive.write_bytes(changed)
        if is_refused(archive):
            refused += 1
        else:
            assert members(archive) == contents, offset
    assert refused > _MANY * 0.8


def test_what_is_no_archive(tmp_path: Path) -> None:
    for content in (b"", b"text", b"\x1f\x8b", bytes(4096)):
        (tmp_path / "file").write_bytes(content)
        assert is_refused(tmp_path / "file")
    assert is_refused(tmp_path)
    assert is_refused(tmp_path / "none")


@pytest.mark.parametrize(
    "name", ["files/../../x", "/etc/passwd", "files//x", "files/./x", "x", "files/a\\b", "files/"]
)
def test_a_name_that_climbs_out(archive: Path, name: str) -> None:
    """Also when the manifest vouches for it."""
    assert is_refused(rewrite(archive, plain(vouched({**members(archive), name: b"x"}))))


@pytest.mark.parametrize(
    "kind",
    [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE,
     tarfile.DIRTYPE, tarfile.CONTTYPE, tarfile.AREGTYPE, tarfile.GNUTYPE_SPARSE],
)  # fmt: skip
def test_what_is_not_a_plain_file(archive: Path, kind: bytes) -> None:
    odd = tarfile.TarInfo("files/odd")
    odd.type, odd.linkname = kind, "/etc/passwd"
    with pytest.raises(ArchiveInvalidError, match="plain file"):
        verify(rewrite(archive, [(odd, b""), *plain(members(archive))]))


def test_a_name_twice_too_much_and_too_little(archive: Path) -> None:
    contents = plain(members(archive))
    for odd in (
        [contents[0], *contents], [*contents, contents[0]], contents[1:], contents[:-1],
        [*contents, contents[-1]],
    ):  # fmt: skip
        assert is_refused(rewrite(archive, odd))


def test_bombs_are_stopped_early(archive: Path) -> None:
    """A few kilobytes that would be gigabytes in memory, or no end of work."""
    entries = [block for name, content in members(archive).items() for block in (
        header(name, tarfile.REGTYPE, len(content)), content + bytes(-len(content) % 512))]  # fmt: skip
    path = b"30 path=files/reports/deep.txt\n"
    deep = header("x", tarfile.XHDTYPE, len(path)) + path.ljust(512, b"\0")
    zeros = [bytes(_MB)] * 160
    bombs = {
        "a header for the next": [header("x", tarfile.XHDTYPE, 160 * _MB), *zeros],
        "a header for all": [header("g", tarfile.XGLTYPE, 160 * _MB), *zeros],
        "a long name": [header("n", tarfile.GNUTYPE_LONGNAME, 160 * _MB), *zeros],
        "a manifest": [header("manifest.json", tarfile.REGTYPE, 257 * _MB), *zeros],
        "what follows the end": [*entries, bytes(1024), *zeros],
        "header upon header": [deep] * 5000,
        "a size below zero": [*entries, header("files/x", tarfile.REGTYPE, -1024), *zeros[:1]],
    }
    assert not is_refused(pack(archive, *entries, bytes(1024)))
    for name, portions in bombs.items():
        pack(archive, *portions)
        tracemalloc.start()
        refused = is_refused(archive)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert refused, name
        assert peak < 64 * _MB, name


def _set(key: str, value: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda manifest: manifest.__setitem__(key, value)


def _table(key: str, value: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda manifest: manifest["tables"][-1].__setitem__(key, value)


MANIFESTS: dict[str, Callable[[dict[str, Any]], Any]] = {
    **{f"{key} is {value!r}": _set(key, value) for key, values in {
        "format": [1, 3, 0, "1", None, True],
        "fingerprint": ["0" * 64, 5, None],
        "version": [None, 1, "\x1b[2J"],
        "tenant_id": ["acme", 5, "' OR 1=1 --"],
        "exported_at": ["yesterday", "2026-01-01T00:00:00", 5],
        "state": ["ROOT", "failed", "deleted", 1],
        "declared": [None, [], {}, "x", {"slug": "acme"}, {"slug": 5}],
        "setups": [["unknown"], "x", [[]], None],
        "tables": [[], {}, [{}], None],
        "sequences": [None, [{}], [{"name": "x", "last_value": "1", "is_called": True}]],
        "people": [0, -1, "3", 1e999], "files": [0, 2, None], "audit_entries": [10**30, -5],
        "audit_pending": [None, 1.5], "members": [{}, [], None],
        "unknown": ["x"],
        "roles": [None, [], {"admin": ["read"]}, {"clerk": ["root"]}, {"clerk": []}, {"clerk": "read"},
                  {"Clerk": ["read"]}, {"": ["read"]}],
        "moment": [None, {}, {"at": "now", "snapshot": "1:1:", "sequence": 0},
                   {"at": "2026-01-01T00:00:00+00:00", "snapshot": "1:1:'", "sequence": 0}],
    }.items() for value in values},
    "a key is missing": lambda manifest: manifest.pop("state"),
    "rows": _table("rows", 4),
    "rows that are no number": _table("rows", float("inf")),
    "a table's name": _table("name", 'x"; DROP SCHEMA t_acme CASCADE; --'),
    "a table's columns": _table("columns", "id"),
    "a key of a table": _table("where", "1=1"),
    "a table twice": lambda manifest: manifest["tables"].append(manifest["tables"][0]),
    "another state declared": lambda manifest: manifest["declared"].update(state="root"),
    "a key declared": lambda manifest: manifest["declared"].update(command="rm"),
    "domains declared": lambda manifest: manifest["declared"].update(domains=5, admins=None),
    "a checksum": lambda manifest: manifest["members"]["people.jsonl"].update(sha256="0" * 64),
    "a size": lambda manifest: manifest["members"]["people.jsonl"].update(size=1),
}  # fmt: skip


def _person(**changes: Any) -> Callable[[Contents], None]:
    def change(contents: Contents) -> None:
        first, *others = contents["people.jsonl"].splitlines(keepends=True)
        person = json.dumps({**json.loads(first), **changes}).encode() + b"\n"
        contents["people.jsonl"] = b"".join([person, *others])

    return change


def _adds(**added: bytes) -> Callable[[Contents], None]:
    return lambda contents: contents.update(
        {f"files/{name.replace('__', '/')}": content for name, content in added.items()}
    )


CONTENTS: dict[str, Callable[[Contents], None]] = {
    "a role": _person(role="root"),
    "a role that the archive does not have": _person(role="clerk"),
    "neither disabled nor not": _person(is_active="yes"),
    "an address": _person(email="nobody"),
    "an address that is a number": _person(email=5),
    "an id": _person(id="1"),
    "an id that is a number": _person(id=1),
    "a name with NUL": _person(name="a\0b"),
    "a name that is too long": _person(name="x" * 201),
    "a superuser": _person(is_superuser=True),
    "somebody twice": lambda contents: contents.update(
        {"people.jsonl": contents["people.jsonl"] * 2}
    ),
    "no JSON": lambda contents: contents.update({"people.jsonl": b"[" * 100_000 + b"\n"}),
    "a file that is a folder": _adds(a=b"x", a__b=b"x"),
    "a decomposed name": lambda contents: contents.update({"files/a\u0308": b"x"}),
    "an invisible character": lambda contents: contents.update({"files/a\u202eb": b"x"}),
}


def test_no_manifest_and_no_member_changes_anything(
    archive: Path, console: Console, system: Installation
) -> None:
    """Each with checksums that are right. What the tenant's tables are is known in its schema only."""
    good = members(archive)
    bad = {name: vouched(good, change) for name, change in MANIFESTS.items()}
    for name, alter in CONTENTS.items():
        altered = dict(good)
        alter(altered)
        bad[name] = vouched(altered)
    repeated = good["manifest.json"].replace(b'"people"', b'"people": 3, "people"')
    bad["a key twice"] = {**good, "manifest.json": repeated}
    before = _everything(system)

    for name, contents in bad.items():
        ended = _restore(console, rewrite(archive, plain(contents)))
        assert (ended.code, ended.out) == (1, ""), name
        assert "Traceback" not in ended.err, name
        assert _everything(system) == before, name

    assert _restore(console, rewrite(archive, plain(vouched(good)))).code == 0


def test_tables_of_another_schema_are_taken_back(
    archive: Path, console: Console, system: Installation
) -> None:
    good = members(archive)
    before = _everything(system)[1:]
    evil = 'tables/x"; DROP SCHEMA t_acme CASCADE; --'
    sequence = {"name": "t_acme.x", "last_value": 1, "is_called": True}

    def table(manifest: dict[str, Any]) -> None:
        manifest["tables"].append({"name": evil.removeprefix("tables/"), "columns": [], "rows": 0})

    def columns(manifest: dict[str, Any]) -> None:
        manifest["tables"][-1]["columns"][0] = "id) FROM PROGRAM 'true' --"

    for contents in (
        vouched({**good, evil: b""}, table),
        vouched(good, columns),
        vouched(good, lambda manifest: manifest["sequences"].append(sequence)),
        vouched({**good, "tables/invoicing_vendor": b"too\tfew\n"}),
    ):
        ended = _restore(console, rewrite(archive, plain(contents)))
        assert (ended.code, ended.out) == (1, "")
        assert _everything(system)[1:] == before


def _restore(console: Console, path: Path) -> Any:
    return console.run("restore", str(path), "--as", "copy", "--domain", "copy.localhost")


def _everything(system: Installation) -> list[Any]:
    """Changes recorded, schemas, roles, tenants, domains, people."""
    with system.owner() as owner:
        return [
            owner.execute(query).fetchall()
            for query in (
                "SELECT count(*) FROM audit_outbox",
                "SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' ORDER BY 1",
                "SELECT rolname FROM pg_roles ORDER BY 1",
                "SELECT slug, state FROM tenants_tenant ORDER BY 1",
                "SELECT domain FROM tenants_domain ORDER BY 1",
                "SELECT email FROM accounts_user ORDER BY 1",
                "SELECT count(*) FROM accounts_usertenantrole",
                "SELECT schema_name FROM fleet_schemaversion ORDER BY 1",
            )
        ]
