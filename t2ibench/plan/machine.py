"""What this machine is, asked without a model's library: processor, GPU, memory, and which addresses answer."""

import os
import urllib.error
import urllib.request
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import urlsplit

TIMEOUT_SECONDS = 4.0


@dataclass(frozen=True)
class Gpu:
    """The first GPU. memory, free: bytes; capability: CUDA's, (8, 6) for an RTX 3090."""

    name: str
    driver: str
    memory: int
    free: int
    capability: tuple[int, int]


def gpu() -> Gpu | None:
    """The first GPU that NVIDIA's driver names; None without a driver or a GPU."""
    import pynvml  # type: ignore[import-untyped]

    try:
        pynvml.nvmlInit()
        handle = pynvml.nvmlDeviceGetHandleByIndex(0)
        memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
        major, minor = pynvml.nvmlDeviceGetCudaComputeCapability(handle)
        return Gpu(_text(pynvml.nvmlDeviceGetName(handle)), _text(pynvml.nvmlSystemGetDriverVersion()),
                   int(memory.total), int(memory.free), (int(major), int(minor)))
    except pynvml.NVMLError:
        return None


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def memory() -> int:
    """Bytes of the machine's memory, whoever uses them now."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def host(url: str) -> str:
    """Host and port of an address, for people: never its user, password or query."""
    parts = urlsplit(url)
    return (parts.hostname or "?") + (f":{parts.port}" if parts.port else "")


def origin(url: str) -> str:
    """`https://host:port` of an address."""
    return f"{urlsplit(url).scheme}://{host(url)}"


def silent(origins: Sequence[str]) -> dict[str, str]:
    """{origin: why} for those that do not answer within TIMEOUT_SECONDS. Any HTTP status is an answer; the proxies of
    the environment are used, as by those who will ask."""
    with ThreadPoolExecutor(max(1, len(origins))) as pool:
        return {one: why for one, why in zip(origins, pool.map(_silence, origins), strict=True) if why}


def _silence(url: str) -> str:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=TIMEOUT_SECONDS):
            return ""
    except urllib.error.HTTPError:
        return ""
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        return type(reason if isinstance(reason, Exception) else error).__name__
