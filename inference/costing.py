"""What computing costs, at the prices of the settings."""

from __future__ import annotations

from dataclasses import dataclass

from inference.reading import Computing

SECONDS_PER_HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Prices:
    """Cost of an hour of each device, in the currency of whoever sets it; None where nobody has said."""

    cpu_hour: float | None = None
    gpu_hour: float | None = None

    def cost(self, computing: Computing) -> float | None:
        """Return what computing cost; None without a price for its device."""
        price = self.gpu_hour if computing.device == "cuda" else self.cpu_hour
        return None if price is None else price * computing.seconds / SECONDS_PER_HOUR
