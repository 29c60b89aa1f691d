"""What `manage.py tenant` can do: a module per subject, each with its actions. To add one, list it."""

from shared_apps.onboarding.actions import (
    checking,
    creating,
    declaring,
    inspecting,
    stopping,
    undoing,
)
from shared_apps.onboarding.actions.base import Action

ACTIONS: tuple[Action, ...] = (
    *declaring.ACTIONS,
    *creating.ACTIONS,
    *undoing.ACTIONS,
    *stopping.ACTIONS,
    *inspecting.ACTIONS,
    *checking.ACTIONS,
)
