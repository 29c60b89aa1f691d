"""How often somebody may guess.

with limits.attempt(account=name, address=address, is_directory=False):
    ...  # an error that the password is wrong counts; anything proven gives back what was counted

with limits.bind(external_id=person):  # the same for whom a directory has found, whatever their names
    ...

limits.may_ask("authn.mail_password_reset", address=address, most=20, seconds=600)  # a mail; anybody may
"""

from shared_apps.authn.limits.attempts import WrongPassword, attempt, bind, may_ask

__all__ = ["WrongPassword", "attempt", "bind", "may_ask"]
