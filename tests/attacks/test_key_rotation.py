"""Attack 17 over several processes: while signing keys are exchanged no request is refused."""

import http.client
import json
from contextlib import ExitStack, closing
from typing import Any

from django.conf import settings

from shared_apps.core.context import TenantIdentity
from tests.installation import PASSWORD
from tests.people import make_person
from tests.server import Server, serving

NEW = "a fresh signing key of sufficient length"


def ask(server: Server, tenant: TenantIdentity, path: str, *, token: str = "", body: Any = None) -> Any:  # fmt: skip
    headers = {"Host": server.host(tenant), "Content-Type": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    sent = None if body is None else json.dumps(body)
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)) as connection:
        connection.request("GET" if sent is None else "POST", f"/api/v1/{path}", sent, headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read() or "null")


def test_17_keys_are_exchanged_in_three_steps_and_nobody_notices(
    acme: TenantIdentity, globex: TenantIdentity
) -> None:
    (kid, old), *_ = settings.JWT_SIGNING_KEYS.items()
    person = make_person(acme)
    login = {"email": person.email, "password": PASSWORD}

    def process(keys: str) -> Server:
        return running.enter_context(serving(environment={"JWT_SIGNING_KEYS": keys}))

    def sign_in(server: Server) -> dict[str, str]:
        status, pair = ask(server, acme, "auth/login/", body=login)
        assert status == 200
        return dict(pair)

    def is_good(pair: dict[str, str], *servers: Server) -> None:
        for server in servers:
            assert ask(server, acme, "auth/user/", token=pair["access"])[0] == 200
            assert ask(server, globex, "auth/user/", token=pair["access"])[0] == 401
            status, renewed = ask(server, acme, "auth/refresh/", body={"refresh": pair["refresh"]})
            assert status == 200
            pair.update(renewed)

    with ExitStack() as running:
        before = process(f"{kid}:{old}")
        known = process(f"{kid}:{old},new:{NEW}")
        # 1. The new key is made known, process by process; the old one signs everywhere.
        is_good(sign_in(before), before, known, before)
        is_good(sign_in(known), before, known)
        of_before = sign_in(before)
        # 2. It signs, process by process; some still have it second.
        signing = process(f"new:{NEW},{kid}:{old}")
        of_signing = sign_in(signing)
        is_good(of_before, signing, known)
        is_good(of_signing, known, signing)
        stale = sign_in(known)
        # 3. The old one goes, when nothing that it signed is good any more.
        after = process(f"new:{NEW}")
        is_good(of_signing, after, signing)
        status, problem = ask(after, acme, "auth/user/", token=stale["access"])
        assert (status, problem["code"]) == (401, "token_not_valid")
        status, problem = ask(after, acme, "auth/refresh/", body={"refresh": stale["refresh"]})
        assert (status, problem["code"]) == (401, "token_not_valid")
        is_good(stale, signing)
