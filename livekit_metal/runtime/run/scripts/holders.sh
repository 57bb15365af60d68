# For a message about the file $1. locks.sh
who "$1"
