"""Model files opened, run, measured, profiled and drawn."""
