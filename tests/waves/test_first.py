"""Where nobody is on any host, nobody has to be waited for: all but the canary go at once.

For a lab that nothing was deployed on yet (`python -m lab up --hosts 10`): row waves of tests/run.py begins with it.
"""

from __future__ import annotations

from lab import demo, state
from lab.places import Lab as Place
from livekit_metal.site import inventory
from tests.support.hosts.deploys import Deploy
from tests.support.hosts.lab import INVENTORY, ROOT, over_ssh
from tests.waves.conftest import CANARY, WITHIN
from tests.waves.turns import all_at_once, turns, waves


def test_a_first_deploy_goes_to_all_at_once_after_the_canary() -> None:
    names = list(state.facts()["hosts"])
    run = Deploy(INVENTORY)
    told = run.end(within=WITHIN)
    assert told.status == 0, told.text
    # what over_ssh looks for beside the hosts; its secrets are of this deploy
    demo.write_access(Place(state.facts()["name"]), inventory.read(ROOT / INVENTORY))
    rest = [name for name in names if name != CANARY]
    for turn in ("Foundation", "Services"):
        assert f"{turn}, at once: {CANARY}; {', '.join(rest)}" in told.text, told.text
    seen = turns({name: over_ssh(name) for name in names}, run.began)
    assert waves(seen) == [{CANARY}, set(rest)], seen
    assert all_at_once(seen[name] for name in rest), seen
