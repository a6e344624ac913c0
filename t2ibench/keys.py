"""The key of an OpenAI-compatible server: it comes from the environment and is kept out of every file."""

import os

from t2ibench.errors import MissingError

KEY = "OPENAI_API_KEY"


def secret_key(missing: str, command: str) -> str:
    """The key of the environment; missing: what to say where there is none, command: what sets it.

    Raises MissingError, which does not show it, where it is not set or cannot be a key.
    """
    key = os.environ.get(KEY, "").strip()
    if not key:
        raise MissingError(missing, command)
    if not (key.isascii() and key.isprintable() and " " not in key):
        raise MissingError(f"{KEY} holds characters that no key has", command)
    return key
