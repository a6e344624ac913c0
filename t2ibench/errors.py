"""The two errors a user can make or meet. Both print one sentence, without a traceback, and exit with code 2.

Everything else that is raised is a bug and keeps its traceback.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

EXIT_CODE = 2


class UserError(Exception):
    """What the user can mend: the message says what, where, what is accepted, and which command helps."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Comes back from another process as it was, whatever its constructor takes."""
        return self._restored, (self.args, self.__dict__)

    @classmethod
    def _restored(cls, args: tuple[Any, ...], state: dict[str, Any]) -> Self:
        error = cls.__new__(cls, *args)
        error.__dict__.update(state)
        return error


class ConfigError(UserError):
    """A setting that cannot be used.

    key: the dotted path in params.yaml, or the option or file it came from; value: what stands there;
    accepted: what may stand there, in words.
    """

    def __init__(self, key: str, value: object, accepted: str) -> None:
        self.key, self.value, self.accepted = key, value, accepted
        super().__init__(f"{key}: {value!r} cannot be used; accepted: {accepted}")


class ConfigErrors(UserError):
    """Every mistake of one configuration, shown at once."""

    def __init__(self, errors: "list[ConfigError]") -> None:
        self.errors = errors
        super().__init__("\n".join(str(error) for error in errors))


class MissingError(UserError):
    """Something that has to be there and is not, or is damaged. command: what puts it there."""

    def __init__(self, what: str, command: str) -> None:
        self.what, self.command = what, command
        super().__init__(f"{what}; this helps: {command}")


@contextmanager
def one_sentence() -> Iterator[None]:
    """Around a command: a user's error ends the process with EXIT_CODE and its sentence on stderr."""
    try:
        yield
    except UserError as error:
        print(f"t2ibench: {error}", file=sys.stderr)
        sys.exit(EXIT_CODE)
