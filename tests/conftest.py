"""What several test modules share."""

from pathlib import Path

import pytest
import study


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository of the small study, run once and committed. Nobody changes it: `study.copy` it."""
    folder = study.create(tmp_path_factory.mktemp("a folder") / "t2ibench", study.SMALL)
    study.run(folder, "dvc", "repro")
    study.commit(folder, "its results")
    return folder
