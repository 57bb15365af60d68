"""The lab with ingress on its first host."""

from stack.inventory import load

from inventories.lab import site as _lab_site  # isort: skip

_hosts = dict(_lab_site["hosts"])
_first = next(iter(_hosts))
_hosts[_first] = {**_hosts[_first], "roles": [*_hosts[_first]["roles"], "ingress"]}
site = {
    **_lab_site,
    "hosts": _hosts,
    "ingress": {
        # The machine is shared and small: a stream must not be refused because somebody builds something on it.
        "cpu_cost": {"rtmp": 0.01, "whip": 0.01, "url": 0.01, "whip_bypass": 0.01, "min_idle": 0.01},
        "process_list": "hide",
    },
}

hosts = load(site, __file__)
