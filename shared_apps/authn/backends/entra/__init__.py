"""Microsoft Entra ID: people sign in at its own page; by password only where a tenant insists."""

from shared_apps.authn.backends.entra.backend import EntraBackend

__all__ = ["EntraBackend"]
