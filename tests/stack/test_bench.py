"""The benchmarks' frame, on a trivial pair and on the real thing with very little work."""

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from scripts.stack.errors import StackError
from scripts.stack.paths import ROOT
from tests.benchmarks import machine, report
from tests.benchmarks.benchmark import Benchmark, Case, Contender, Goal, Part, Scale, Unit
from tests.benchmarks.interleaving import measure
from tests.benchmarks.results import BenchmarkResult, Spread
from tests.benchmarks.running import run
from tests.benchmarks.workers import worker
from tests.stack.processes import processes_of, wait_until

SECONDS = Unit("s", higher_is_better=False)


def contender(name: str, part: Part, *values: float, trips: int = 1) -> Contender:
    """Gives these values over and over."""
    given = itertools.cycle(values)
    return Contender(name, part, f"gives {values}", lambda: next(given), lambda: {"trips": trips})


def benchmark(*contenders: Contender, goals: tuple[Goal, ...] = ()) -> Benchmark:
    @contextmanager
    def cases(scale: Scale) -> Iterator[Sequence[Case]]:
        yield [Case("only", contenders)]

    return Benchmark(
        summary="a trivial pair", unit=SECONDS, rounds=3, warm_up_rounds=1, goals=goals,
        distributions=("django",), cases=cases,
    )  # fmt: skip


def result_of(tried: Benchmark, *, rounds: int = 3) -> BenchmarkResult:
    return run("pair", tried, rounds=rounds, scale=Scale.FULL, progress=lambda _: None)


def test_measure_rotates_the_order_and_drops_the_warm_up() -> None:
    turns: list[str] = []

    def turn(name: str) -> float:
        turns.append(name)
        return float(len(turns))

    contenders = tuple(
        Contender(name, Part.OURS, "", lambda name=name: turn(name)) for name in ("a", "b", "c")
    )

    (measured,) = measure(
        [Case("only", contenders)], rounds=2, warm_up_rounds=1, progress=lambda _: None
    )

    assert turns == [*"abc", *"bca", *"cab"]
    assert measured.samples == {"a": (6.0, 8.0), "b": (4.0, 9.0), "c": (5.0, 7.0)}


def test_ratios_are_taken_within_a_round_and_to_the_best_peer() -> None:
    (case,) = result_of(
        benchmark(
            contender("floor", Part.FLOOR, 9.0, 1.0, 10.0, 100.0),
            contender("slow peer", Part.PEER, 9.0, 8.0, 80.0, 800.0),
            contender("peer", Part.PEER, 9.0, 4.0, 40.0, 400.0),
            contender("ours", Part.OURS, 9.0, 2.0, 20.0, 200.0),
        )
    ).cases

    ours = case.contenders[3]
    assert (case.floor, case.peer) == ("floor", "peer")
    assert ours.samples == (2.0, 20.0, 200.0)
    assert ours.value == Spread(median=20.0, lower_quartile=11.0, upper_quartile=110.0)
    assert ours.to_floor == Spread(2.0, 2.0, 2.0)
    assert ours.to_peer == Spread(0.5, 0.5, 0.5)


def test_goals_bound_ratios_values_and_counts() -> None:
    (case,) = result_of(
        benchmark(
            contender("floor", Part.FLOOR, 1.0, trips=2),
            contender("ours", Part.OURS, 1.5, trips=3),
            goals=(
                Goal("ours", against="floor", at_most=1.5),
                Goal("ours", against="floor", at_most=1.4),
                Goal("ours", at_least=1.6),
                Goal("ours", against="floor", counted="trips", at_most=1.0),
                Goal("absent", at_least=1.0),
            ),
        )
    ).cases

    assert [(goal.goal, goal.measured, goal.is_met) for goal in case.goals] == [
        ("ours / floor <= 1.5", 1.5, True),
        ("ours / floor <= 1.4", 1.5, False),
        ("ours >= 1.6", 1.5, False),
        ("trips of ours / floor <= 1", 1.5, False),
    ]


def test_the_table_shows_goals_beside_ratios() -> None:
    pair = benchmark(
        contender("floor", Part.FLOOR, 1.0),
        contender("ours", Part.OURS, 2.0),
        goals=(Goal("ours", against="floor", at_most=1.5),),
    )

    text = report.as_text(machine.describe(), [result_of(pair)])

    assert "pair: a trivial pair" in text
    assert "goal ours / floor <= 1.5: 2.000, MISSED" in text
    assert "2.0000 [2.0000-2.0000]   2.000 [2.000-2.000]       1" in text


class Echo:
    """What the worker of the next tests is made of."""

    def repeat(self, *, text: str) -> str:
        print("printed text does not get between the answers")
        return text

    def fail(self) -> None:
        raise ValueError("of no use")


def test_a_worker_answers_reports_failures_and_ends_with_its_block(tmp_path: Path) -> None:
    with worker(
        "tests.stack.test_bench:Echo", name="echo", environment={}, directory=tmp_path
    ) as echo:
        assert echo.call("repeat", text="once") == "once"
        with pytest.raises(StackError, match="ValueError: of no use"):
            echo.call("fail")
        assert echo.call("repeat", text="twice") == "twice"

    assert wait_until(lambda: not _workers("tests.stack.test_bench:Echo"))


def test_a_worker_that_cannot_start_says_why(tmp_path: Path) -> None:
    with (
        worker("tests.stack.test_bench:Nothing", name="echo", environment={}, directory=tmp_path)
        as echo,
        pytest.raises(StackError, match="has no attribute 'Nothing'"),
    ):  # fmt: skip
        echo.call("repeat", text="once")


def test_an_unknown_name_is_one_line_and_exit_2() -> None:
    finished = _bench("nonsense")

    assert finished.returncode == 2
    assert finished.stdout == ""
    assert finished.stderr.startswith("bench: No benchmark is called nonsense; there are ")
    assert finished.stderr.count("\n") == 1


def test_list_names_the_benchmarks() -> None:
    finished = _bench("--list")

    assert finished.returncode == 0
    named = {line.split()[0] for line in finished.stdout.splitlines() if line.strip()}
    assert named >= {"request", "pooler", "provisioning", "fleet", "fleet-noop"}


def test_request_prints_json_and_leaves_nothing(place: Path) -> None:
    finished = _bench("request", "--quick", "--rounds", "1", "--json", TMPDIR=str(place))

    assert finished.returncode == 0, finished.stderr
    assert list(place.iterdir()) == []
    assert processes_of(place) == []
    document = json.loads(finished.stdout)
    (result,) = document["benchmarks"]
    assert document["machine"]["postgresql"].startswith("18.")
    assert len(result["cases"]) == 4
    for case in result["cases"]:
        plain, *_, ours, _ = case["contenders"]
        assert (plain["name"], ours["name"]) == ("plain Django", "ours")
        assert len(ours["samples"]) == 1
        assert ours["to_floor"]["median"] == ours["samples"][0] / plain["samples"][0]
        # Facts, not timings: the context travels with the statements and costs no round trip.
        assert ours["counts"]["round trips"] == plain["counts"]["round trips"]


def test_audit_compares_contenders_that_record_all_rows_they_write(place: Path) -> None:
    finished = _bench("audit", "relay", "trail", "--quick", "--json", TMPDIR=str(place))

    assert finished.returncode == 0, finished.stderr
    assert list(place.iterdir()) == []
    assert processes_of(place) == []
    audit, relay, trail = json.loads(finished.stdout)["benchmarks"]
    assert [len(result["cases"]) for result in (audit, relay, trail)] == [10, 3, 6]
    for case in audit["cases"]:
        recorded = {c["name"]: c["counts"]["entries/row"] for c in case["contenders"]}
        # Nothing is compared with somebody who leaves it out.
        assert recorded == {name: 0 if "no audit" in name else 1 for name in recorded}
        assert {"no audit", "ours, no audit", "django-pghistory", "ours"} <= recorded.keys()


def _bench(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.benchmarks", *arguments],
        cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, check=False,
    )  # fmt: skip


def _workers(target: str) -> list[str]:
    commands = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            commands.append((process / "cmdline").read_bytes().decode())
        except OSError:
            continue
    return [command for command in commands if target in command]
