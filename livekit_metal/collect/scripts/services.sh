# Our units and what has failed. Arguments and environments of processes stay where they are.
systemctl list-units --all --plain --no-legend --no-pager 'livekit-*' 'lkm-*'
echo "# failed"; systemctl list-units --failed --plain --no-legend --no-pager
echo "# timers"; systemctl list-timers --all --no-pager 'livekit-*'
echo "# more"
systemctl show --no-pager -p Id,ActiveState,SubState,Result,NRestarts,MainPID,ActiveEnterTimestamp,ExecMainStatus \
  -p MemoryCurrent,MemoryMax,TasksCurrent,CPUUsageNSec,LimitNOFILE,NeedDaemonReload 'livekit-*'
