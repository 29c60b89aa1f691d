"""`manage.py tenant run`: commands in a tenant's context, as the process that an operator starts."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from shared_apps.audit.selectors import EntryFilter, list_entries
from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from shared_apps.tenants.choices import TenantState
from shared_apps.tenants.models import Tenant
from tenant_apps.invoicing.models import Vendor
from tests.installation import Installation
from tests.integration.shared_apps.onboarding.console import Console, Ended

ROOT = Path(__file__).resolve().parents[4]
WHO = (
    "from django.db import connection\n"
    "with connection.cursor() as cursor:\n"
    "    cursor.execute('SELECT current_user, current_schema')\n"
    "    print(*cursor.fetchone())\n"
)


def command(*arguments: str) -> list[str]:
    return [sys.executable, "manage.py", "tenant", "run", *arguments]


def run(*arguments: str, text: str | None = None) -> Ended:
    ended = subprocess.run(
        command(*arguments), cwd=ROOT, env=os.environ, capture_output=True, text=True, input=text
    )
    return Ended(ended.returncode, ended.stdout, ended.stderr)


def python(code: str) -> tuple[str, ...]:
    return ("--", "shell", "-v", "0", "-c", code)


def change(tenant: TenantIdentity, **values: object) -> None:
    with context.operator():
        Tenant.objects.filter(id=tenant.id).update(**values)


def vendors(tenant: TenantIdentity) -> list[str]:
    with context.tenant(tenant):
        return [vendor.name for vendor in Vendor.objects.order_by("name")]


def test_each_tenant_has_its_own_role_schema_and_lines(
    acme: TenantIdentity, globex: TenantIdentity
) -> None:
    ended = run("--all", *python(WHO))

    assert ended.code == 0, ended.err
    assert ended.out.splitlines() == [
        f"acme | {acme.role} t_acme",
        f"globex | {globex.role} t_globex",
    ]
    assert "[1/2] acme: done" in ended.err
    assert "2 done, 0 failed" in ended.err


@pytest.mark.parametrize("alias", ["default", "migration"])
@pytest.mark.parametrize("table", ["t_globex.invoicing_vendor", "public.authn_session"])
def test_another_schema_is_out_of_reach_also_over_the_owners_login(
    acme: TenantIdentity, globex: TenantIdentity, alias: str, table: str
) -> None:
    code = (
        "from django.db import connections\n"
        f"connections['{alias}'].cursor().execute('SELECT * FROM {table}')"
    )

    ended = run("acme", *python(code))

    assert ended.code == 1
    assert "permission denied" in ended.err


def test_nothing_of_one_tenant_is_left_for_the_next(
    acme: TenantIdentity, globex: TenantIdentity
) -> None:
    """Module state, settings, translations, a transaction, a changed role and a closed connection."""
    code = (
        "import shared_apps.core.money as module\n"
        "from django.conf import settings\n"
        "from django.db import connection, transaction\n"
        "from django.utils import translation\n"
        "print(getattr(module, 'left', None), settings.TIME_ZONE, translation.get_language())\n"
        "module.left = settings.TIME_ZONE = 'Mars'\n"
        "translation.activate('de')\n"
        "transaction.set_autocommit(False)\n"
        "connection.cursor().execute('RESET ROLE')\n"
        "connection.close()\n"
        "transaction.atomic().__enter__()\n"
    )

    ended = run("--all", *python(code))

    assert ended.code == 0, ended.err
    lines = dict(line.split(" | ") for line in ended.out.splitlines())
    assert lines["acme"] == lines["globex"]
    assert "Mars" not in ended.out


def test_one_that_fails_or_ends_its_process_stops_no_other(
    acme: TenantIdentity, globex: TenantIdentity
) -> None:
    fail = "from shared_apps.core import context; import os\n{}\nprint('ran')".format(
        "if context.require_tenant().slug == 'acme': os.abort()"
    )
    failing = run("--all", "--json", *python(fail))
    stopped = run("--all", "--stop-on-failure", *python("1/0"))

    assert failing.code == 1
    acmes, globexes = failing.json["tenants"]
    assert (acmes["slug"], acmes["exit_code"], acmes["error"]) == (
        "acme", -signal.SIGABRT, "ended by SIGABRT",
    )  # fmt: skip
    assert (globexes["exit_code"], globexes["stdout"]) == (0, "ran\n")
    assert "CommandError: failed: acme" in failing.err
    assert stopped.code == 1
    assert "[1/2] acme: failed: ZeroDivisionError: division by zero" in stopped.err
    assert "0 done, 1 failed, 1 not begun: globex" in stopped.err


def test_one_tenant_talks_to_the_terminal_itself(acme: TenantIdentity) -> None:
    printed = run("acme", *python(WHO))
    asked = run("acme", "--", "shell", "-v", "0", text="print(6 * 7)")
    ended = run("acme", *python("raise SystemExit(7)"))

    assert (printed.code, printed.out) == (0, f"{acme.role} t_acme\n")
    assert (asked.code, asked.out.strip()) == (0, "42")
    assert ended.code == 7


def test_writes_are_put_down_to_the_command(
    acme: TenantIdentity, globex: TenantIdentity, system: Installation
) -> None:
    code = (
        "from tenant_apps.invoicing.models import Vendor; import uuid\n"
        "Vendor(name='Made', created_by=uuid.uuid4()).save()"
    )

    ended = run("--all", "--json", *python(code))
    system.relay()

    assert ended.code == 0, ended.err
    for tenant in (acme, globex):
        assert vendors(tenant) == ["Made"]
        [entry] = list_entries(tenant_id=tenant.id, where=EntryFilter(), limit=1)
        assert json.loads(entry.attribution)["system"] == "command:shell"
        assert entry.request_id == ended.json["request_id"]


def test_djangos_own_dump_and_load_work_in_the_tenants_schema(
    acme: TenantIdentity, globex: TenantIdentity, tmp_path: Path
) -> None:
    save = "from tenant_apps.invoicing.models import Vendor; import uuid\n"
    run("acme", *python(save + "Vendor(name='Moved', created_by=uuid.uuid4()).save()"))
    file = tmp_path / "vendors.json"

    dumped = run("acme", "--", "dumpdata", "invoicing.vendor")
    file.write_text(dumped.out)
    loaded = run("globex", "--", "loaddata", str(file))

    assert [row["fields"]["name"] for row in json.loads(dumped.out)] == ["Moved"]
    assert loaded.code == 0, loaded.err
    assert vendors(globex) == ["Moved"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("acme", "--", "migrate"), "migrate is for the whole installation"),
        (("acme", "--", "fleet", "status"), "for the whole installation"),
        (("acme", "--", "tenant", "list"), "for the whole installation"),
        (("acme", "--", "install"), "for the whole installation"),
        (("acme", "--", "doctor"), "for the whole installation"),
        (("acme", "--", "runserver"), "for the whole installation"),
        (("acme", "--", "dbshell"), "for the whole installation"),
        (("acme", "--", "flush"), "for the whole installation"),
        (("acme", "--", "tenant_command", "shell"), "for the whole installation"),
        (("acme", "--", "dumpdatta"), "Did you mean dumpdata?"),
        (("acme", "--", "dumpdata", "--nope"), "unrecognized arguments: --nope"),
        (("acme",), "Name the command behind --"),
        (("nobody", "--", "shell"), "There is no such tenant. (slug: nobody)"),
        (("--all", "acme", "--", "shell"), "name one tenant, or all of them"),
        (("--", "shell"), "name one tenant, or all of them"),
        (("--all", "--jobs", "0", "--", "shell"), "--jobs is from 1 to 32"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_cannot_be_run_is_refused_in_one_line(
    console: Console, arguments: tuple[str, ...], said: str
) -> None:
    ended = console.run("run", *arguments)

    assert (ended.code, ended.out) == (1, "")
    assert "\n" not in ended.err
    assert said in ended.err


@pytest.mark.parametrize("state", [s for s in TenantState if s != TenantState.ACTIVE])
def test_a_tenant_that_is_not_active_is_left_alone(
    acme: TenantIdentity, globex: TenantIdentity, made: None, state: TenantState
) -> None:
    change(globex, state=state)

    alone = run("globex", *python(WHO))
    among = run("--all", *python(WHO))

    assert alone.code == 1
    assert f"globex is {state.lower()}; commands run for active tenants." in alone.err
    assert among.out == f"acme | {acme.role} t_acme\n"


def test_a_suspended_tenant_where_that_is_meant(
    acme: TenantIdentity, globex: TenantIdentity, made: None
) -> None:
    change(globex, state=TenantState.SUSPENDED)

    assert run("globex", "--state", "suspended", *python(WHO)).out == f"{globex.role} t_globex\n"
    only = run("--all", "--state", "suspended", *python(WHO))
    both = run("--all", "--state", "suspended", "--state", "active", *python(WHO))

    assert [line.split(" ")[0] for line in only.out.splitlines()] == ["globex"]
    assert [line.split(" ")[0] for line in both.out.splitlines()] == ["acme", "globex"]


def test_a_tenant_whose_schema_is_behind_fails_and_the_others_go_on(
    acme: TenantIdentity, globex: TenantIdentity, system: Installation
) -> None:
    ledger = "UPDATE fleet_schemaversion SET fingerprint = %s WHERE schema_name = 't_globex'"
    with system.owner() as owner:
        [before] = owner.execute(
            "SELECT fingerprint FROM fleet_schemaversion WHERE schema_name = 't_globex'"
        ).fetchone() or [""]
        owner.execute(ledger, ["another"])
    try:
        alone, among = run("globex", *python(WHO)), run("--all", *python(WHO))
    finally:
        with system.owner() as owner:
            owner.execute(ledger, [before])

    assert (alone.code, alone.out) == (1, "")
    assert (among.code, among.out) == (1, f"acme | {acme.role} t_acme\n")
    assert "globex: failed: This tenant is being upgraded" in among.err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_lets_the_tenant_in_hand_finish(
    acme: TenantIdentity, globex: TenantIdentity, number: signal.Signals
) -> None:
    code = "import sys, time; print('begun', flush=True); time.sleep(2); print('finished')"
    with subprocess.Popen(
        command("--all", *python(code)), cwd=ROOT, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "acme | begun\n"
        # To all in the foreground, as a terminal does.
        os.killpg(process.pid, number)
        assert process.stdout.read() == "acme | finished\n"
        said = process.stderr.read()

    assert process.returncode == 130
    assert "1 done, 0 failed, 1 not begun: globex" in said


def test_a_second_signal_ends_it_and_what_it_wrote_is_rolled_back(
    acme: TenantIdentity, globex: TenantIdentity
) -> None:
    code = (
        "import time, uuid\nfrom django.db import transaction\n"
        "from tenant_apps.invoicing.models import Vendor\n"
        "with transaction.atomic():\n"
        "    Vendor(name='Half', created_by=uuid.uuid4()).save()\n"
        "    print('begun', flush=True)\n"
        "    time.sleep(60)\n"
    )
    with subprocess.Popen(
        command("--all", *python(code)), cwd=ROOT, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "acme | begun\n"
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGTERM)
        said = process.stderr.read()

    assert process.returncode == 1
    assert "acme: failed: ended by SIGTERM" in said
    assert vendors(acme) == []
