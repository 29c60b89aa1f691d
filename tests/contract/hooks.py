"""What schemathesis is told about this product: how to sign in, whom not to lock out, what must never be shown.

Loaded by the runs of `tests/contract/fuzzing.py`, which say by the environment against whom.
"""

import json
import os
import re
from typing import Any
from uuid import uuid4

import requests
import schemathesis

_HOST = os.environ["CONTRACT_HOST"]
_URL = os.environ["CONTRACT_URL"]
_EMAIL = os.environ["CONTRACT_EMAIL"]
_PASSWORD = os.environ["CONTRACT_PASSWORD"]
# What belongs to another tenant: ids and texts of its rows.
_FOREIGN = json.loads(os.environ["CONTRACT_FOREIGN"])
_TAG = re.compile(r'\*|(W/)?"[!#-~]*"')
# Names that the run needs to stay what they are.
_KEPT = set(json.loads(os.environ["CONTRACT_KEPT"]))


def _sign_in() -> str:
    with requests.Session() as session:
        answer = session.post(
            f"{_URL}/api/v1/auth/login/",
            json={"email": _EMAIL, "password": _PASSWORD},
            headers={"Host": _HOST},
            timeout=30,
        )
        assert answer.status_code == 200, answer.text
        signed_in = answer.json()
        _KEPT.add(signed_in["user"]["id"])
        headers = {"Host": _HOST, "Authorization": f"Bearer {signed_in['access']}"}
        # Own sign-ins, and whoever was here before.
        for address in ("auth/sessions/", "users/?page_size=500"):
            found = session.get(f"{_URL}/api/v1/{address}", headers=headers, timeout=30)
            _KEPT.update(one["id"] for one in found.json().get("results", ()))
    return str(signed_in["access"])


@schemathesis.auth(refresh_interval=240)
class Token:
    def get(self, case: Any, context: Any) -> str:
        return _sign_in()

    def set(self, case: Any, data: str, context: Any) -> None:
        case.headers = {**(case.headers or {}), "Authorization": f"Bearer {data}"}


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """Nobody ends the run's own sign-in, takes its role away or suspends the tenants."""
    if case.method == "GET" or not case.path_parameters:
        return
    for name, value in case.path_parameters.items():
        if str(value) in _KEPT:
            case.path_parameters[name] = str(uuid4())


@schemathesis.hook
def filter_case(context: Any, case: Any) -> bool:
    """Whether a text is an entity tag the coverage phase misjudges; test_entity_tags.py sends those that are none."""
    sent = (case.headers or {}).get("If-Match")
    return sent is None or bool(_TAG.fullmatch(str(sent)))


@schemathesis.check
def shows_nothing_of_another_tenant(context: Any, response: Any, case: Any) -> None:
    shown = response.text + json.dumps(dict(response.headers), default=str)
    sent = json.dumps([case.path_parameters, case.query, str(case.body)], default=str)
    found = [text for text in _FOREIGN if text in shown and text not in sent]
    assert not found, f"shows {found[0]} of another tenant"
