from datetime import UTC, datetime

from shared_apps.audit.relay.shards import shard_of
from shared_apps.audit.relay.turns import Failure, Turns

_AT = datetime(2026, 11, 21, tzinfo=UTC)


def test_a_backlog_takes_every_second_turn() -> None:
    turns = Turns(batch=10)
    turns.call("t_backlog", now=0)
    taken = []
    for number in range(6):
        turns.call(f"t_{number}", now=0)
        taken.append(turns.take())
        for schema, limit in taken[-1].items():
            turns.moved(schema, limit if schema == "t_backlog" else 1, of=limit)

    assert [list(schemas) for schemas in taken] == [
        ["t_backlog", "t_0"],
        ["t_backlog"],
        ["t_1", "t_2"],
        ["t_backlog"],
        ["t_3", "t_4"],
        ["t_backlog"],
    ]


def test_outboxes_with_news_share_a_batch() -> None:
    turns = Turns(batch=100)
    for number in range(70):
        turns.call(f"t_{number}", now=0)

    taken = [turns.take() for _ in range(4)]

    assert [(len(schemas), set(schemas.values())) for schemas in taken] == [
        (32, {3}),
        (32, {3}),
        (6, {16}),
        (0, set()),
    ]
    assert [schema for schemas in taken for schema in schemas] == [f"t_{n}" for n in range(70)]


def test_of_a_batch_smaller_than_its_outboxes_each_has_one_row() -> None:
    turns = Turns(batch=2)
    for number in range(5):
        turns.call(f"t_{number}", now=0)

    assert turns.take() == {f"t_{number}": 1 for number in range(5)}


def test_many_backlogs_take_turns_four_at_a_time() -> None:
    turns = Turns(batch=100)
    for number in range(6):
        turns.call(f"t_{number}", now=0)
    taken = []
    for _ in range(4):
        taken.append(turns.take())
        for schema, limit in taken[-1].items():
            turns.moved(schema, limit, of=limit)

    assert taken[0] == {f"t_{number}": 16 for number in range(6)}
    assert [list(schemas) for schemas in taken[1:]] == [
        ["t_0", "t_1", "t_2", "t_3"],
        ["t_4", "t_5", "t_0", "t_1"],
        ["t_2", "t_3", "t_4", "t_5"],
    ]
    assert set(taken[1].values()) == {25}


def test_one_that_failed_is_moved_alone() -> None:
    turns = Turns(batch=1000)
    turns.failed("t_broken", "broken", now=0, at=_AT)
    for schema in ("t_acme", "t_globex", "t_broken", "t_initech"):
        turns.call(schema, now=1)

    assert [turns.take() for _ in range(4)] == [
        {"t_acme": 500, "t_globex": 500},
        {"t_broken": 125},
        {"t_initech": 1000},
        {},
    ]


def test_nothing_is_queued_twice() -> None:
    turns = Turns(batch=10)
    turns.call("t_acme", now=0)
    turns.call("t_acme", now=0)

    assert [turns.take(), turns.take()] == [{"t_acme": 10}, {}]


def test_one_that_fails_rests_longer_each_time_and_is_tried_with_fewer_rows() -> None:
    turns = Turns(batch=1000)
    limits, now = [], 100.0
    for rest in (0.5, 1.0, 2.0, 4.0):
        turns.failed("t_acme", "broken", now=now, at=_AT)
        limits.append(turns.limit("t_acme"))
        turns.call("t_acme", now=now + rest - 0.01)
        assert turns.take() == {}
        now += rest
        turns.call("t_acme", now=now)
        assert turns.take() == {"t_acme": limits[-1]}

    assert limits == [125, 15, 1, 1]
    assert turns.failing == {"t_acme": Failure("broken", _AT, 4)}
    assert turns.resting(now=now - 0.01) == {"t_acme"}


def test_a_rest_ends_within_a_minute() -> None:
    turns = Turns(batch=1000)
    for _ in range(50):
        turns.failed("t_acme", "broken", now=0, at=_AT)

    assert turns.resting(now=59.9) == {"t_acme"}
    assert turns.resting(now=60.0) == set()


def test_one_that_moves_again_has_not_failed_and_gets_its_full_batch_back() -> None:
    turns = Turns(batch=1000)
    for _ in range(3):
        turns.failed("t_acme", "broken", now=0, at=_AT)
    limits = []
    for _ in range(11):
        limits.append(turns.limit("t_acme"))
        turns.moved("t_acme", 0, of=10)

    assert limits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000]
    assert turns.failing == {}


def test_who_works_on_others_now_forgets_what_failed() -> None:
    turns = Turns(batch=1000)
    turns.failed("t_acme", "broken", now=0, at=_AT)
    turns.failed("t_globex", "broken", now=0, at=_AT)

    turns.forget_others({"t_globex"})

    assert set(turns.failing) == {"t_globex"}
    assert turns.limit("t_acme") == 1000


def test_a_schema_has_its_shard_for_ever() -> None:
    """Two relays of different versions must not differ about it."""
    assert [shard_of(schema) for schema in ("public", "t_acme", "t_globex")] == [29, 12, 4]
