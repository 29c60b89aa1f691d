"""Lifetimes out of range do not start."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_READ = (
    "from config.settings import auth\n"
    "from config.env import env\n"
    "print(auth.ACCESS_TOKEN_LIFETIME, auth.REFRESH_TOKEN_LIFETIME, sorted(env.problems))"
)


def read(**variables: str) -> str:
    ended = subprocess.run(
        [sys.executable, "-c", _READ],
        cwd=ROOT, env={**os.environ, **variables}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return ended.stdout.strip()


def test_the_ends_of_the_ranges_are_taken() -> None:
    lowest = read(ACCESS_TOKEN_MINUTES="15", REFRESH_TOKEN_DAYS="7")
    highest = read(ACCESS_TOKEN_MINUTES="60", REFRESH_TOKEN_DAYS="30")

    assert lowest == "0:15:00 7 days, 0:00:00 []"
    assert highest == "1:00:00 30 days, 0:00:00 []"


@pytest.mark.parametrize(
    ("variable", "value", "problem"),
    [
        ("ACCESS_TOKEN_MINUTES", "14", "must be a whole number from 15 to 60"),
        ("ACCESS_TOKEN_MINUTES", "61", "must be a whole number from 15 to 60"),
        ("ACCESS_TOKEN_MINUTES", "15.5", "must be a whole number from 15 to 60"),
        ("REFRESH_TOKEN_DAYS", "6", "must be a whole number from 7 to 30"),
        ("REFRESH_TOKEN_DAYS", "31", "must be a whole number from 7 to 30"),
        ("MAX_LOGIN_HOURS", "0", "must be a whole number from 1 to 720"),
    ],
)
def test_what_is_out_of_range_is_a_problem(variable: str, value: str, problem: str) -> None:
    assert f"{variable} {problem}" in read(**{variable: value})
