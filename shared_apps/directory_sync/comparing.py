"""Which fields of one person differ, and what is proposed of each. Asks nothing and writes nothing."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from shared_apps.accounts.directory_people import Standing
from shared_apps.accounts.identities import Claim
from shared_apps.directory_sync.choices import FIELDS, Strategy

Values = Mapping[str, Any]


def directory_values(claim: Claim, *, role: str | None, is_active: bool) -> dict[str, Any]:
    """Without a role from its groups nobody is let in, whatever else the directory says."""
    return {
        "name": claim.name,
        "email": claim.email,
        "username": claim.username,
        "role": role or "",
        "is_active": is_active,
    }


def local_values(standing: Standing) -> dict[str, Any]:
    return {name: getattr(standing, name) for name in FIELDS}


def wanted(standing: Standing, told: Values) -> dict[str, Any]:
    """The fields that the directory has a say in, as it would have them."""
    found: dict[str, Any] = {"username": told["username"]}
    if standing.belongs_to_directory:
        found |= {"name": told["name"], "email": told["email"]}
    if not standing.role:
        # Nobody here now: a role lets them in, and there is nothing to shut.
        return found | ({"role": told["role"]} if told["role"] and told["is_active"] else {})
    found["is_active"] = told["is_active"] and (standing.is_granted or bool(told["role"]))
    if told["role"] and not standing.is_granted:
        found["role"] = told["role"]
    return found


def differences(
    *, local: Values, wanted: Values, base: Values, strategies: Mapping[str, Strategy]
) -> dict[str, dict[str, Any]]:
    """Field → what it is, would be and was agreed on.

    MERGE proposes what the directory alone has changed, leaves out what was changed here alone, and
    shows what both have changed without selecting it. What was never agreed on is the directory's.
    """
    found: dict[str, dict[str, Any]] = {}
    for name, new in wanted.items():
        strategy = strategies.get(name, Strategy.MERGE)
        old = local[name]
        if new == old or strategy == Strategy.SKIP:
            continue
        is_conflict = False
        if strategy == Strategy.MERGE and name in base:
            if new == base[name]:
                continue
            is_conflict = old != base[name]
        found[name] = {
            "old": old, "new": new, "base": base.get(name),
            "conflict": is_conflict, "selected": not is_conflict,
        }  # fmt: skip
    return found


def fingerprint(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def fingerprint_of(standing: Standing | None) -> str:
    """Of nobody too: that they have come into being is a change."""
    return fingerprint(None if standing is None else vars(standing))
