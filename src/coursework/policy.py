"""The course's rules about points: late work, several attempts, extra credit, questions that do not count.

Applied to what is graded, so that a changed rule needs no new run. Judges nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, tzinfo
from datetime import time as clock
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml
from attrs import evolve, frozen

from coursework.graded import Graded, GradingError

SECONDS = {"second": 1, "s": 1, "minute": 60, "min": 60, "hour": 3600, "h": 3600, "day": 86400, "d": 86400}
SECONDS |= {"week": 604800, "w": 604800}


@frozen
class Rules:
    """The rules of one exercise."""

    #: seconds since 1970; None for work that cannot be late
    deadline: float | None = None
    grace: float = 0.0
    #: the share of the points that each started `per` costs, up to `at_most`
    penalty: float = 0.0
    per: float = 86400.0
    at_most: float = 1.0
    #: seconds after the deadline from which nothing counts
    until: float | None = None
    attempts: str = "last"
    drop: tuple[str, ...] = ()
    extra_credit: tuple[str, ...] = ()


@frozen
class Policy:
    """What a policy file says; `Policy()` changes nothing."""

    #: as read, plain data
    data: Mapping[str, Any] = {}

    def to_json(self) -> str:
        return json.dumps(dict(self.data))

    @classmethod
    def from_json(cls, text: str | None) -> Policy:
        return cls(json.loads(text) if text else {})

    def rules(self, exercise: str) -> Rules:
        return Rules(**{**self.data.get("all", {}), **self.data.get("exercises", {}).get(exercise, {})})

    def extension(self, student: str) -> float:
        return self.data.get("extensions", {}).get(student, 0.0)

    def settle(self, attempts: Sequence[Graded]) -> Graded:
        """One student's attempts at one exercise, oldest first, as the one result that counts."""
        rules = self.rules(attempts[0].exercise)
        priced = [self._priced(one, rules) for one in attempts]
        if len(priced) == 1:
            return priced[0]
        # Where two are equal the later one counts.
        chosen = priced[-1] if rules.attempts == "last" else max(reversed(priced), key=lambda one: one.points)
        n = priced.index(chosen) + 1
        return evolve(chosen, adjustments=(f"attempt {n} of {len(priced)} counts", *chosen.adjustments))

    def _priced(self, one: Graded, rules: Rules) -> Graded:
        names = [v.question for v in one.verdicts]
        dropped = tuple(name for name in rules.drop if name in names)
        extra = tuple(name for name in rules.extra_credit if name in names)
        said = [f"{name} does not count" for name in dropped] + [f"{name} is extra credit" for name in extra]
        scale = 1.0
        if rules.deadline is not None and one.at is not None and one.state != "missing":
            late = one.at - rules.deadline - self.extension(one.student)
            if late > rules.grace:
                scale = self._left(late, rules)
                said.append(f"handed in {_span(late)} late: {_percent(1 - scale)} off")
        return evolve(one, dropped=dropped, extra=extra, scale=scale, adjustments=tuple(said))

    @staticmethod
    def _left(late: float, rules: Rules) -> float:
        if rules.until is not None and late > rules.until:
            return 0.0
        started = -int(-late // rules.per)
        return round(1 - min(rules.at_most, rules.penalty * started), 6)


# ------------------------------------------------------------------------------------------------ reading a file


def read_policy(path: Path, ids: Sequence[str], questions: Callable[[str], Sequence[str]] | None = None) -> Policy:
    """The policy that a YAML file states.

    Args:
        ids: the exercises of the course.
        questions: the names of an exercise's questions; without it they are not looked at.

    Raises:
        GradingError: it cannot be read, or states something that is no rule.
    """
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise GradingError(f"{path} cannot be read: {error}") from None
    except (yaml.YAMLError, ValueError) as error:
        raise GradingError(f"{path} is not YAML: {' '.join(str(error).split())}") from None
    if data is None:
        return Policy()
    reader = _Reader(str(path))
    top = reader.mapping("", data, ("deadline", "late", "attempts", "timezone", "extensions", "exercises"))
    reader.zone = reader.timezone(top.get("timezone"))
    found: dict[str, Any] = {"all": reader.rules("", top, ())}
    exercises = reader.mapping("exercises", top.get("exercises", {}), ids)
    found["exercises"] = {}
    for id, own in exercises.items():
        own = reader.mapping(f"exercises: {id}", own, ("deadline", "late", "attempts", "drop", "extra_credit"))
        found["exercises"][id] = reader.rules(f"exercises: {id}: ", own, questions(id) if questions else None)
    extensions = top.get("extensions", {})
    if not isinstance(extensions, dict):
        reader.refuse("extensions", "must map students to spans, such as `ada: 2 days`")
    found["extensions"] = {str(student): reader.span(f"extensions: {student}", v) for student, v in extensions.items()}
    return Policy(found)


class _Reader:
    """Reads rules and says where one is wrong."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.zone: tzinfo = UTC

    def refuse(self, where: str, what: str) -> None:
        raise GradingError(f"{self.path}: {where.removesuffix(': ')}: {what}" if where else f"{self.path}: {what}")

    def mapping(self, where: str, data: Any, known: Sequence[str]) -> dict[str, Any]:
        if not isinstance(data, dict):
            self.refuse(where, f"must map names to rules; it may hold {', '.join(known)}")
        for name in data:
            if name not in known:
                close = get_close_matches(str(name), known, 1)
                self.refuse(where, f"{name!r} is no rule. " + (
                    f"Did you mean {close[0]!r}?" if close else f"It may hold {', '.join(known)}"))  # fmt: skip
        return data

    def timezone(self, name: Any) -> tzinfo:
        from zoneinfo import ZoneInfo

        if name is None:
            return UTC
        try:
            return ZoneInfo(str(name))
        except (KeyError, ValueError, OSError):
            self.refuse("timezone", f"{name!r} is no time zone; write one such as Europe/Paris")
            raise

    def rules(self, where: str, data: Mapping[str, Any], questions: Sequence[str] | None) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if data.get("deadline") is not None:
            found["deadline"] = self.moment(f"{where}deadline", data["deadline"])
        if "attempts" in data:
            found["attempts"] = data["attempts"]
            if data["attempts"] not in ("last", "best"):
                self.refuse(f"{where}attempts", f"must be last or best, not {data['attempts']!r}")
        late = self.mapping(f"{where}late", data.get("late") or {}, ("penalty", "per", "grace", "at_most", "until"))
        for name, value in late.items():
            read = self.share if name in ("penalty", "at_most") else self.span
            found[name] = read(f"{where}late: {name}", value)
        if found.get("per") == 0:
            self.refuse(f"{where}late: per", "must be longer than nothing, such as 1 day")
        for name in ("drop", "extra_credit"):
            if name in data:
                found[name] = self.names(f"{where}{name}", data[name], questions)
        return found

    def names(self, where: str, value: Any, questions: Sequence[str] | None) -> tuple[str, ...]:
        names = [value] if isinstance(value, str) else value
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            self.refuse(where, "must be a question's name, or a list of them")
        for name in names:
            if questions is not None and name not in questions:
                self.refuse(where, f"there is no question {name!r}; the exercise has {', '.join(questions)}")
        return tuple(names)

    def share(self, where: str, value: Any) -> float:
        """`10 %` or 0.1."""
        found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*%\s*", value) if isinstance(value, str) else None
        number = float(found.group(1)) / 100 if found else value
        if isinstance(number, bool) or not isinstance(number, int | float) or not 0 <= number <= 1:
            self.refuse(where, f"must be a share such as 10 % or 0.1, not {value!r}")
        return float(number)

    def span(self, where: str, value: Any) -> float:
        """`2 days`, `90 min`, `1 h`."""
        found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)?\s*([a-z]+?)s?\s*", value) if isinstance(value, str) else None
        unit = (SECONDS.get(found.group(2)) or SECONDS.get(f"{found.group(2)}s")) if found else None
        if found is None or unit is None:
            self.refuse(where, f"must be a span such as 2 days, 3 h or 15 min, not {value!r}")
        return float(found.group(1) or 1) * unit

    def moment(self, where: str, value: Any) -> float:
        """A date (its last minute counts) or a date and a time, in the policy's time zone unless it names its own."""
        if isinstance(value, str):
            text = value.strip().replace(" +", "+").replace(" UTC", "+00:00")
            try:
                value = date.fromisoformat(text) if len(text) <= 10 else datetime.fromisoformat(text)
            except ValueError:
                self.refuse(where, f"must be a date and time such as 2026-11-30 18:00, not {value!r}")
        if isinstance(value, date) and not isinstance(value, datetime):
            value = datetime.combine(value, clock(23, 59, 59))
        if not isinstance(value, datetime):
            self.refuse(where, f"must be a date and time such as 2026-11-30 18:00, not {value!r}")
        return (value if value.tzinfo else value.replace(tzinfo=self.zone)).timestamp()


def _span(seconds: float) -> str:
    for name, unit in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * unit:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds:.0f} seconds"


def _percent(share: float) -> str:
    return f"{100 * share:.4g} %"
