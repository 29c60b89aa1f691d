"""`tenant apply`, killed with SIGKILL at every step, in the middle of the schema, and among fifty tenants."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.db import connections

from shared_apps.core import context
from shared_apps.fleet.services import find_breaches
from shared_apps.fleet.spares import pool
from shared_apps.onboarding.choices import PROVISIONING
from shared_apps.onboarding.models import Run
from shared_apps.tenants.choices import TenantState
from shared_apps.tenants.models import Tenant
from tests.client import Api
from tests.installation import Installation
from tests.made_tenants import removed_afterwards
from tests.spares import emptied_afterwards, fill, there_are

ROOT = Path(__file__).resolve().parents[2]
PROVISIONER = ROOT / "tests/chaos/provisioner.py"


def declare(file: Path, slugs: list[str]) -> None:
    entries = "".join(
        f"  - {{slug: {slug}, name: {slug}, domains: [{slug}.localhost], admins: [a@{slug}.example]}}\n"
        for slug in slugs
    )
    file.write_text(f"apiVersion: freehold/v1\ntenants:\n{entries}")


def apply_command(file: Path, *, jobs: int) -> list[str]:
    command = [sys.executable, "manage.py", "tenant", "apply", "-f", str(file), "--yes"]
    return [*command, "--jobs", str(jobs)]


class Provisioner:
    """tests/chaos/provisioner.py, kept running."""

    def __init__(self, process: "subprocess.Popen[str]", file: Path) -> None:
        self.process, self.file = process, file

    def apply(self, slug: str = "-", point: str = "none") -> int:
        """The exit code of an apply that dies at `point` of that tenant."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{self.file} {slug} {point}\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())


@pytest.fixture
def made(system: Installation) -> Iterator[None]:
    with removed_afterwards(system):
        yield


@pytest.fixture
def provisioner(made: None, tmp_path: Path) -> Iterator[Provisioner]:
    with subprocess.Popen(
        [sys.executable, PROVISIONER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield Provisioner(process, tmp_path / "tenants.yaml")
        assert process.stdin is not None
        process.stdin.close()
        process.wait(timeout=10)


def state_of(slug: str) -> str:
    with context.operator():
        tenant = Tenant.objects.filter(slug=slug).first()
    return tenant.state if tenant else ""


def schema_exists(schema: str) -> bool:
    with context.operator(), connections["migration"].cursor() as cursor:
        cursor.execute("SELECT to_regnamespace(%s) IS NOT NULL", [schema])
        return bool(cursor.fetchone()[0])


def answer_of(slug: str) -> int:
    return int(
        Api(None)
        .http.get("/api/v1/version-info/", headers={"host": f"{slug}.localhost"})
        .status_code
    )


def catalogue(schema: str) -> list[Any]:
    """Tables with columns, constraints, triggers and rights: what a half-made schema would lack."""
    owner = psycopg.conninfo.make_conninfo(
        settings.ADMIN_DATABASE_URL, dbname=settings.DATABASES["default"]["NAME"]
    )
    role = f"{settings.DATABASES['default']['NAME']}_{schema}"
    with psycopg.connect(owner) as connection:
        rows = connection.execute(
            """
            SELECT 'table', c.relname, replace(a.grantee::regrole::text, %(role)s, 'ROLE'), a.privilege_type
            FROM pg_class c
            CROSS JOIN aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) a
            WHERE c.relnamespace = %(schema)s::regnamespace AND c.relkind = 'r'
            UNION ALL
            SELECT 'column', c.relname, a.attname, format_type(a.atttypid, a.atttypmod)
            FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
            WHERE c.relnamespace = %(schema)s::regnamespace
            UNION ALL
            SELECT 'constraint', conrelid::regclass::text, conname, ''
            FROM pg_constraint WHERE connamespace = %(schema)s::regnamespace
            UNION ALL
            SELECT 'trigger', c.relname, t.tgname, t.tgenabled::text
            FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
            WHERE c.relnamespace = %(schema)s::regnamespace AND NOT t.tgisinternal
            ORDER BY 1, 2, 3, 4
            """,
            {"schema": schema, "role": role},
        ).fetchall()
        applied = connection.execute(
            psycopg.sql.SQL("SELECT app, name FROM {} ORDER BY 1, 2").format(
                psycopg.sql.Identifier(schema, "django_migrations")
            )
        ).fetchall()
    return [[str(item).replace(schema, "SCHEMA") for item in row] for row in [*rows, *applied]]


SERVED_AFTER = {"activate:end", "announce", "announce:end"}
BETWEEN = [*(step.value for step in PROVISIONING), "schema:end", "activate:end"]


def test_killed_at_any_point_it_is_completed_and_never_half_served(
    provisioner: Provisioner,
) -> None:
    """One tenant after the other dies at another point; the apply after it completes it first."""
    declare(provisioner.file, ["whole"])
    statements = provisioner.apply("whole", "count")
    assert statements > 3
    points = [*BETWEEN, f"statement:{statements // 2}", f"statement:{statements - 1}"]
    slugs = [f"k{number}" for number in range(len(points))]
    for number, (slug, point) in enumerate(zip(slugs, points, strict=True)):
        declare(provisioner.file, slugs[: number + 1])

        assert provisioner.apply(slug, point) == -signal.SIGKILL, point

        is_served = point in SERVED_AFTER
        assert (state_of(slug) == TenantState.ACTIVE) is is_served, point
        assert (answer_of(slug) == 200) is is_served, point
        assert {state_of(earlier) for earlier in slugs[:number]} <= {TenantState.ACTIVE}
    assert [provisioner.apply(), provisioner.apply()] == [0, 0]

    assert {state_of(slug) for slug in slugs} == {TenantState.ACTIVE}
    assert {answer_of(slug) for slug in slugs} == {200}
    whole = catalogue("t_acme")
    assert len(whole) > 100
    for slug in slugs:
        assert catalogue(f"t_{slug}") == whole, slug
    with context.operator():
        # What died is closed; the last apply had nothing to do and left no run.
        states = list(Run.objects.order_by("created_at").values_list("state", flat=True))
    assert states == ["SUCCEEDED", *["INTERRUPTED"] * len(points), "SUCCEEDED"]


def test_killed_in_the_claim_it_leaves_a_spare_or_a_whole_schema(
    provisioner: Provisioner,
) -> None:
    """At each statement of the step that takes a schema from the pool, and before each commit."""
    with emptied_afterwards():
        fill(1)
        declare(provisioner.file, ["counted"])
        statements = provisioner.apply("counted", "count")
        assert there_are() == []
        points = [*(f"statement:{number}" for number in range(1, statements + 1)), "commit:1"]
        slugs = [f"c{number}" for number in range(len(points))]
        left = set()
        for slug, point in zip(slugs, points, strict=True):
            declare(provisioner.file, [slug])
            (spare,) = fill(1).ready

            assert provisioner.apply(slug, point) == -signal.SIGKILL, point

            is_claimed = schema_exists(f"t_{slug}")
            left.add(is_claimed)
            assert there_are() == ([] if is_claimed else [spare.schema]), point
            assert [found.problem for found in pool.look().spares] == [""] * (not is_claimed)
            assert state_of(slug) == TenantState.PROVISIONING
            assert answer_of(slug) != 200
            assert find_breaches() == []
            if is_claimed:
                assert catalogue(f"t_{slug}") == catalogue("t_acme"), point
        assert left == {True, False}  # killed before and after
        declare(provisioner.file, slugs)
        assert [provisioner.apply(), provisioner.apply()] == [0, 0]

        whole = catalogue("t_acme")
        for slug in slugs:
            assert catalogue(f"t_{slug}") == whole, slug
        assert {answer_of(slug) for slug in slugs} == {200}
        assert find_breaches() == []


# The show has fifty: FREEHOLD_TEST_TENANTS=50.
TENANTS = int(os.environ.get("FREEHOLD_TEST_TENANTS", "8"))


def test_many_killed_in_the_middle_are_all_active_after_the_next_apply(
    made: None, tmp_path: Path
) -> None:
    file = tmp_path / "tenants.yaml"
    slugs = [f"m{number:02}" for number in range(TENANTS)]
    declare(file, slugs)
    command = apply_command(file, jobs=3)

    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        seen: list[str] = []
        for line in process.stdout:
            seen += [line] if line.startswith("[") else []
            if len(seen) == TENANTS // 3:
                process.kill()
                break
    states = {slug: state_of(slug) for slug in slugs}
    answers = {slug: answer_of(slug) for slug in slugs}
    completed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    third = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert process.returncode == -signal.SIGKILL
    active = [slug for slug, state in states.items() if state == TenantState.ACTIVE]
    assert TENANTS // 3 <= len(active) < TENANTS
    assert {slug for slug, answer in answers.items() if answer == 200} == set(active)
    assert completed.returncode == 0, completed.stderr
    assert f"{TENANTS - len(active)} applied, 0 failed, {len(active)} unchanged" in completed.stdout
    assert {state_of(slug) for slug in slugs} == {TenantState.ACTIVE}
    assert third.returncode == 0
    assert third.stdout.startswith("no changes")
    whole = catalogue("t_acme")
    assert all(catalogue(f"t_{slug}") == whole for slug in slugs)


def test_told_to_stop_it_finishes_what_it_has_in_hand(made: None, tmp_path: Path) -> None:
    file = tmp_path / "tenants.yaml"
    slugs = [f"s{number}" for number in range(8)]
    declare(file, slugs)
    command = apply_command(file, jobs=2)

    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert any(line.startswith("[1/8]") for line in process.stdout)
        process.terminate()
        _, said = process.communicate(timeout=30)

    assert process.returncode == 130
    assert "stopped; apply again to do the rest" in said
    states = [state_of(slug) for slug in slugs]
    assert set(states) == {TenantState.ACTIVE, ""}
    assert 1 <= states.count(TenantState.ACTIVE) <= 5
