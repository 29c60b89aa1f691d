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
