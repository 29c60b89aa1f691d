"""Answers that are kept for requests with an Idempotency-Key (docs/idempotency.md)."""

from config.env import env

IDEMPOTENCY_KEEP_HOURS = env.integer("IDEMPOTENCY_KEEP_HOURS", default=24, low=24, high=24 * 90)
# The largest answer that is kept, in bytes; of a larger one only that it was given.
IDEMPOTENCY_LARGEST_ANSWER = 512 * 1024
