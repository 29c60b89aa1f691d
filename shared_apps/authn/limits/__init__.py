"""How often somebody may guess.

with limits.attempt(account=name, address=address, is_directory=False):
    ...  # an error that the password is wrong counts; anything proven gives back what was counted

limits.count(limits.Use.RESET, account=name, address=address)  # every use counts
"""

from shared_apps.authn.limits.attempts import Use, WrongPassword, attempt, bind, count

__all__ = ["Use", "WrongPassword", "attempt", "bind", "count"]
