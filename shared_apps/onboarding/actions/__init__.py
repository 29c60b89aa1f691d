"""What `manage.py tenant` can do: a module per subject, each with its actions. To add one, list it."""

from shared_apps.onboarding.actions import (
    archiving,
    checking,
    creating,
    declaring,
    deleting,
    inspecting,
    moving,
    renaming,
    running,
    signing_in,
    stopping,
    synchronising,
    undoing,
)
from shared_apps.onboarding.actions.base import Action
from shared_apps.onboarding.laboratory import console as laboratory

ACTIONS: tuple[Action, ...] = (
    *declaring.ACTIONS,
    *creating.ACTIONS,
    *undoing.ACTIONS,
    *stopping.ACTIONS,
    *archiving.ACTIONS,
    *deleting.ACTIONS,
    *renaming.ACTIONS,
    *moving.ACTIONS,
    *running.ACTIONS,
    *inspecting.ACTIONS,
    *checking.ACTIONS,
    *signing_in.ACTIONS,
    *synchronising.ACTIONS,
    Action(
        "run-leak-lab",
        "try everything that could leak between tenants",
        laboratory.run,
        laboratory.add_arguments,
    ),
)
