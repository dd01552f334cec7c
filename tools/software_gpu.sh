#!/usr/bin/env bash
# Software Vulkan on which burn's kernels run (Mesa 25 or later): tools/software_gpu.sh [--install]
#
# Prints the driver's file, for VK_DRIVER_FILES. Where there is none, says why and ends with 1; --install first takes it from
# Debian's packages, those of backports included, as root. Earlier Mesas crash in burn's first operation.
set -euo pipefail
oldest=25
version() { dpkg-query -W -f '${Version}' mesa-vulkan-drivers 2>/dev/null || true; }
is_new() { [ -n "$1" ] && [ "${1%%.*}" -ge "$oldest" ]; }
fail() {
    echo "no software Vulkan: $*" >&2
    exit 1
}
install() {
    [ "$(id -u)" = 0 ] || fail "only root can install mesa-vulkan-drivers"
    local release sources=/etc/apt/sources.list.d/debian.sources
    # shellcheck source=/dev/null
    release="$(. /etc/os-release && echo "${VERSION_CODENAME:-}")"
    local suite="$release-backports"
    if ! apt-cache policy 2>/dev/null | grep -q "$suite"; then
        [ -f "$sources" ] || fail "$sources is not there, to which $suite would be added"
        # The backports of the same mirror.
        awk -v suite="$suite" 'BEGIN { RS = ""; ORS = "\n\n" } !done { sub(/Suites:[^\n]*/, "Suites: " suite); print; done = 1 }' \
            "$sources" >"/etc/apt/sources.list.d/$suite.sources"
    fi
    { apt-get update && apt-get install -y --no-install-recommends -t "$suite" mesa-vulkan-drivers; } >&2 ||
        fail "apt-get could not install mesa-vulkan-drivers of $suite"
}
if ! is_new "$(version)" && [ "${1:-}" = --install ]; then
    install
fi
found="$(version)"
is_new "$found" || fail "mesa-vulkan-drivers is ${found:-not installed}, $oldest or later is needed"
driver="$(dpkg -L mesa-vulkan-drivers | grep -m1 '/lvp_icd[^/]*\.json$' || true)"
[ -n "$driver" ] || fail "mesa-vulkan-drivers has no lvp_icd file"
echo "$driver"
