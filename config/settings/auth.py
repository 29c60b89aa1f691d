"""People, passwords and tokens."""

from datetime import timedelta

from config.env import env

AUTH_USER_MODEL = "accounts.User"
PASSWORD_HASHERS = ["shared_apps.accounts.hashers.LowMemoryArgon2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator",
        "OPTIONS": {"user_attributes": ("email", "name")},
    },
]

# Which kid signs is the first; the others are accepted until their tokens have ended.
JWT_SIGNING_KEYS = env.secrets_by_id("JWT_SIGNING_KEYS")
JWT_ISSUER = env.text("JWT_ISSUER", default=env.text("PUBLIC_HOST"))

ACCESS_TOKEN_LIFETIME = timedelta(
    minutes=env.integer("ACCESS_TOKEN_MINUTES", default=15, low=15, high=60)
)
REFRESH_TOKEN_LIFETIME = timedelta(
    days=env.integer("REFRESH_TOKEN_DAYS", default=7, low=7, high=30)
)
# Counted from the sign-in, whatever was refreshed since.
MAX_LOGIN_LIFETIME = timedelta(
    hours=env.integer("MAX_LOGIN_HOURS", default=12, low=1, high=30 * 24)
)
# Of browsers that sign in on our own page (shared_apps/authn/browser_sessions.py).
BROWSER_IDLE_LIFETIME = timedelta(
    minutes=env.integer("BROWSER_IDLE_MINUTES", default=30, low=1, high=24 * 60)
)
# Without a Domain attribute both go back to the host that set them and to no other. In production
# their names have the prefix with which browsers see to that.
BROWSER_COOKIE_NAME = "freehold_sign_in"
CSRF_COOKIE_NAME = "freehold_csrf"
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_FAILURE_VIEW = "shared_apps.authn.pages.csrf_failed"

# Wrong passwords that are let through; a right one is not counted (shared_apps/authn/limits).
# For one account from one address, in a minute.
SIGN_IN_FAILURES_PER_MINUTE = env.integer("SIGN_IN_FAILURES_PER_MINUTE", default=5, low=1, high=100)
# From one address, whatever the account, in a minute: at one tenant, twice as many at all of them.
SIGN_IN_FAILURES_PER_ADDRESS = env.integer(
    "SIGN_IN_FAILURES_PER_ADDRESS", default=60, low=5, high=100_000
)
# For one account from everywhere, in an hour. NIST SP 800-63B, 5.2.2, allows a hundred.
SIGN_IN_FAILURES_PER_ACCOUNT = env.integer(
    "SIGN_IN_FAILURES_PER_ACCOUNT", default=100, low=4, high=10_000
)
# The same where a directory checks the password, and in how many minutes. They must be below the
# number at which the directory locks the account, and as long as it remembers: else whoever may
# sign in here may have anybody locked there.
DIRECTORY_FAILURES_PER_ACCOUNT = env.integer(
    "DIRECTORY_FAILURES_PER_ACCOUNT", default=9, low=4, high=10_000
)
DIRECTORY_FAILURE_MINUTES = env.integer("DIRECTORY_FAILURE_MINUTES", default=30, low=1, high=1440)
# Refused sign-ins are answered after a full multiple of so many milliseconds, so that the time tells
# nothing of why (shared_apps/core/answer_floor.py). More than one check of a password takes.
ANSWER_FLOOR_MS = env.integer("ANSWER_FLOOR_MS", default=300, low=0, high=60_000)
# Argon2id takes 64 MiB a time: how many may run at once in one process.
PASSWORD_CHECKS_AT_ONCE = env.integer("PASSWORD_CHECKS_AT_ONCE", default=4, low=1, high=64)

# The first seals what tenants' backends need to know, the others still open what they sealed.
AUTH_ENCRYPTION_KEYS = env.secrets_by_id("AUTH_ENCRYPTION_KEYS")
# How often a directory is asked again about somebody who stays signed in, and for how long it may fail
# to answer beyond that.
DIRECTORY_RECHECK_INTERVAL = timedelta(
    minutes=env.integer("DIRECTORY_RECHECK_MINUTES", default=15, low=1, high=24 * 60)
)
DIRECTORY_RECHECK_GRACE = timedelta(
    minutes=env.integer("DIRECTORY_RECHECK_GRACE_MINUTES", default=15, low=0, high=24 * 60)
)

# User names are unique among people without a realm alone (accounts/models.py); whoever signs in is
# found there and by `get_by_natural_key`, never among people of directories.
SILENCED_SYSTEM_CHECKS = ["auth.E003", "auth.W004"]

# Where servers of tenants' directories may be. Without a list: anywhere but on this machine and at addresses
# of a link, a group or a cloud's metadata; with one, in these networks only (shared_apps/core/egress.py).
AUTH_EGRESS_ALLOW = env.networks("AUTH_EGRESS_ALLOW", default=[])
# For how long a server is left alone that has failed three times in a row.
DIRECTORY_PAUSE_SECONDS = env.integer("DIRECTORY_PAUSE_SECONDS", default=15, low=1, high=600)
