"""What tests of voice programs need: damage that comes back the same each time."""

from opuscule.testing.impairment import BurstLoss

__all__ = ["BurstLoss"]
