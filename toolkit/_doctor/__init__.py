"""The check-up: what is configured, what works, and what to do about what does not."""

from toolkit._doctor._checkup import Checkup, Finding
from toolkit._doctor._doctor import doctor

__all__ = ["Checkup", "Finding", "doctor"]
