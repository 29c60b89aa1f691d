"""The logs of supervised programs."""

from pathlib import Path

import pytest

from scripts.stack import output
from scripts.stack.output import OutputLog


def test_on_a_full_disk_lines_are_lost_and_the_last_ones_known() -> None:
    log = OutputLog(Path("/dev/full"), name="web")

    lines = log.feed(b"".join(b"line %d\n" % number for number in range(20)))
    log.close()

    assert len(lines) == 20
    assert log.last_lines().splitlines() == [f"  line {number}" for number in range(8, 20)]


def test_one_older_file_is_kept(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output, "_LARGEST_LOG", 100)
    log = OutputLog(place / "web.log", name="web")

    for number in range(20):
        log.write(f"line {number}")
    log.close()

    kept = (place / "web.log.1").read_text() + (place / "web.log").read_text()
    numbers = [int(line.rpartition(" ")[2]) for line in kept.splitlines()]
    assert numbers == list(range(numbers[0], 20))
    assert sorted(path.name for path in place.iterdir()) == ["web.log", "web.log.1"]
