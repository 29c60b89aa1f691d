"""The test suite: real parts, cheap passwords."""

from ipaddress import ip_network

from config.env import env
from config.settings.base import *
from config.settings.limits import rates_from

DEBUG = False
ENVIRONMENT_NAME = "test"
# The same algorithm at a hundredth of the cost; production's own parameters have a test.
PASSWORD_HASHERS = ["shared_apps.accounts.hashers.CheapArgon2PasswordHasher"]
CELERY_TASK_ROUTES = {
    task: {"queue": f"{DATABASES['default']['NAME']}_provisioning"}
    for task in (
        "onboarding.provision_tenant",
        "onboarding.carry_out_run",
        "fleet.fill_spares",
        "audit.take_anchor",
    )
}
# Tests that are about workers start them.
CELERY_TASK_ROUTES["jobs.run"] = {"queue": f"{DATABASES['default']['NAME']}_jobs"}
# Tests take anchors themselves; without them nothing is overdue.
AUDIT_ANCHOR_SECONDS = 86_400
# Tests that are about the pool fill it.
SPARE_SCHEMAS = env.integer("SPARE_SCHEMAS", default=0, low=0, high=1000)
# Suites that share a Redis take only their own tasks.
CELERY_TASK_DEFAULT_QUEUE = DATABASES["default"]["NAME"]
# The tests' directories and mail servers are on this machine, where none of a customer's may be.
AUTH_EGRESS_ALLOW = [ip_network("127.0.0.0/8"), ip_network("::1/128")]
MAIL_EGRESS_ALLOW = AUTH_EGRESS_ALLOW
# What tests do is more than people do; those that are about the limits set them. No answer of a loaded
# machine is too late for them.
RATE_LIMITS = rates_from(env, times=1000)
CACHE_TIMEOUT_MS = env.integer("CACHE_TIMEOUT_MS", default=5000, low=10, high=10_000)
RATE_LIMIT_TIMEOUT_MS = env.integer("RATE_LIMIT_TIMEOUT_MS", default=5000, low=10, high=10_000)

env.finish()
