"""What a directory that is wrong, or changes its mind, would do to a tenant's people."""

from pathlib import Path

import pytest

from shared_apps.core.context import TenantIdentity
from shared_apps.directory_sync.errors import DangerousError, DriftError
from tests.directories.sync_bed import Bed, bed_of, everybody

REASON = "the branch in Graz has closed"


@pytest.fixture
def bed(acme: TenantIdentity, globex: TenantIdentity, tmp_path: Path) -> Bed:
    return bed_of(acme, globex, tmp_path)


def test_40_a_filter_that_loses_four_in_ten_is_not_applied(bed: Bed) -> None:
    people = [bed.add(f"person{number}") for number in range(15)]
    for account in people[:6]:
        bed.directory.file.remove(account)
    preview = bed.preview()
    assert (preview.deleted_count, preview.dangers) == (6, ["too_many_deactivations"])
    bed.approve(preview)
    before = everybody()

    with pytest.raises(DangerousError) as refused:
        bed.apply(preview)

    assert refused.value.details == {"dangers": ["too_many_deactivations"]}
    assert everybody() == before
    applied = bed.apply(preview, REASON)
    assert (applied.state, applied.override_reason) == ("APPLIED", REASON)
    assert [bed.person(account)[4] for account in people] == [False] * 6 + [True] * 9  # type: ignore[index]  # they are here


def test_40_an_empty_directory_shuts_nobody_out(bed: Bed) -> None:
    bed.add("only")
    bed.directory.file.write([])
    preview = bed.approve(bed.preview())
    before = everybody()

    with pytest.raises(DangerousError) as refused:
        bed.apply(preview)

    assert refused.value.details["dangers"][0] == "empty_source"
    assert everybody() == before


def test_40_what_was_approved_is_not_what_the_directory_says_by_now(bed: Bed) -> None:
    mallory = bed.add("mallory", signs_in=False)
    preview = bed.approve(bed.preview())
    bed.say(mallory, groups=("cn=admins",))
    before = everybody()

    with pytest.raises(DriftError) as refused:
        bed.apply(preview, REASON)

    assert refused.value.details == {"record": "mallory@example.org", "side": "directory"}
    assert everybody() == before
    assert bed.person(mallory) is None
