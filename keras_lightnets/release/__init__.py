"""Weights and models handed on: released models, the hub, converted checkpoints."""
