"""Enough for Celery, which loads Django when settings are named."""

SECRET_KEY = "of no use"
