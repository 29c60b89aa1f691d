"""The alerts that are shipped fire when they should and not before; dashboard and runbook know what exists."""

import json
import os
import re
import shutil
import subprocess
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import REGISTRY

from shared_apps.core.metrics import stored

pytestmark = pytest.mark.quick_deploy

ROOT = Path(__file__).parents[2]
MONITORING = ROOT / "helm/freehold/files/monitoring"
RULES: list[dict[str, Any]] = yaml.safe_load((MONITORING / "alerts.yaml").read_text())["groups"][0]["rules"]  # fmt: skip
NAMES = [rule["alert"] for rule in RULES]
_OF_NO_ADDRESS = (
    "shared_apps.core.middleware",
    "shared_apps.tenants.cache",
    "shared_apps.audit.metrics",
)
_SUFFIXES = ("_bucket", "_count", "_sum")
_HTTP = "freehold_http_request_duration_seconds"
_TASK = "freehold_task_duration_seconds_count"
# By alert: what is measured each minute when it must fire, when it must not, and the labels that it carries.
# `0+60x90`: from 0, 60 more each minute, 90 times.
Series = dict[str, str]
SCENARIOS: dict[str, tuple[Series, Series, dict[str, str]]] = {
    "FreeholdAway": ({}, {'freehold_stored_figures_up{source="mail"}': "0x90"}, {}),
    "FreeholdErrors": (
        {f'{_HTTP}_count{{status="5xx"}}': "0+2x90", f'{_HTTP}_count{{status="2xx"}}': "0+98x90"},
        {f'{_HTTP}_count{{status="5xx"}}': "0+1x90", f'{_HTTP}_count{{status="2xx"}}': "0+999x90"},
        {},
    ),
    "FreeholdSlow": (
        {
            f'{_HTTP}_bucket{{route="a",le="2.5"}}': "0+90x90",
            f'{_HTTP}_bucket{{route="a",le="5"}}': "0+100x90",
            f'{_HTTP}_bucket{{route="a",le="+Inf"}}': "0+100x90",
        },
        {
            f'{_HTTP}_bucket{{route="health-ready",le="2.5"}}': "0+0x90",
            f'{_HTTP}_bucket{{route="health-ready",le="+Inf"}}': "0+100x90",
            f'{_HTTP}_bucket{{route="a",le="2.5"}}': "0+100x90",
            f'{_HTTP}_bucket{{route="a",le="+Inf"}}': "0+100x90",
        },
        {},
    ),
    "FreeholdSourceAway": (
        {'freehold_stored_figures_up{source="fleet"}': "0x90"},
        {'freehold_stored_figures_up{source="fleet"}': "1x90"},
        {"source": "fleet"},
    ),
    "FreeholdConnectionsShort": (
        {"freehold_database_connections_awaited": "3x90"},
        {"freehold_database_connections_awaited": "0 5 0x90"},
        {},
    ),
    "FreeholdCacheAway": (
        {'freehold_cache_lookups_total{result="unavailable"}': "0+1x90"},
        {'freehold_cache_lookups_total{result="miss"}': "0+9x90"},
        {},
    ),
    "FreeholdQueueLong": (
        {'freehold_queue_depth{queue="q"}': "101x90"},
        {'freehold_queue_depth{queue="q"}': "100x90"},
        {"queue": "q"},
    ),
    "FreeholdTasksFail": (
        {
            f'{_TASK}{{task="t",outcome="failure"}}': "0+2x90",
            f'{_TASK}{{task="t",outcome="success"}}': "0+8x90",
        },
        {
            f'{_TASK}{{task="t",outcome="failure"}}': "0+1x90",
            f'{_TASK}{{task="t",outcome="success"}}': "0+99x90",
        },
        {"task": "t"},
    ),
    "FreeholdRelayAway": ({"freehold_audit_relays": "0x90"}, {"freehold_audit_relays": "1x90"}, {}),
    "FreeholdAuditLate": (
        {"freehold_audit_oldest_waiting_seconds": "301x90"},
        {"freehold_audit_oldest_waiting_seconds": "299x90"},
        {},
    ),
    "FreeholdAuditFails": (
        {"freehold_audit_outboxes_failing": "1x90"},
        {"freehold_audit_outboxes_failing": "0x90"},
        {},
    ),
    "FreeholdMigrationPending": (
        {"freehold_fleet_shared_schema_behind": "1x90"},
        {"freehold_fleet_shared_schema_behind": "0x90"},
        {},
    ),
    "FreeholdTenantsBehind": (
        {"freehold_fleet_tenants_behind": "1x90"},
        # A release that is rolled out within the hour.
        {"freehold_fleet_tenants_behind": "9x50 0x40"},
        {},
    ),
    "FreeholdMigrationFailed": (
        {"freehold_fleet_tenants_failed": "1x90"},
        {"freehold_fleet_tenants_failed": "0x90"},
        {},
    ),
    "FreeholdTenantFailed": (
        {'freehold_tenants{state="failed"}': "1x90"},
        {'freehold_tenants{state="failed"}': "0x90", 'freehold_tenants{state="active"}': "5x90"},
        {},
    ),
    "FreeholdSparesGone": (
        {"freehold_fleet_spare_schemas": "0x90"},
        {"freehold_fleet_spare_schemas": "1x90"},
        {},
    ),
    "FreeholdMailLate": (
        {"freehold_mail_oldest_waiting_seconds": "901x90"},
        {"freehold_mail_oldest_waiting_seconds": "60x90"},
        {},
    ),
    "FreeholdMailDead": (
        {'freehold_mails{state="dead"}': "1x90"},
        {'freehold_mails{state="waiting"}': "9x90"},
        {},
    ),
    "FreeholdSignInsRefused": (
        {'freehold_sign_ins_total{outcome="authn.invalid_credentials"}': "0+120x90"},
        {'freehold_sign_ins_total{outcome="signed_in"}': "0+999x90"},
        {},
    ),
    "FreeholdRequestsLimited": (
        {'freehold_http_refusals_total{status="429",code="limited"}': "0+600x90"},
        {'freehold_http_refusals_total{status="404",code="not_found"}': "0+600x90"},
        {},
    ),
}


@pytest.fixture(scope="module")
def promtool() -> str:
    found = shutil.which("promtool", path=f"{os.environ['PATH']}:/usr/bin:/usr/local/bin")
    if found is None:
        if os.environ.get("FREEHOLD_REQUIRE_PROMTOOL"):
            pytest.fail("promtool is not installed (Debian: prometheus)")
        pytest.skip("promtool is not installed (Debian: prometheus)")
    return found


def test_the_rules_are_rules(promtool: str) -> None:
    command = [promtool, "check", "rules", str(MONITORING / "alerts.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_each_alert_fires_when_it_should_and_not_before(promtool: str, tmp_path: Path) -> None:
    assert set(SCENARIOS) == set(NAMES)
    cases = []
    for rule in RULES:
        firing, quiet, labels = SCENARIOS[rule["alert"]]
        alert = {
            "exp_labels": {**rule["labels"], **labels},
            "exp_annotations": rule["annotations"],
        }
        cases += [_case(rule["alert"], firing, [alert]), _case(rule["alert"], quiet, [])]
    file = tmp_path / "alerts_test.yaml"
    file.write_text(
        yaml.safe_dump({"rule_files": [str(MONITORING / "alerts.yaml")], "tests": cases})
    )
    done = subprocess.run(
        [promtool, "test", "rules", str(file)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _case(name: str, series: Series, expected: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "name": name,
        "interval": "1m",
        "input_series": [{"series": key, "values": values} for key, values in series.items()],
        "alert_rule_test": [{"eval_time": "85m", "alertname": name, "exp_alerts": expected}],
    }


def _declared() -> set[str]:
    """Every series that the product's code can show, once all of it is loaded."""
    for module in ("config.urls", "config.urls_public", *_OF_NO_ADDRESS):
        import_module(module)
    names = {family.name for families in stored.families().values() for family in families}
    names.add("freehold_stored_figures_up")
    for metric in REGISTRY.collect():
        if metric.name.startswith("freehold_"):
            kinds = {"counter": ("_total",), "histogram": _SUFFIXES}
            names |= {metric.name + suffix for suffix in kinds.get(metric.type, ("",))}
    return names


def _asked_for(expression: str) -> set[str]:
    return set(re.findall(r"\bfreehold_\w+", expression))


def test_alerts_and_dashboard_ask_for_what_there_is() -> None:
    dashboard = json.loads((MONITORING / "dashboard.json").read_text())
    asked = set[str]()
    for panel in dashboard["panels"]:
        assert panel["targets"], panel["title"]
        for target in panel["targets"]:
            found = _asked_for(target["expr"])
            assert found, target["expr"]
            asked |= found
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
    for rule in RULES:
        assert _asked_for(rule["expr"])
        asked |= _asked_for(rule["expr"])
    assert asked - _declared() == set()
    # And what there is has its place.
    shown = {re.sub(r"_(bucket|count|sum)$", "", name) for name in asked}
    there = {re.sub(r"_(bucket|count|sum)$", "", name) for name in _declared()}
    assert there - shown == set()


def test_every_figure_is_documented() -> None:
    page = (ROOT / "docs/observability.md").read_text()
    there = {re.sub(r"_(bucket|count|sum)$", "", name) for name in _declared()}
    assert {name for name in there if f"`{name}`" not in page} == set()


def test_each_alert_has_its_section_of_the_runbook() -> None:
    page = (ROOT / "docs/runbook.md").read_text()
    sections = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL))
    assert list(sections) == NAMES
    for rule in RULES:
        assert rule["annotations"]["runbook"] == f"docs/runbook.md#{rule['alert'].lower()}"
        for part in ("Means", "First", "Remedy"):
            assert f"- **{part}**: " in sections[rule["alert"]], rule["alert"]
