"""``python -m tests.upgrade.earlier COMMIT``: hosts that an earlier commit deployed are brought over under a call.

A lab of one host is deployed by the code of COMMIT. This code's deploy follows under a call, which must not notice, and
finds nothing to do when it runs again. A change and a rollback to what the earlier code served follow, under calls too.
INVENTORY names the site; by default inventories/lab_media.py, which has every role.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

LAB = "earlier"
CHANGE = {"livekit": {"room": {"empty_timeout": 301}}}


def _git(*words: str) -> None:
    subprocess.run(["git", "worktree", *words], check=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.upgrade.earlier", description=__doc__)
    parser.add_argument("commit", help="of the code that deploys first")
    commit = parser.parse_args().commit
    os.environ["LAB"] = LAB
    os.environ.setdefault("INVENTORY", "inventories/lab_media.py")
    with tempfile.TemporaryDirectory() as directory:
        checkout = Path(directory) / "checkout"
        _git("add", "--quiet", "--detach", str(checkout), commit)
        try:
            return _brought_over(Path(directory), checkout)
        finally:
            _git("remove", "--force", str(checkout))


def _brought_over(directory: Path, checkout: Path) -> int:
    # what these modules read of the environment is there only now
    from lab import places  # noqa: PLC0415
    from lab.demo import write_access  # noqa: PLC0415
    from livekit_metal.call.access import Access  # noqa: PLC0415
    from livekit_metal.site import inventory  # noqa: PLC0415
    from tests.support.calls.background_call import talking  # noqa: PLC0415
    from tests.support.calls.control import untouched_server  # noqa: PLC0415
    from tests.support.calls.slots import serving  # noqa: PLC0415
    from tests.support.hosts.deploys import PYINFRA, Told, unchanging  # noqa: PLC0415
    from tests.support.hosts.lab import INVENTORY, ROOT, lab  # noqa: PLC0415
    from tests.upgrade.ground import Ground, tail  # noqa: PLC0415
    from tests.upgrade.rows import ROLLBACK  # noqa: PLC0415

    ground = Ground(LAB, directory)
    try:
        ground.up(1)
        place = places.Lab(LAB)
        (checkout / place.dir.name).symlink_to(place.dir)
        subprocess.run([PYINFRA, "-y", INVENTORY, "deploy.py"], cwd=checkout, check=True)
        site = inventory.read(ROOT / INVENTORY)
        write_access(place, site)
        first = site.with_role("livekit")[0]
        with untouched_server(lab()) as control:

            def under_a_call(name: str, change: Callable[[], Told]) -> None:
                with talking(Access.of(site), control, serving(site, first).node, first) as talk:
                    told = change()
                    assert told.status == 0, f"{name}:\n{tail(told.text)}"
                    print(f"--> {name}\n{tail(told.text, 8)}", flush=True)
                    talk.unnoticed()

            under_a_call("this code's deploy", ground.deploy)
            ground.settle()
            unchanging()
            under_a_call("a change by this code", lambda: ground.deploy(CHANGE))
            under_a_call("a rollback to what was there before", lambda: ground.run(ROLLBACK))
    finally:
        ground.down()
    print("passed")
    return 0


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    os._exit(status)  # the SDK's exit handler may abort the process after a failed connection (livekit 1.2.0)
