"""A person marks answers in a local web page: prose against its rubric, and any question's points by hand.

`desk` knows what lies there to be marked and keeps the marks; `server` shows it on this machine alone.
"""

from coursework.review.desk import Desk, ReviewError
from coursework.review.server import serve

__all__ = ["Desk", "ReviewError", "serve"]
