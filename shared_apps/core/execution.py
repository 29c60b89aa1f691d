"""How a tenant's API carries out a request that writes: in one transaction, and once for each Idempotency-Key.

A view says so where the default does not fit it:

    class PaymentListView(APIView):
        execution = Execution.KEY_REQUIRED

`tenant_apps/idempotency` does what is said here; nothing has to be called.
"""

from enum import Enum
from typing import Any, Final

UNSAFE_METHODS: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})


class Execution(Enum):
    REPEATABLE = "one transaction; with a key at most once"
    KEY_REQUIRED = "the same, and refused without a key"
    ATOMIC = "one transaction; a key is ignored, because the body or the answer holds a secret"
    PLAIN = (
        "as the view arranges it: it asks others meanwhile, or keeps what it wrote when it refuses"
    )

    @property
    def is_repeatable(self) -> bool:
        return self in (Execution.REPEATABLE, Execution.KEY_REQUIRED)


def execution_of(view: Any) -> Execution:
    """Of a view or its class."""
    found: Execution = getattr(view, "execution", Execution.REPEATABLE)
    return found
