"""`manage.py erase-person`: a file of this name, because Django calls a command like its file."""

from shared_apps.onboarding.erasing.command import Command

__all__ = ["Command"]
