"""What a study needs from outside this machine: keys, money, and addresses that answer."""

import os
from collections.abc import Iterator

from t2ibench.errors import MissingError
from t2ibench.keys import KEY
from t2ibench.paid.wire import address, api_key
from t2ibench.plan import costs, machine
from t2ibench.plan.checks import Finding, State, Study


def budget(study: Study) -> Iterator[Finding]:
    """Whether the cap of an API's ledger lets the study come to its end."""
    priced = [costs.cost(study.params, cell, []) for cell in study.cells]
    for said in costs.budgets(study.params, priced):
        stops = said.endswith(costs.STOPS)
        helps = "raise study.budget_usd in conf/study" if stops else ""
        yield Finding("budget", "missing" if stops else "ok", said, helps)


def keys(study: Study) -> Iterator[Finding]:
    """Whether the key is set that live APIs need. Its value goes nowhere."""
    wanted = [name for name, _ in _apis(study)]
    if not wanted:
        yield Finding("keys", "ok", "none needed")
        return
    try:
        api_key()
        yield Finding("keys", "ok", f"{KEY} is set, for {', '.join(wanted)}")
    except MissingError as error:
        yield Finding("keys", "missing", f"{error.what}, for {', '.join(wanted)}", error.command)


def _apis(study: Study) -> list[tuple[str, str]]:
    """(section, address) of every API that still has to be asked."""
    params = study.params
    waiting = {params.sources[cell.name].images for cell in study.cells if cell.requests and cell.stage == "images"}
    found = [(f"images.{name}", params.images[name]) for name in sorted(waiting)]
    found += [(f"prompts.{cell.name}", params.prompts[cell.name]) for cell in study.cells
              if cell.requests and cell.stage == "prompts"]
    return [(section, address(node.get("base_url"))) for section, node in found]


def addresses(study: Study) -> Iterator[Finding]:
    """Whether the addresses answer that are still needed; none is asked where none is."""
    wanted: dict[str, str] = {machine.origin(url): name for name, url in _apis(study)}
    absent = {one.name for one in study.downloads}
    hub = os.environ.get("HF_ENDPOINT") or "https://huggingface.co"
    for one in study.models:
        if one.name in absent:
            source = one.sources[0]
            wanted.setdefault(machine.origin(hub if source.repository else str(source.release)), "make fetch")
    tracking = os.environ.get("MLFLOW_TRACKING_URI") or study.params.track.get("uri") or ""
    if tracking.startswith(("http://", "https://")):
        wanted.setdefault(machine.origin(tracking), "track")
    if not wanted:
        yield Finding("addresses", "ok", "none needed")
        return
    quiet = machine.silent(list(wanted))
    for url, who in wanted.items():
        why = quiet.get(url)
        state: State = "ok" if why is None else "look" if who == "track" else "missing"
        yield Finding("addresses", state, f"{machine.host(url)} {'answers' if why is None else f'is silent ({why})'}, "
                      f"for {who}", "" if why is None else "check network and proxy; make doctor asks again")
