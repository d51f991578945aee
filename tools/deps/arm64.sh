# The libraries for Arm, fetched into build/aarch64-root: sourced by tools/deps.sh, whose $root, $table
# and die() it uses.
# Word splitting is meant wherever a list is passed.
# shellcheck shell=sh disable=SC2086,SC2046,SC2154

root_arm64=$root/build/aarch64-root

# apt's command $1, of a machine that is arm64 and has nothing: its lists and packages lie in
# $root_arm64.apt, so that neither root nor a foreign architecture of dpkg's is needed.
apt_arm64() {
  command=$1
  shift
  "$command" -q -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o APT::Sandbox::User=root \
    -o Dir::State::status="$root_arm64.apt/status" -o Dir::State::Lists="$root_arm64.apt/lists" \
    -o Dir::Cache="$root_arm64.apt" "$@"
}

# The libraries of the table and what they in turn link, but for the cross compiler's own.
packages_arm64() {
  set -- $(echo "$table" | sed -n 's/^L [^ ]*  *[^ ]*  *\([^ ]*\) .*/\1/p')
  echo "$@"
  apt_arm64 apt-cache depends --no-recommends --no-suggests "$@" |
    sed -n 's/^ *Depends: \(lib.*\)/\1/p' |
    grep -vE '^(libc6|libgcc-s1|libstdc\+\+6|libgomp1|libbenchmark-tools)$'
}

# A download into build/, as CMake's would be: DEPS=off has no say in it either.
unpack_arm64() {
  [ ! -e "$root_arm64/complete" ] || return 0
  rm -rf "$root_arm64" "$root_arm64.apt"
  mkdir -p "$root_arm64" "$root_arm64.apt/lists/partial" "$root_arm64.apt/archives/partial"
  : >"$root_arm64.apt/status"
  log=$root_arm64.apt/log
  echo 'deps: fetching the arm64 libraries into build/aarch64-root' >&2
  {
    apt_arm64 apt-get update && wanted=$(packages_arm64) &&
      (cd "$root_arm64.apt" && apt_arm64 apt-get download $wanted) &&
      for package in "$root_arm64.apt"/*.deb; do dpkg-deb -x "$package" "$root_arm64" || exit; done
  } >"$log" 2>&1 </dev/null || {
    sed 's/^/  /' "$log" >&2
    die 'no arm64 libraries: apt has none of them for arm64 (its own message is above)'
  }
  rm -rf "$root_arm64.apt"
  : >"$root_arm64/complete"
}
