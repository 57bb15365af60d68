# Directories with a wrong mode. $1 parents of ours two deep, $2 ours themselves, $3 those above, $4 all ways to ours
# (each of them words), $5 what is in a directory whose programs are kept from everybody.
# `ours MODE PATH` for one of ours, or one above that holds nothing but ours; `above MODE PATH` for another one above
# that keeps others out. A set-group-ID bit is the file system's affair.
# shellcheck disable=SC2086
wrong='( ! -perm -755 -o -perm /022 )'
{
  find $1 -maxdepth 2 -type d -user root $wrong
  find $2 -maxdepth 0 -type d $wrong
} | while read -r d; do [ -e "$d/$5" ] || echo "ours $(stat -c %a "$d") $d"; done
for d in $3; do
  [ -n "$(find "$d" -maxdepth 0 -type d ! -perm -001)" ] || continue
  whose=ours
  # shellcheck disable=SC2045  # names with blanks are nobody's of ours, in pieces too
  for e in $(ls -A "$d"); do case " $4 " in *" $d/$e "*) ;; *) whose=above ;; esac; done
  echo "$whose $(stat -c %a "$d") $d"
done
