"""What is wrong, and why: the hosts are looked at, and real calls are made by each way that media may take.

    pyinfra inventories/prod.py procedures/doctor.py [--data json=yes] [--data from=lk2] [--data webhooks=test]
    python -m procedures.doctor --access access.json [--json]     with nothing but URL and key

Changes nothing. With webhooks=test, and only then, your application gets an event. The exit status is 1 when a check
failed.
"""

if __name__ == "__main__":
    from livekit_metal.diagnosis.__main__ import main

    main()
else:
    from functools import partial

    from pyinfra import host

    from livekit_metal.core.switches import switches
    from livekit_metal.diagnosis import finish
    from livekit_metal.diagnosis.on_host import checks
    from livekit_metal.runtime.run import read_only
    from livekit_metal.site import inventory

    site = inventory.current()
    stack = site.for_host(host.name)
    in_run = frozenset(each.name for each in host.state.inventory if host.state.is_host_in_limit(each))
    read_only.gather(
        checks.needs(stack, switches(host.data.get)),
        partial(checks.of, stack, in_run, site.vault.keys_of_nodes if site.vault else {}),
        partial(finish.conclude, site),
    )
