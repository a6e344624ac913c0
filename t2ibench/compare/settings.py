"""The section `compare` of params.yaml."""

from dataclasses import dataclass

from t2ibench.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What is compared, and what would matter. Margins, confidence and power are fractions in (0, 1).

    margin_average, margin_class: the differences that would change what one concludes; confidence: of every interval
    shown, and 1 - alpha of every test; power: with which a difference should be found, for sizes that are asked for;
    draws: of the bootstrap over prompts.
    """

    tables: str | None
    margin_average: float = 0.02
    margin_class: float = 0.05
    confidence: float = 0.95
    power: float = 0.8
    draws: int = 2000

    def __post_init__(self) -> None:
        """Raises ConfigError for a fraction that is not one, or too few draws."""
        for key in ("margin_average", "margin_class", "confidence", "power"):
            value = getattr(self, key)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1:
                raise ConfigError(f"compare.{key}", value, "a fraction above 0 and below 1")
        if self.confidence <= 0.5:
            raise ConfigError("compare.confidence", self.confidence, "a fraction above 0.5 and below 1")
        if isinstance(self.draws, bool) or self.draws < 100:
            raise ConfigError("compare.draws", self.draws, "100 draws or more")

    @property
    def alpha(self) -> float:
        """The share of wrong findings that a test may make."""
        return 1 - self.confidence
