"""What the course found: every claim of the guide with its verdict, from which pages, labs and tables are made."""

from labkit.verdicts.found import CLAIMS, claim, of_chapter, show
from labkit.verdicts.verdict import DOES_NOT_HOLD, FORMS, HOLDS, HOLDS_WHEN, OPEN, Claim, tell

__all__ = ["CLAIMS", "DOES_NOT_HOLD", "FORMS", "HOLDS", "HOLDS_WHEN", "OPEN", "Claim", "claim", "of_chapter",
           "show", "tell"]
