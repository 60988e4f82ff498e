"""What comes out of grading: a class page, a page a student, and files for other systems.

It reads graded submissions and writes; it runs nothing and decides no grade.
"""

from coursework.graded import file_name as page_name
from coursework.report.pages import write_report
from coursework.report.text import cell, plain, prose

__all__ = ["cell", "page_name", "plain", "prose", "write_report"]
