"""Kinds of jobs for the tests, which the tests' workers know too. What one does stands in its upload, as JSON.

`hold`: the phase in which it says so by a file `holding`, and waits for a file `release` beside it. `hang`: it
does not look whether it was stopped. `fail`: with that message, or with a defect. `name`: saves a vendor.
"""

import json
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from tenant_apps.invoicing.services import vendors
from tenant_apps.jobs import kinds
from tenant_apps.jobs.errors import JobFailedError


class Scripted:
    def __init__(self, run: kinds.Run) -> None:
        self.run = run
        self.script: dict[str, Any] = json.loads(run.upload.read_text())

    def validate(self) -> None:
        (self.run.directory / "scratch").write_text("x")
        self._step("validate")

    def work(self) -> None:
        self._step("work")
        if self.script.get("fail") == "defect":
            raise ZeroDivisionError("secret of the stack")
        if "fail" in self.script:
            raise JobFailedError(self.script["fail"])

    def save(self) -> kinds.Outcome:
        vendors.create_vendor(name=self.script["name"], created_by=self.run.requested_by)
        self._step("save")
        return kinds.Outcome({"name": self.script["name"]}, self.run.directory / "scratch")

    def _step(self, phase: str) -> None:
        if self.script.get("hold") != phase:
            return
        place = Path(self.script["place"])
        (place / "holding").write_text(phase)
        while not (place / "release").exists():
            if not self.script.get("hang"):
                self.run.advance(1, 2)
            time.sleep(0.05)


kinds.register(kinds.JobKind(name="scripted", begin=Scripted, limit=timedelta(minutes=10)))
kinds.register(kinds.JobKind(name="hasty", begin=Scripted, limit=timedelta(seconds=2)))
