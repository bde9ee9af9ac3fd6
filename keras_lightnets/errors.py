"""Errors that users can mend."""


class UserError(ValueError):
    """Bad input, said in one line that names the culprit and the way out; the command line prints it and nothing else."""
