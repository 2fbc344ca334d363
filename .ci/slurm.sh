#!/usr/bin/env bash
# Tests workflows on a real Slurm: slurm.sh PYTHON. Installs Debian's packages where they are missing, starts a farm of this one machine,
# runs tests/slurm and stops the farm. Where that is impossible, it says why and succeeds.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
python="$1"

skip() {
    echo "Slurm test skipped: $1"
    exit 0
}

export PATH="/usr/sbin:/sbin:$PATH"
[ "$(uname -s)" = Linux ] || skip "not Linux"
[ "$(id -u)" = 0 ] || skip "daemons of Slurm need root"
if ! command -v slurmctld slurmd slurmdbd munged mariadbd > /dev/null; then
    command -v apt-get > /dev/null || skip "Slurm is not installed, and there is no apt-get"
    options=(-qq -o DPkg::Lock::Timeout=300)
    export DEBIAN_FRONTEND=noninteractive
    { apt-get "${options[@]}" update && apt-get "${options[@]}" install -y --no-install-recommends slurm-wlm munge slurmdbd mariadb-server; } \
        > /dev/null || skip "apt-get could not install slurm-wlm munge slurmdbd mariadb-server"
fi

folder="$(mktemp -d /tmp/farm.XXXXXX)"
trap 'tests/slurm/farm.sh stop "$folder"' EXIT
tests/slurm/farm.sh start "$folder"
SLURM_CONF="$folder/slurm.conf" "$python" -m pytest -n0 --no-cov -v tests/slurm
