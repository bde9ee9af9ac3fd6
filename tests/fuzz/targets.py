"""Every kind of input that is damaged, by name."""

from tests.fuzz import files, settings

TARGETS = {**files.TARGETS, **settings.TARGETS}
