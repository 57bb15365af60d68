"""Agents: fleets of workers in slots. A change starts beside the running one and is proved by a job."""
