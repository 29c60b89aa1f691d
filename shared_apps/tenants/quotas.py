"""What a tenant has bought: kept with it, read by whatever limits it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TenantQuotas:
    """None leaves a quota to the installation's default."""

    requests_per_minute: int | None = None
    storage_mb: int | None = None
