# Whatever it finds, it ends with status 0: only the text tells. A library that is not here fails before that. $1 the
# program, $2 its name
said=$("$1" --version 2>&1) || { echo "$said" >&2; exit 1; }
case $said in *"$2 version"*) ;; *) echo "$said" >&2; exit 1 ;; esac
