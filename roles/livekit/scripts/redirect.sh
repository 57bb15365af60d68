# New sessions change slots by the program $2, and then newcomers to UDP 443 follow: the script $1 reads where they go.
# Run by eval in hand-over.sh, whose variables both have.
eval "$2"
[ ! -e "$1" ] || /bin/sh "$1"
