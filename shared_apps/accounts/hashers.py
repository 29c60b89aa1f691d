"""Argon2id at the low-memory parameters of RFC 9106, section 4: t=3, m=64 MiB, p=4."""

from django.contrib.auth.hashers import Argon2PasswordHasher


class LowMemoryArgon2PasswordHasher(Argon2PasswordHasher):
    """Django's default takes 100 MiB a time; this one 64 MiB, as the RFC's second choice."""

    time_cost = 3
    memory_cost = 64 * 1024  # KiB
    parallelism = 4


class CheapArgon2PasswordHasher(Argon2PasswordHasher):
    """For the test suite."""

    time_cost = 1
    memory_cost = 64  # KiB
    parallelism = 1
