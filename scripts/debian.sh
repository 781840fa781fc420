# To be sourced: which Debian this is and where its packages come from, as apt is set up. No host is
# named here.

# bookworm, trixie, ...; empty: not a Debian.
debian_release() { (. /etc/os-release 2>/dev/null && echo "${VERSION_CODENAME:-}"); }

# The repository of Debian itself: "<options in brackets, or nothing>|<its address>"; empty: none.
debian_mirror() {
  local here list
  here=$(debian_release)
  for list in /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; do
    [ -f "$list" ] || continue
    if [[ $list == *.sources ]]; then
      awk -v RS= -v here="$here" '{
        uri = ""; key = ""; fits = 0; off = 0
        count = split($0, lines, "\n")
        for (i = 1; i <= count; ++i) {
          words = split(lines[i], word, /[ \t]+/)
          name = tolower(word[1])
          if (name == "uris:") uri = word[2]
          if (name == "signed-by:") key = word[2]
          if (name == "enabled:" && tolower(word[2]) == "no") off = 1
          if (name == "suites:") for (w = 2; w <= words; ++w) if (word[w] == here) fits = 1
        }
        if (fits && !off && uri != "") print (key ~ /^\// ? "[signed-by=" key "]" : "") "|" uri
      }' "$list"
    else
      sed -nE "s#^deb +(\[[^]]*\] +)?([^ ]+) +$here +.*#\1|\2#p" "$list"
    fi
  done | awk 'NR == 1'
}
