"""The operator whom `manage.py prepare` makes. For that command alone."""

from config.env import env

FIRST_OPERATOR_EMAIL = env.text("DJANGO_SUPERUSER_EMAIL", default="")
FIRST_OPERATOR_PASSWORD = env.text("DJANGO_SUPERUSER_PASSWORD", default="")
