"""An audit database whose logins a test may spoil."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from django.test import override_settings

from shared_apps.audit import installation as audit
from tests.audit_logins import NOW, TENANTS, Audit
from tests.audit_store import append

if TYPE_CHECKING:  # settings are not there yet
    from tests.installation import Installation


@pytest.fixture(scope="module")
def made_audit(installation: "Installation") -> Iterator[Audit]:
    """Made by the command, named by the settings; three entries of one tenant and two of another."""
    made = Audit()
    with override_settings(**made.settings):
        try:
            audit.install()
            with made.connect(audit.WRITER) as writer:
                append(writer, TENANTS[0], [NOW] * 3)
                append(writer, TENANTS[1], [NOW] * 2)
            yield made
        finally:
            made.drop()
