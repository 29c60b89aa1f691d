"""Figures of sign-ins."""

from prometheus_client import Counter

SIGNED_IN = "signed_in"

SIGN_INS = Counter(
    "freehold_sign_ins_total",
    "Sign-ins by outcome: signed_in, or the code of the refusal.",
    ("outcome",),
)
