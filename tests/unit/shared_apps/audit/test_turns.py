from datetime import UTC, datetime

from shared_apps.audit.relay.shards import shard_of
from shared_apps.audit.relay.turns import Failure, Turns

_AT = datetime(2026, 11, 21, tzinfo=UTC)


def _full(turns: Turns, schema: str) -> None:
    """It has more than one batch."""
    turns.moved(schema, turns.limit(schema))


def test_a_backlog_takes_every_second_turn() -> None:
    turns = Turns(batch=10)
    turns.call("t_backlog", now=0)
    order = []
    for number in range(6):
        turns.call(f"t_{number}", now=0)
        turns.call(f"t_{number}_more", now=0)
        schema = turns.take()
        assert schema is not None
        order.append(schema)
        if schema == "t_backlog":
            _full(turns, schema)
        else:
            turns.moved(schema, 1)

    assert order == ["t_backlog", "t_backlog", "t_0", "t_backlog", "t_0_more", "t_backlog"]


def test_many_backlogs_take_turns() -> None:
    turns = Turns(batch=10)
    for schema in ("t_acme", "t_globex", "t_initech"):
        turns.call(schema, now=0)
    order = []
    for _ in range(9):
        schema = turns.take()
        assert schema is not None
        order.append(schema)
        _full(turns, schema)

    assert order[-6:] == [*order[-3:], *order[-3:]]
    assert set(order[-3:]) == {"t_acme", "t_globex", "t_initech"}


def test_nothing_is_queued_twice() -> None:
    turns = Turns(batch=10)
    turns.call("t_acme", now=0)
    turns.call("t_acme", now=0)

    assert [turns.take(), turns.take()] == ["t_acme", None]


def test_one_that_fails_rests_longer_each_time_and_is_tried_with_fewer_rows() -> None:
    turns = Turns(batch=1000)
    limits, now = [], 100.0
    for rest in (0.5, 1.0, 2.0, 4.0):
        turns.failed("t_acme", "broken", now=now, at=_AT)
        limits.append(turns.limit("t_acme"))
        turns.call("t_acme", now=now + rest - 0.01)
        assert turns.take() is None
        now += rest
        turns.call("t_acme", now=now)
        assert turns.take() == "t_acme"

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
        turns.moved("t_acme", 0)

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
