"""prompts: classes and a prompts engine -> data/prompts/<kind>/. Usage: python -m experiments.prompts KIND"""

from pathlib import Path

from t2ibench.harness.stage import Stage, fresh, main
from t2ibench.records import write_json, write_rows


def run(stage: Stage) -> None:
    """Writes the prompts of one kind, and how many texts each rule rejected."""
    study = stage.params.study
    found = stage.build(stage.cell)(study.classes, study.seed)
    folder = fresh(Path("data/prompts", stage.cell))
    write_rows(folder / "prompts.jsonl", found.prompts)
    write_json(folder / "rejected.json", {"read": found.read, "rejected": found.rejected,
                                            **({"files": found.files} if found.files else {})})


if __name__ == "__main__":
    main("prompts", run, lambda params: list(params.prompts))
