"""A way to the root proves one end among any number of them, and no other."""

import hashlib
from uuid import UUID

import pytest

from shared_apps.audit.anchors import documents, inclusion
from shared_apps.audit.anchors.documents import End


def _ends(count: int) -> list[End]:
    return [End(UUID(int=n), n + 1, hashlib.sha256(b"%d" % n).digest()) for n in range(count)]


@pytest.mark.parametrize("count", [*range(1, 18), 31, 32, 33, 100])
def test_each_of_them_leads_to_the_root(count: int) -> None:
    ends = _ends(count)
    root = documents.root(ends)
    for index, end in enumerate(ends):
        path = inclusion.path_of(ends, index)
        assert inclusion.root_by(end, index=index, count=count, path=path) == root
        assert len(path) <= (count - 1).bit_length()
        other = End(end.tenant_id, end.sequence + 1, end.hash)
        assert inclusion.root_by(other, index=index, count=count, path=path) != root


def test_a_way_is_that_of_its_place_and_length() -> None:
    ends = _ends(5)
    path = inclusion.path_of(ends, 2)
    assert inclusion.root_by(ends[2], index=3, count=5, path=path) != documents.root(ends)
    for index, count, wrong in ((2, 5, path[:-1]), (2, 5, [*path, path[0]]), (5, 5, path), (-1, 5, path), (0, 0, [])):  # fmt: skip
        with pytest.raises(ValueError, match=r"way to the root|place"):
            inclusion.root_by(ends[2], index=index, count=count, path=wrong)


def test_the_example_of_the_standard() -> None:
    """RFC 9162, 2.1.5: of seven leaves the way of d3 (index 3) is c, g, l."""
    leaves = [documents.leaf(end) for end in _ends(7)]
    c, a, b = leaves[2], leaves[0], leaves[1]
    g, h = documents.node(a, b), documents.node(leaves[2], leaves[3])
    i, j = documents.node(leaves[4], leaves[5]), leaves[6]
    ll = documents.node(i, j)
    assert inclusion.path_of(_ends(7), 3) == [c, g, ll]
    assert documents.root(_ends(7)) == documents.node(documents.node(g, h), ll).hex()
