"""Every kind of input that is damaged, by name."""

from tests.fuzz import annotations, files, settings

TARGETS = {**files.TARGETS, **settings.TARGETS, **annotations.TARGETS}
