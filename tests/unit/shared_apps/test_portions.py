"""How a fleet is parted into dumps, none of which takes all the room for locks."""

from shared_apps.operations.backup.contents import Schema
from shared_apps.operations.backup.portions import portions

FLEET = [Schema("public", 60, 9), *(Schema(f"t_{n:03d}", 30, n) for n in range(200))]


def test_the_shared_schema_is_alone_and_first_and_each_schema_is_there_once() -> None:
    made = portions(FLEET, room=6400, jobs=2)

    assert made[0] == ("public",)
    assert sorted(name for part in made for name in part) == sorted(s.name for s in FLEET)


def test_all_at_once_take_a_quarter_of_the_room() -> None:
    for room, jobs in ((6400, 2), (6400, 8), (100_000, 1)):
        made = portions(FLEET, room=room, jobs=jobs)
        assert max(30 * len(part) for part in made[1:]) * jobs <= room / 4


def test_the_largest_come_first_and_one_that_is_too_large_is_alone() -> None:
    made = portions([Schema("t_big", 9000, 5), Schema("t_small", 3, 900)], room=6400, jobs=2)

    assert made == [("t_small",), ("t_big",)]
