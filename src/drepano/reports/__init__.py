"""Pictures and pages for people: outlined fields, contact sheets, charts and the report of a run."""

from drepano.reports.chart import class_fractions_svg
from drepano.reports.contact_sheet import draw_contact_sheet
from drepano.reports.field_picture import OutlinedCell, ReportedField
from drepano.reports.groups import Groups
from drepano.reports.html import Failure, write_report
from drepano.reports.overlay import draw_outlines, draw_overlay

__all__ = [
    "Failure",
    "Groups",
    "OutlinedCell",
    "ReportedField",
    "class_fractions_svg",
    "draw_contact_sheet",
    "draw_outlines",
    "draw_overlay",
    "write_report",
]
