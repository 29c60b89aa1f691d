"""Background work. Names start with CELERY_ and are read by config/celery.py."""

# So that tasks belong to our application in every process that has settings.
from config import celery as _application  # noqa: F401  # for its effect
from config.env import env
from config.settings.anchors import AUDIT_ANCHOR_SECONDS
from config.settings.database import REDIS_URL

CELERY_BROKER_URL = env.url(
    "CELERY_BROKER_URL", default=REDIS_URL, schemes=("redis", "rediss", "amqp")
)
CELERY_RESULT_BACKEND = CELERY_BROKER_URL
# A message names work; it never brings code, as a pickle would.
CELERY_TASK_SERIALIZER = CELERY_RESULT_SERIALIZER = CELERY_EVENT_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = CELERY_RESULT_ACCEPT_CONTENT = ["json"]
CELERY_RESULT_EXPIRES = 24 * 60 * 60
CELERY_TASK_TIME_LIMIT = 60 * 60
# What a dying worker or process held is done by another, so every task must bear being done twice.
# One that had stored its success is not.
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_DEDUPLICATE_SUCCESSFUL_TASKS = True
# A message that was not acknowledged comes back after this, so it must outlast the longest task.
CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 2 * CELERY_TASK_TIME_LIMIT}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
# Makes schemas and roles, so it has a worker of its own, the only one with the migration login.
CELERY_TASK_ROUTES = {
    "onboarding.provision_tenant": {"queue": "provisioning"},
    "onboarding.purge_tenants": {"queue": "provisioning"},
    "fleet.fill_spares": {"queue": "provisioning"},
    "onboarding.carry_out_run": {"queue": "provisioning"},
    "onboarding.take_up_runs": {"queue": "provisioning"},
    # Reads all trails and holds the key that signs: nothing for whoever serves requests.
    "audit.take_anchor": {"queue": "provisioning"},
}
# Our own handler and its fields (config/settings/logging.py), not Celery's.
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULER = "config.beat:Scheduler"
# Its heartbeat is as old as its longest sleep.
CELERY_BEAT_MAX_LOOP_INTERVAL = 15
CELERY_BEAT_SCHEDULE = {
    "authn.delete_expired_sessions": {
        "task": "authn.delete_expired_sessions",
        "schedule": 24 * 60 * 60,
        "options": {"headers": {"scope": "operator"}},
    },
    "authn.close_impersonations": {
        "task": "authn.close_impersonations",
        "schedule": 60,
        "options": {"headers": {"scope": "operator"}, "expires": 60},
    },
    "mail.deliver_due": {
        "task": "mail.deliver_due",
        "schedule": 60,
        "options": {"headers": {"scope": "operator"}, "expires": 60},
    },
    "mail.delete_old_mail": {
        "task": "mail.delete_old_mail",
        "schedule": 24 * 60 * 60,
        "options": {"headers": {"scope": "operator"}},
    },
    "directory_sync.request_nightly": {
        "task": "directory_sync.request_scheduled",
        "kwargs": {"schedule": "nightly"},
        "schedule": 24 * 60 * 60,
        "options": {"headers": {"scope": "operator"}},
    },
    "directory_sync.request_hourly": {
        "task": "directory_sync.request_scheduled",
        "kwargs": {"schedule": "hourly"},
        "schedule": 60 * 60,
        "options": {"headers": {"scope": "operator"}, "expires": 60 * 60},
    },
    "onboarding.purge_tenants": {
        "task": "onboarding.purge_tenants",
        "schedule": 24 * 60 * 60,
        "options": {"headers": {"scope": "operator"}},
    },
    "fleet.fill_spares": {
        "task": "fleet.fill_spares",
        "schedule": 5 * 60,
        "options": {"headers": {"scope": "operator"}},
    },
    "onboarding.take_up_runs": {
        "task": "onboarding.take_up_runs",
        "schedule": 60,
        # While the provisioner is busy, or away, they do not pile up.
        "options": {"headers": {"scope": "operator"}, "expires": 60},
    },
    "audit.take_anchor": {
        "task": "audit.take_anchor",
        "schedule": AUDIT_ANCHOR_SECONDS,
        "options": {"headers": {"scope": "operator"}, "expires": AUDIT_ANCHOR_SECONDS},
    },
    "idempotency.delete_forgotten": {
        "task": "tenants.fan_out",
        "kwargs": {"task": "idempotency.delete_forgotten"},
        "schedule": 24 * 60 * 60,
        "options": {"headers": {"scope": "operator"}},
    },
    "jobs.tidy": {
        "task": "tenants.fan_out",
        "kwargs": {"task": "jobs.tidy"},
        "schedule": 2 * 60,
        "options": {"headers": {"scope": "operator"}, "expires": 2 * 60},
    },
    "invoicing.check_books": {
        "task": "tenants.fan_out",
        "kwargs": {"task": "invoicing.check_books"},
        "schedule": 24 * 60 * 60,
        "options": {"headers": {"scope": "operator"}},
    },
}
