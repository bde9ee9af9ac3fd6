"""Errors that users can mend."""


class UserError(ValueError):
    """Bad input, said in one line that names the culprit and the way out."""


class NotWrittenError(UserError):
    """A file that could not be written because of its place, whatever it holds."""
