from shared_apps.core.errors import LimitedError
from shared_apps.core.rate_limits.standing import Standing


class RateLimitedError(LimitedError):
    code = "rate_limited"
    message = "Rate limit exceeded"

    def __init__(self, *, retry_after: int, standing: Standing) -> None:
        super().__init__(retry_after=retry_after)
        self.standing = standing
        rule, _ = standing.tightest()
        self.details = {
            "limit": rule.name, "requests": rule.window.most, "seconds": rule.window.seconds
        }  # fmt: skip
