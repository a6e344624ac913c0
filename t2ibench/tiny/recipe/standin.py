"""The stand-in for a second generator: the same network, trained on surreal scenes.

Its pictures look different and are harder to classify, as the second generator's are.
"""

from t2ibench.tiny.recipe import diffusion
from t2ibench.tiny.recipe.common import Options


def train(options: Options) -> None:
    """Train on from the generator's averaged weights."""
    diffusion.train_part(options, "standin", surreal=True)
