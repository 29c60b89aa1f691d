"""The leak laboratory finds nothing here, and finds what is wrong elsewhere."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from shared_apps.core.context import TenantIdentity
from shared_apps.onboarding.laboratory import laboratory, planting
from shared_apps.onboarding.laboratory.probes import interleaving
from shared_apps.onboarding.laboratory.subjects import Administrator, Pair, Subject
from tests.installation import Installation
from tests.isolation.modes import Mode
from tests.isolation.subjects import make_subject


@pytest.fixture
def pair(system: Installation, acme: TenantIdentity, globex: TenantIdentity) -> Pair:
    return Pair(make_subject(acme, system.password), make_subject(globex, system.password))


@pytest.mark.parametrize("probe", laboratory.PROBES)
def test_the_product_is_tight(pair: Pair, probe: str) -> None:
    (record,) = laboratory.run(pair, [probe])

    # Tasks of the suite's own (tests/probes.py), one of which goes round the task class on purpose.
    assert [leak for leak in record.leaks if not leak.subject.startswith("task probe.")] == []
    assert record.checks > 5


@pytest.mark.parametrize("probe", ["wall", "models", "interleaving"])
def test_it_is_tight_over_each_way_to_postgresql(
    mode: Mode, pair: Pair, probe: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interleaving, "ROUNDS", 10)

    (record,) = laboratory.run(pair, [probe])

    assert record.leaks == []


def test_a_view_that_forgets_its_tenant_is_found(pair: Pair, settings: Any) -> None:
    settings.ROOT_URLCONF = "tests.isolation.leaky_urls"

    (record,) = laboratory.run(pair, ["http"])

    assert {leak.subject.split(" at ")[0] for leak in record.leaks if "showed" in leak.problem} >= {
        "GET /everything/"
    }


def test_a_plain_viewset_is_isolated_without_a_line_for_it(pair: Pair, settings: Any) -> None:
    settings.ROOT_URLCONF = "tests.isolation.plain_viewset_urls"

    (record,) = laboratory.run(pair, ["http"])

    assert record.leaks == []


def test_a_probe_that_sees_nothing_is_not_believed(pair: Pair, settings: Any) -> None:
    settings.ROOT_URLCONF = "tests.isolation.blind_urls"

    (record,) = laboratory.run(pair, ["http"])

    assert [leak.problem for leak in record.leaks] == [
        "saw nothing of its own, so it has proven nothing"
    ]


def test_a_model_without_marker_rows_is_refused(
    acme: TenantIdentity, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tenant_apps.invoicing.markers.plant", lambda **_: None)
    subject = Subject(acme, "acme.localhost", "marker", Administrator(uuid4(), "", ""))

    with pytest.raises(planting.NothingPlantedError):
        planting.plant(subject, at=datetime.now(UTC))


@pytest.mark.parametrize(
    ("probe", "leaks"),
    [
        ("wall", {"a statement without a context", "SELECT t_globex.invoicing_vendor as acme"}),
        ("caches", {"default.clear() as acme", "default.set without a context"}),
        ("files", {"listdir as acme", "listdir without a context"}),
        ("sockets", {"/ws/updates/ at acme", "/ws/updates/ at globex"}),
        ("models", {"invoicing.Vendor.all without a context"}),
    ],
)
def test_stock_parts_are_found_to_leak(system: Installation, probe: str, leaks: set[str]) -> None:
    examined = subprocess.run(
        [sys.executable, "-m", "tests.isolation.stock", system.password, probe],
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "tests.isolation.stock.settings"},
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    (found,) = json.loads(examined.stdout)["probes"]

    assert [leak for leak in found["leaks"] if "broke" in leak["problem"]] == []
    assert leaks <= {leak["subject"] for leak in found["leaks"]}
