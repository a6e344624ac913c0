"""One request over the wire, through the openai client, and the key that must stay out of all that is kept."""

import json
import logging
import os
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from t2ibench.errors import ConfigError
from t2ibench.keys import KEY, secret_key
from t2ibench.paid.answers import KEPT_HEADERS, Arrived

OPENAI = "https://api.openai.com/v1"


def post(call: Callable[[], Any], key: str) -> Arrived:
    """Sends one request, once; returns what came back, without the key. call: a `with_raw_response` method, bound."""
    from openai import APIError, APIStatusError

    _mask_logs(key)
    try:
        answer = call()
    except APIStatusError as error:
        answer = error.response
    except APIError as error:
        return Arrived(lost=type(error.__cause__ or error).__name__)
    headers = {name: answer.headers[name] for name in KEPT_HEADERS if name in answer.headers}
    if key and "x-request-id" in headers:
        headers["x-request-id"] = headers["x-request-id"].replace(key, "[key]")
    return Arrived(answer.status_code, headers, _without(answer.content, key))


def api_key() -> str:
    """The key of the environment. Raises MissingError, which does not show it, where it cannot be one."""
    return secret_key(f"{KEY} is not set", f"export {KEY}=… (kept out of every file)")


class _Masked(logging.Filter):
    """Replaces the key in what a handler writes: the client's log, where it is on, repeats the server's headers."""

    def __init__(self, key: str) -> None:
        super().__init__()
        self.key = key

    def filter(self, record: logging.LogRecord) -> bool:
        """Lets every record through, without the key."""
        said = record.getMessage()
        if self.key in said:
            record.msg, record.args = said.replace(self.key, "[key]"), None
        return True


def _mask_logs(key: str) -> None:
    """Keeps the key out of whatever log is set up by now (`OPENAI_LOG=debug` sets one up with the client)."""
    for handler in logging.getLogger().handlers if key else ():
        if not any(isinstance(one, _Masked) and one.key == key for one in handler.filters):
            handler.addFilter(_Masked(key))


def _without(body: bytes, key: str) -> bytes:
    """A body in which the server does not quote the key. Base64 of pictures is left alone: a short key may be in it."""
    if not key or not (key.encode() in body or b"\\" in body):  # escaped, the key looks other than it reads
        return body
    try:
        told = json.loads(body)
        scrubbed = _scrubbed(told, key)
    except (ValueError, RecursionError):
        return body.replace(key.encode(), b"[key]")
    return body if scrubbed == told else json.dumps(scrubbed).encode()


def _scrubbed(value: Any, key: str) -> Any:
    if isinstance(value, dict):
        return {_scrubbed(k, key): v if k == "b64_json" else _scrubbed(v, key) for k, v in value.items()}
    if isinstance(value, list):
        return [_scrubbed(one, key) for one in value]
    return value.replace(key, "[key]") if isinstance(value, str) else value


def address(base_url: str | None) -> str:
    """Where requests go: to the setting's server, else to OPENAI_BASE_URL's, else to OpenAI's own."""
    return base_url or os.environ.get("OPENAI_BASE_URL") or OPENAI


def bare(url: str, key: str) -> str:
    """A URL without user, password and query. Raises ConfigError, which shows no secret, where it is none."""
    parts = urlsplit(url)
    host = parts.hostname
    if parts.scheme not in ("http", "https") or not host:
        raise ConfigError(key, host or "…", "http://<host>/… or https://<host>/…")
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{host}{port}{parts.path.rstrip('/')}"
