"""Agents, and what deploys do and leave."""

from livekit_metal.roles.prometheus.alerts.alert import grown
from livekit_metal.roles.prometheus.dashboards.board import Board, Panel

_AGENTS = 'job=~"agents-.+",host=~"$host"'
_DIED = 'job="redispatch",host=~"$host"'
_HOST = 'host=~"$host"'

AGENTS = Board(
    "agents",
    "agents",
    panels=(
        Panel(
            "Jobs now",
            ((f"sum by (component, host) (livekit_agents_jobs{{{_AGENTS}}})", "{{component}} {{host}}"),),
            "short",
            "Conversations that an agent is in.",
        ),
        Panel(
            "Workers that LiveKit knows of",
            ((f"sum by (component) (livekit_agents_registered{{{_AGENTS}}})", "{{component}}"),),
            "short",
            "0: nobody is dispatched; a worker that drains does not count.",
        ),
        Panel(
            "Jobs begun",
            (
                (
                    f"sum by (component) (rate(livekit_agents_jobs_taken_total{{{_AGENTS}}}[$__rate_interval]))",
                    "{{component}}",
                ),
            ),
            "ops",
            "Rooms that asked for one.",
        ),
        Panel(
            "Jobs lost",
            (
                (
                    grown(f"livekit_agents_jobs_lost_total{{{_AGENTS}}}", "15m", "component, host"),
                    "{{component}} {{host}}",
                ),
                (
                    grown(f"livekit_agents_jobs_lost_total{{{_DIED}}}", "15m", "fleet, host"),
                    "{{fleet}}, its host died, seen by {{host}}",
                ),
            ),
            "short",
            "In 15 minutes: the process ended before the conversation did. See the journal of livekit-agents@; that of "
            "livekit-redispatch where a host or a worker died and stayed away (agents.redispatch).",
        ),
        Panel(
            "Load as workers tell it",
            ((f"max by (component, host) (lk_agents_worker_load{{{_AGENTS}}})", "{{component}} {{host}}"),),
            "percentunit",
            "LiveKit gives jobs to whoever has least; above the worker's threshold to nobody.",
            most=1,
        ),
        Panel(
            "Registrations",
            (
                (
                    f"sum by (component) (increase(livekit_agents_registrations_total{{{_AGENTS}}}[15m]))",
                    "{{component}}",
                ),
            ),
            "short",
            "In 15 minutes. More than deploys explain: connections to LiveKit that break.",
        ),
    ),
)

DEPLOYS = Board(
    "deploys",
    "deploys and drains",
    panels=(
        Panel(
            "Releases",
            (
                (
                    f"count by (daemon, release, state) (livekit_metal_slot{{{_HOST}}})",
                    "{{daemon}} {{release}} {{state}}",
                ),
            ),
            "short",
            "Which build runs on how many slots: during a deploy the old one drains beside the new one.",
        ),
        Panel(
            "Participants by release",
            (
                (
                    f'sum by (release) (livekit_participant_total{{job="livekit",{_HOST}}} '
                    '* on (host, slot) group_left (release) livekit_metal_slot{daemon="livekit"})',
                    "{{release}}",
                ),
            ),
            "short",
            "How people move from one release to the next: nobody is moved, new calls begin on the new one.",
        ),
        Panel(
            "Until a draining slot is ended",
            ((f"livekit_metal_drain_deadline_seconds{{{_HOST}}} - time()", "{{host}} {{daemon}} {{slot}}"),),
            "s",
            "With who is on it then. Empty: nothing drains.",
        ),
        Panel(
            "Since the last change",
            ((f"time() - livekit_metal_last_change_seconds{{{_HOST}}}", "{{host}}"),),
            "s",
            "From the audit log of each host, as the lines across all panels.",
        ),
        Panel(
            "How the last change ended",
            ((f"livekit_metal_last_change{{{_HOST}}} == 1", "{{host}} {{result}}"),),
            "short",
            "began, and no run has the host: it was killed; a deploy finishes it.",
        ),
        Panel(
            "A run has the host since",
            (
                (
                    f"(time() - livekit_metal_lock_held_since_seconds{{{_HOST}}}) "
                    "and livekit_metal_lock_held_since_seconds > 0",
                    "{{host}}",
                ),
            ),
            "s",
            "Nobody else can deploy there meanwhile. Empty: no run.",
        ),
        Panel(
            "In maintenance",
            ((f"livekit_metal_maintenance{{{_HOST}}}", "{{host}}"),),
            "bool",
            "Out of service on purpose (drain.py, patch.py).",
        ),
        Panel(
            "Generations kept",
            ((f"max by (host, daemon) (livekit_metal_generations{{{_HOST}}})", "{{host}} {{daemon}}"),),
            "short",
            "Those that a rollback can go to, and those that still drain.",
        ),
        Panel(
            "Processes with old libraries",
            ((f"sum by (host, unit) (livekit_metal_old_code{{{_HOST}}}) > 0", "{{host}} {{unit}}"),),
            "short",
            "An update has replaced what they run on: deploy.py --data refresh=yes.",
        ),
        Panel(
            "Days until the certificate ends",
            ((f"(livekit_edge_certificate_not_after_timestamp_seconds{{{_HOST}}} - time()) / 86400", "{{host}}"),),
            "d",
            "ACME renews at 30.",
        ),
    ),
)
