"""Which tenants have a label of their own: a bounded number, so that a thousand tenants are not a thousand series each.

`METRICS_TENANTS` is `off`, `all`, or the slugs that are wanted. With `all` the first `METRICS_TENANTS_MOST` that
ask for something have theirs, whichever process they come to; the rest are `other`.
"""

import fcntl
import threading
from pathlib import Path

from django.conf import settings

OTHER = "other"
_FILE = "tenants.txt"


class Labels:
    """What this process knows of who has a label."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[str, str] = {}

    def of(self, slug: str) -> str:
        wanted = settings.METRICS_TENANTS
        if wanted != "all":
            return slug if slug in wanted.split(",") else OTHER
        label = self._known.get(slug)
        if label is None:
            with self._lock:
                label = self._known[slug] = self._admit(slug)
        return label

    def _admit(self, slug: str) -> str:
        """Processes whose figures are added up must agree, so they keep one list, beside the figures."""
        most = settings.METRICS_TENANTS_MOST
        if not settings.PROMETHEUS_MULTIPROC_DIR:
            labelled = {label for label in self._known.values() if label != OTHER}
            return slug if len(labelled) < most else OTHER
        path = Path(settings.PROMETHEUS_MULTIPROC_DIR) / _FILE
        try:
            with path.open("a+") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                file.seek(0)
                listed = file.read().split()
                if slug not in listed and len(listed) < most:
                    listed.append(slug)
                    file.write(f"{slug}\n")
        except OSError:
            return OTHER
        return slug if slug in listed else OTHER


of_this_process = Labels()
