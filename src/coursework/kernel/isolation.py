"""The sandbox: what an isolated kernel sees, and what watches over it."""

from __future__ import annotations


class NoSandbox(Exception):
    """The sandbox cannot be had; the message says what to install."""


def missing() -> str:
    return "it is not built yet"


def demand() -> None:
    raise NoSandbox(missing())
