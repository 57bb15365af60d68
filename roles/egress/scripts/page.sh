# $1 URL of a page that a browser is to record: it must answer, and have a script.
said=$(curl -sS -m 10 -f -L "$1" 2>&1) || { echo "${said##*curl: }" >&2; exit 1; }
case $said in *"<script"*) ;; *) echo "it has no script" >&2; exit 1 ;; esac
