# Sets s to SSH_CONNECTION, of this very connection: sudo drops the variable, an ancestor still has it.
s=${SSH_CONNECTION-} p=$$
while [ -z "$s" ] && [ "${p:-0}" -gt 1 ]; do
  s=$(tr '\0' '\n' <"/proc/$p/environ" | sed -n 's/^SSH_CONNECTION=//p')
  p=$(sed -n 's/^PPid:[[:space:]]*//p' "/proc/$p/status")
done
