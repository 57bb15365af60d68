"""The vocabulary roles are written in.

look     what a host is like now: one round trip, taken again only after a change
change   commands on a host; every changing one holds the work lock
lock     one deploy at a time per host, one drain at a time per site (lock_script: on the host; run_mark: here)
plan     Part (what to look at, what to do about it) and Step
stage    a Part on all hosts in parallel (prepare)
turn     Parts host by host, the first failure stops the rest (activate)
files    a role's files in one round trip, each atomic and 0600 from birth
directories  ours can be entered by the daemons, whatever umask made them
service  files + unit, restarted when the running process is not the wanted one
release  a verified artifact pushed under /opt
ready    conditions awaited, with the unit's journal when they do not come true
media    a call through a server, made here, on its host or on a peer (bridge: the ways its signalling goes)
runner   the program that makes calls, on a host (runner_pack: how it comes to be)
path     whether packets get from there to a host and back, when a call has no media
vantage  the controller's own way to a host, tried beside the connection that deploys
report   the last table of a run
"""
