"""Entries for what no row of a table tells: written into the shared outbox by its owner."""

import json
from collections.abc import Mapping
from typing import Any

from shared_apps.core import attribution


def record_update(
    cursor: Any, *, table: str, record_id: str, old: Mapping[str, Any], new: Mapping[str, Any]
) -> None:
    """As if a row of a shared table had changed, in the cursor's transaction.

    The cursor is the migration login's: no other may write there.
    """
    cursor.execute(
        "INSERT INTO public.audit_outbox"
        " (table_name, operation, record_id, old_values, new_values, attribution, database_role)"
        " VALUES (%s, 'UPDATE', %s, %s, %s, %s, current_user)",
        [table, record_id, json.dumps(old), json.dumps(new), attribution.current().as_json],
    )
