"""People at work over HTTP while something fails, and what they were told."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.chaos.problems import assert_problem

ITEM = {"description": "Paper", "quantity": "1", "unit_price": "10.50", "tax_rate": "0.19"}
_PAUSE = 0.01  # seconds; the load is there to be interrupted, not to be heavy


@dataclass
class Load:
    """`drafted` and `issued` are what the product has confirmed."""

    vendor: str
    drafted: set[str] = field(default_factory=set)
    issued: dict[str, int] = field(default_factory=dict)
    answers: list[httpx.Response] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)
    _stopping: threading.Event = field(default_factory=threading.Event)

    def count(self, status: int) -> int:
        return sum(answer.status_code == status for answer in list(self.answers))

    def successes(self) -> int:
        return sum(answer.is_success for answer in list(self.answers))

    def assert_refusals_are_clear(self) -> None:
        """Every request was answered: carried out, or refused for the moment."""
        assert self.failures == []
        for answer in self.answers:
            if not answer.is_success:
                assert_problem(answer, 503)
                assert int(answer.headers["retry-after"]) > 0

    def write(self, client: httpx.Client) -> None:
        body = {"vendor": self.vendor, "currency": "EUR", "items": [ITEM] * 3}
        while not self._stopping.is_set():
            draft = self._keep(client.post("invoices/", json=body))
            if draft is None:
                continue
            self.drafted.add(draft["id"])
            issued = self._keep(client.post(f"invoices/{draft['id']}/issue/"))
            if issued is not None:
                self.issued[issued["id"]] = issued["number"]

    def read(self, client: httpx.Client) -> None:
        while not self._stopping.is_set():
            self._keep(client.get("invoices/", params={"page_size": "20"}))

    def _keep(self, answer: httpx.Response) -> dict[str, Any] | None:
        self.answers.append(answer)
        time.sleep(_PAUSE)
        return answer.json() if answer.is_success else None

    def stop(self) -> None:
        self._stopping.set()


@contextmanager
def under_load(editors: list[httpx.Client], readers: list[httpx.Client]) -> Iterator[Load]:
    """The block runs while each of them works, in a thread of its own."""
    load = Load(vendor=editors[0].post("vendors/", json={"name": "Paper AG"}).json()["id"])

    def working(work: Callable[[httpx.Client], None], client: httpx.Client) -> None:
        try:
            work(client)
        except Exception as error:
            load.failures.append(error)

    threads = [
        *(threading.Thread(target=working, args=(load.write, client)) for client in editors),
        *(threading.Thread(target=working, args=(load.read, client)) for client in readers),
    ]
    for thread in threads:
        thread.start()
    try:
        yield load
    finally:
        load.stop()
        for thread in threads:
            thread.join(60)
