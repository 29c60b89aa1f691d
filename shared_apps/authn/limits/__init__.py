"""How often somebody may guess.

with limits.attempt(account=name, address=address, is_directory=False):
    ...  # an error that the password is wrong counts; anything proven gives back what was counted

with limits.bind(external_id=person):  # the same for whom a directory has found, whatever their names
    ...
"""

from shared_apps.authn.limits.attempts import WrongPassword, attempt, bind

__all__ = ["WrongPassword", "attempt", "bind"]
