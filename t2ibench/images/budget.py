"""What one run may spend on images."""

import threading

from t2ibench.errors import UserError


class Purse:
    """US dollars that are left, shared by threads. A price is taken before a request is sent."""

    def __init__(self, budget_usd: float) -> None:
        self.left = budget_usd
        self._lock = threading.Lock()

    def take(self, price: float) -> None:
        """Raises UserError where the price is more than what is left."""
        with self._lock:
            if price > self.left + 1e-9:  # sums of prices are rounded
                left = max(self.left, 0.0)
                raise UserError(f"the next image costs {price} USD and images.openai.budget_usd has {left:.2f} left")
            self.left -= price

    def give_back(self, price: float) -> None:
        """Returns the price of a request that was not billed."""
        with self._lock:
            self.left += price
