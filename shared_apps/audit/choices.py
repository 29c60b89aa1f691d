from enum import StrEnum


class Access(StrEnum):
    """What was read, as the trail calls it. The database knows these two and refuses others."""

    AUDIT = "audit.access"
    PORTFOLIO = "portfolio.access"
