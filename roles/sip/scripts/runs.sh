# livekit-sip has no checker. What can be found without starting it: a library that is missing, a server that does not
# answer at ws_url (it would say so with the first call only).
said=$("$1" --version 2>&1) || { echo "the program does not run here: $said"; exit 1; }
case $said in *[0-9].[0-9]*) ;; *) echo "the program tells no version: $said"; exit 1 ;; esac
