"""What several test modules share."""

from pathlib import Path

import pytest
import study
from api_key import KEY


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository of the small study, run once and committed. Nobody changes it: `study.copy` it."""
    folder = study.create(tmp_path_factory.mktemp("a folder") / "t2ibench", study.SMALL)
    study.run(folder, "dvc", "repro")
    study.commit(folder, "its results")
    return folder


@pytest.fixture
def api_root(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The repository's root as an engine that asks an API sees it, and it is empty; the API's key, no proxy and no
    other address of the API."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    return tmp_path
