"""``python -m lab up|down|status|ssh|reboot|kill|start``; a message and status 1 when it cannot be done."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from lab import verbs
from lab.images.arch import ARCHES
from lab.images.sources import RELEASES
from lab.places import DEFAULT_NAME, Lab
from lab.run import LabError


def _parser() -> argparse.ArgumentParser:
    about = "Disposable Debian hosts on this machine."
    parser = argparse.ArgumentParser(prog="python -m lab", description=about)
    named = argparse.ArgumentParser(add_help=False)
    name = os.environ.get("LAB") or DEFAULT_NAME
    named.add_argument("--name", default=name, help="which lab (or LAB=NAME)")
    verb = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    up = verb.add_parser("up", parents=[named], help="make or repair the lab")
    up.add_argument("--hosts", type=int, help=f"how many (as before; {verbs.DEFAULT_HOSTS} for a new lab)")
    up.add_argument("--release", choices=RELEASES, help=f"of Debian ({verbs.DEFAULT_RELEASE})")
    up.add_argument("--hardened", action="store_true", help="with umask 027, and deployed by a user with sudo")
    verb.add_parser("down", parents=[named], help="remove every trace of it but the cached images")
    up.add_argument("--vm", action="store_true", help="virtual machines by Vagrant, not containers")
    up.add_argument("--arch", choices=ARCHES, help="of virtual machines (this machine's own)")
    demo = verb.add_parser("demo", parents=[named], help="up, deploy, and a real call")
    demo.add_argument("--hosts", type=int)
    demo.add_argument("--release", choices=RELEASES)
    demo.add_argument("--hardened", action="store_true")
    demo.add_argument("--vm", action="store_true")
    demo.add_argument("--arch", choices=ARCHES)
    demo.add_argument("--inventory", default="inventories/lab.py")
    status = verb.add_parser("status", parents=[named], help="its hosts")
    status.add_argument("--json", action="store_true", help="for programs")
    for word, text in (
        ("ssh", "log in, or run a command"),
        ("reboot", "reboot a host and wait until it is ready"),
        ("kill", "cut a host's power"),
        ("start", "switch a host on and wait until it is ready"),
    ):
        one = verb.add_parser(word, parents=[named], help=text)
        one.add_argument("host")
        if word == "ssh":
            one.add_argument("command", nargs=argparse.REMAINDER)
    return parser


def main(words: Sequence[str] | None = None) -> int:
    given = _parser().parse_args(words)
    try:
        lab = Lab(given.name)
        if given.verb == "up":
            verbs.up(lab, given.hosts, given.release, hardened=given.hardened, vm=given.vm, arch=given.arch)
        elif given.verb == "demo":
            from lab.demo import demo  # noqa: PLC0415 - needs packages that `up` and `down` do without

            kind = {"hardened": given.hardened, "vm": given.vm, "arch": given.arch}
            demo(lab, given.hosts, given.release, given.inventory, **kind)
        elif given.verb == "down":
            verbs.down(lab)
        elif given.verb == "status":
            verbs.status(lab, given.json)
        elif given.verb == "ssh":
            verbs.ssh(lab, given.host, given.command)
        else:
            {"reboot": verbs.reboot, "kill": verbs.kill, "start": verbs.start}[given.verb](lab, given.host)
    except LabError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("lab: interrupted; run the same command again to complete it", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
