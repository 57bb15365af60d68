"""The virtual machines of the Vagrantfile: `vagrant up`, their host keys into .vagrant/known_hosts, then deploy.

Addresses and names are the Vagrantfile's; its VM_COUNT and VM_NETWORK are read here too, and Vagrant's own
VAGRANT_DOTFILE_PATH. VM_ARCH is the machines' architecture. VM_RELEASE and VM_SOURCE choose the livekit-server: `make
vm` builds it from its Go module.
"""

import os
from pathlib import Path

from livekit_metal import load

_count = int(os.environ.get("VM_COUNT", "1"))
_network = os.environ.get("VM_NETWORK", "192.168.56")
_vagrant = Path(__file__).parents[1] / os.environ.get("VAGRANT_DOTFILE_PATH", ".vagrant")


def _key(name: str) -> str:
    """The key that Vagrant made for a machine, whatever its provider; the user's own before `vagrant up`."""
    return next(map(str, (_vagrant / "machines" / name).glob("*/private_key")), "")


site = {
    "hosts": {
        f"lk{n}": {
            "address": f"{_network}.{10 + n}",
            "arch": os.environ.get("VM_ARCH", "amd64"),
            "roles": ["livekit", "redis", "prometheus"] if n == 1 else ["livekit"],
            "ssh": {
                "user": "vagrant",
                "key": _key(f"lk{n}"),
                "known_hosts": str(_vagrant / "known_hosts"),
                "config": "/dev/null",
            },
        }
        for n in range(1, _count + 1)
    },
    "secrets": str(_vagrant / "vagrant.secrets"),
    "secrets_key": str(_vagrant / "vagrant.key"),
    "livekit": {
        "release": os.environ.get("VM_RELEASE", "1.13.7"),
        "source": os.environ.get("VM_SOURCE", "archive"),
        "media_udp": "50000-50299",
    },
}

hosts = load(site, __file__)
