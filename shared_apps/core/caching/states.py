from enum import StrEnum


class CacheState(StrEnum):
    """What `X-Cache` says of an answer."""

    HIT = "HIT"
    MISS = "MISS"
    """Computed for this request: nothing was kept, or Redis is gone."""
    STALE = "STALE"
    """Kept and past its time, while another request computes it again."""
    BYPASS = "BYPASS"
    """Nothing like this is kept for anybody."""
