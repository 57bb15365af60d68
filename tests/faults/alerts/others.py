"""Alerts that tests of their own provoke, and those that nothing does, with the reason."""

from __future__ import annotations

from collections.abc import Mapping

# By tests of their own: one alert keeps another quiet, or a deploy makes it.
ELSEWHERE: Mapping[str, str] = {
    "NodeNotServing": "the slot is stopped by SIGSTOP",
    "SignallingFailing": "clients come while it is",
    "RedisDown": "livekit-redis is stopped",
    "TargetDown": "nft drops what is for an exporter",
    "InMaintenance": "the mark of maintenance is there",
    "DrainNearDeadline": "a slot drains with a call on it, and three minutes' time",
    "DeadMansSwitch": "always",
}

_MEDIA = "needs recordings, streams or phone calls that go wrong, and the lab of row media has no Alertmanager"
NOT: Mapping[str, str] = {
    "JoinsSlow": "ten joins that take more than 5 s each, and that work",
    "PacketsAskedForAgain": "needs video over a way that loses packets: the browsers' share of it is in row browser",
    "Jitter": "needs a queue that fills and empties for ten minutes; this machine's kernel has no netem",
    "TurnFailing": "needs TURN over TLS, which this lab has not",
    "HostDown": "the only host of this lab is that of Prometheus",
    "KernelDropsPackets": "the kernel's queues are those of all labs on the machine",
    "CpuBusy": "the cores are those of all labs on the machine (quiet in this one)",
    "EdgeFilling": "16,000 connections of many addresses: a limit of the edge's own keeps any one from having them",
    "ConnectionTableFilling": "two minutes of a table that all labs of this machine share; row doctor fills it",
    "DiskFilling": "the disk is that of the machine",
    "ClockWrong": "a container cannot set the clock",
    "CertificateEnds": "holds for an hour, and this lab has no TLS",
    "RedisNotPersisting": "no user of Redis may manage it, and its disk is that of the machine",
    "RedisFilling": "half a gigabyte in Redis for five minutes, on a machine of other labs",
    "DeployUnfinished": "holds for fifteen minutes after a deploy that was killed",
    "OldCode": "holds for days",
    "EgressRefusing": _MEDIA,
    "EgressFailing": _MEDIA,
    "RecordingsNotUploaded": _MEDIA,
    "RecordingCutShort": _MEDIA,
    "IngressRefusing": _MEDIA,
    "SipRefusing": _MEDIA,
    "PhoneCallsFailing": _MEDIA,
    "AgentJobsLost": "needs a fleet: row agents kills a job and asks Prometheus",
}
