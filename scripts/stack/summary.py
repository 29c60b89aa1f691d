"""quickstart.json, and the same as a table."""

from typing import Any

from scripts.stack import directories
from scripts.stack.private_files import read_json, write_json
from scripts.stack.state import State


def write_summary(state: State, environment: dict[str, str], *, port: int) -> dict[str, Any]:
    """Addresses and sign-ins of the running system, as docs and scripts rely on."""
    accounts = read_json(state.accounts)
    base_url = f"http://localhost:{port}"
    tenants = [
        {
            "slug": tenant["slug"],
            "url": f"http://{tenant['slug']}.localhost:{port}",
            **_sign_in(state, tenant),
        }
        for tenant in accounts["tenants"]
    ]
    summary = {
        "base_url": base_url,
        "database_url": environment["DATABASE_URL"],
        "audit_database_url": environment["AUDIT_DATABASE_URL"],
        "audit_auditor_database_url": environment["AUDIT_AUDITOR_DATABASE_URL"],
        "redis_url": environment["REDIS_URL"],
        "operator": {"url": base_url, **accounts["operator"]},
        "metrics": {"url": f"{base_url}/metrics", "token": environment["METRICS_TOKEN"]},
        "tenants": tenants,
        "cross_tenant": accounts["cross_tenant"],
    }
    write_json(state.summary, summary)
    return summary


def _sign_in(state: State, tenant: dict[str, Any]) -> dict[str, Any]:
    """Of a tenant with a directory: its people, and the administrator who gets in without it."""
    directory = directories.described(state, tenant["slug"])
    if directory is None:
        return {"users": tenant["users"]}
    people = directory.pop("users")
    administrators = [user for user in tenant["users"] if user["role"] == "admin"]
    return {"users": [*administrators, *people], "directory": directory}


def table(state: State) -> str:
    """The summary for people."""
    summary = read_json(state.summary)
    rows = [(summary["base_url"], "operator", summary["operator"])]
    rows += [(summary["base_url"], user["role"], user) for user in summary["cross_tenant"]]
    for tenant in summary["tenants"]:
        rows += [(tenant["url"], user["role"], user) for user in tenant["users"]]
    cells = [("address", "role", "e-mail or name", "password")]
    cells += [
        (url, role, user.get("username") or user["email"], user["password"])
        for url, role, user in rows
    ]
    widths = [max(len(row[column]) for row in cells) for column in range(4)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]
    return "\n".join(
        [
            "",
            *lines,
            "",
            f"The same as JSON: {state.summary}",
            f"Logs: {state.logs}",
        ]
    )
