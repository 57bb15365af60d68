"""What is wrong, and why: the hosts are looked at, and real calls are made by each way that media may take.

    pyinfra inventories/prod.py procedures/doctor.py [--data json=yes] [--data from=lk2]
    python -m procedures.doctor --access access.json [--json]     with nothing but URL and key

Changes nothing. The exit status is 1 when a check failed.
"""

if __name__ == "__main__":
    from procedures.diagnosis.__main__ import main

    main()
else:
    from functools import partial

    from pyinfra import host

    from procedures.diagnosis import hosts, shown
    from roles._kit import reading
    from stack import inventory

    site = inventory.current()
    stack = site.on(host.name)
    in_run = frozenset(each.name for each in host.state.inventory if host.state.is_host_in_limit(each))
    reading.read(
        hosts.needs(stack),
        partial(hosts.of, stack, in_run, site.vault.keys_of_nodes if site.vault else {}),
        partial(shown.conclude, site),
    )
