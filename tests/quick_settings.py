"""The test settings with seconds instead of hours, for processes that a test starts for itself."""

from config.settings.test import *  # noqa: F403  # settings inherit so

CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 3}
CELERY_BEAT_SCHEDULE = {
    "probe": {
        "task": "tenants.fan_out",
        "kwargs": {"task": "probe.describe"},
        "schedule": 1.0,
        "options": {"headers": {"scope": "operator"}},
    }
}
