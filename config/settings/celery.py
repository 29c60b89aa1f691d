"""Background work. Names start with CELERY_ and are read by config/celery.py."""

from config.env import env
from config.settings.database import REDIS_URL

CELERY_BROKER_URL = env.url(
    "CELERY_BROKER_URL", default=REDIS_URL, schemes=("redis", "rediss", "amqp")
)
CELERY_RESULT_BACKEND = CELERY_BROKER_URL
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_RESULT_EXPIRES = 24 * 60 * 60
CELERY_TASK_TIME_LIMIT = 60 * 60
# A task that a dying worker held is given to another one, so it must outlive the longest task.
CELERY_TASK_ACKS_LATE = True
CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 2 * CELERY_TASK_TIME_LIMIT}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
# Makes schemas and roles, so it has a worker of its own, the only one with the migration login.
CELERY_TASK_ROUTES = {"onboarding.provision_tenant": {"queue": "provisioning"}}
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULE = {
    "authn.delete_expired_sessions": {
        "task": "authn.delete_expired_sessions",
        "schedule": 24 * 60 * 60,
        "options": {"headers": {"scope": "operator"}},
    },
    "invoicing.check_books_of_all": {
        "task": "invoicing.check_books_of_all",
        "schedule": 24 * 60 * 60,
        "options": {"headers": {"scope": "operator"}},
    },
}
