"""Hidden parameters: which sets an exercise is graded with, and which of them a student gets.

Reads the instructor's private file; runs nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from attrs import evolve, frozen

from coursework.graded import GradingError
from coursework.model import Exercise

KEY_LENGTH = 16
MAX_POOL = 1000


@frozen
class Hidden:
    """The parameter sets of one exercise: each student is graded with all of them or, in a pool, with one."""

    sets: tuple[Mapping[str, Any], ...] = ()
    #: what chooses a student's set from a pool; "" where every set is for everybody
    key: str = ""
    #: how many sets of a pool are still to be drawn, by the key
    to_draw: int = 0

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        return iter(self.sets)

    def __len__(self) -> int:
        return len(self.sets)

    def drawn(self, exercise: Exercise) -> Hidden:
        """With every set in place: the same ones whenever the key is the same."""
        seeds = [int.from_bytes(_keyed(self.key, ["draw", exercise.id, i])) for i in range(self.to_draw)]
        return evolve(self, sets=(*self.sets, *(exercise.draw(np.random.default_rng(s)) for s in seeds)), to_draw=0)

    def of(self, exercise: str, student: str) -> tuple[int, ...]:
        """The places of a student's sets.

        From a pool, the set whose keyed hash with exercise and student is largest (Thaler and Ravishankar, 1998,
        "Using name-based mappings to increase hit rates"): a set added to a pool of n moves one student in n + 1.
        """
        if not self.key:
            return tuple(range(len(self.sets)))
        ranked = [_keyed(self.key, ["choose", exercise, student, one]) for one in self.sets]
        return (ranked.index(max(ranked)),)

    def to_data(self) -> Any:
        sets = [dict(one) for one in self.sets]
        return {"key": self.key, "sets": sets} if self.key else sets

    @classmethod
    def from_data(cls, data: Any) -> Hidden:
        if isinstance(data, Mapping):
            return cls(tuple(data["sets"]), data["key"])
        return cls(tuple(data))


def _keyed(key: str, about: list) -> bytes:
    return hmac.new(key.encode(), json.dumps(about, sort_keys=True).encode(), hashlib.sha256).digest()


def draw_hidden(exercise: Exercise) -> Hidden:
    """One hidden parameter set, from the system's own randomness."""
    return Hidden((exercise.draw(np.random.default_rng(secrets.randbits(128))),))


def read_parameters(path: Path, ids: Sequence[str]) -> dict[str, Hidden]:
    """Hidden parameters from a YAML file: for each exercise one mapping, a list of them, or a pool.

    `math/svd: {pool: [{...}, {...}]}` or `{pool: 8}` (eight sets, drawn by the key) gives each student one set. A pool
    needs a line `key: ...`, any secret text of 16 characters or more.

    Raises:
        GradingError: the file cannot be read, or names an exercise that is not graded.
    """
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise GradingError(f"{path} cannot be read: {error}") from None
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date that does not exist
        raise GradingError(f"{path} is not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(data, dict):
        raise GradingError(f"{path} must map exercises to parameter sets, such as `math/least_squares: [{{seed: 7}}]`")
    key = data.pop("key", "")
    if key and (not isinstance(key, str) or len(key) < KEY_LENGTH):
        raise GradingError(f"{path}: key must be a text of {KEY_LENGTH} characters or more, in quotes")
    found = {}
    for id, sets in data.items():
        if id not in ids:
            raise GradingError(f"{path}: {id!r} is not among the exercises being graded: {', '.join(ids)}")
        if isinstance(sets, dict) and "pool" in sets:
            found[id] = _pool(f"{path}: {id}", sets, key)
        else:
            found[id] = Hidden(_sets(f"{path}: {id}", sets))
    return found


def _pool(where: str, said: Mapping[str, Any], key: str) -> Hidden:
    if set(said) != {"pool"}:
        others = ", ".join(str(name) for name in said if name != "pool")
        raise GradingError(f"{where}: a pool stands alone; {others} beside it means nothing")
    if not key:
        raise GradingError(f"{where}: a pool needs a key, such as the line `key: {secrets.token_hex(16)}`")
    pool = said["pool"]
    if isinstance(pool, int) and not isinstance(pool, bool):
        if not 1 <= pool <= MAX_POOL:
            raise GradingError(f"{where}: a pool holds 1 to {MAX_POOL} sets, not {pool}")
        return Hidden((), key, pool)
    sets = _sets(f"{where}: pool", pool)
    if any(one in sets[:i] for i, one in enumerate(sets)):
        raise GradingError(f"{where}: the pool holds the same set twice")
    return Hidden(sets, key)


def _sets(where: str, sets: Any) -> tuple[dict[str, Any], ...]:
    sets = sets if isinstance(sets, list) else [sets]
    if not sets or not all(isinstance(one, dict) for one in sets):
        raise GradingError(f"{where} must have one mapping of parameters, or a list of them")
    return tuple({name: _number(value) for name, value in one.items()} for one in sets)


def _number(value: Any) -> Any:
    """YAML reads 5e8 as text, since it has no point; a person means the number."""
    if isinstance(value, str) and re.fullmatch(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+", value):
        return float(value)
    return value
