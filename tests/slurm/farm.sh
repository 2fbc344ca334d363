#!/usr/bin/env bash
# A whole Slurm on this machine: farm.sh start FOLDER, farm.sh stop FOLDER. All its files lie in FOLDER, all its ports on 127.0.0.1.
# law asks sacct, so accounting runs, too. Needs root and Debian's slurm-wlm, munge, slurmdbd and mariadb-server.
set -euo pipefail
export PATH="/usr/sbin:/sbin:$PATH"

command="$1" folder="$(realpath -m "$2")"
host="$(hostname -s)"
export SLURM_CONF="$folder/slurm.conf"

wait_for() { # SECONDS COMMAND...
    local end=$((SECONDS + $1))
    shift
    until "$@" > /dev/null 2>&1; do
        if ((SECONDS > end)); then
            echo "farm: gave up waiting for: $*" >&2
            tail -n 20 "$folder"/*.log >&2 || true
            return 1
        fi
        sleep 0.2
    done
}

configure() {
    mkdir -p "$folder/state" "$folder/spool" "$folder/db"
    chmod 755 "$folder"
    dd if=/dev/urandom of="$folder/munge.key" bs=128 count=1 status=none
    chmod 600 "$folder/munge.key"
    cat > "$folder/slurm.conf" << END
ClusterName=farm
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$folder/munge.socket
SlurmctldPort=26817
SlurmdPort=26818
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
# Eight jobs at a time, whatever the machine has.
SlurmdParameters=config_overrides
SelectTypeParameters=CR_CPU
SchedulerParameters=batch_sched_delay=0,sched_min_interval=100000
ReturnToService=2
KillWait=2
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort=26819
AccountingStoragePass=$folder/munge.socket
MailProg=/bin/true
JobAcctGatherType=jobacct_gather/none
NodeName=$host NodeAddr=127.0.0.1 CPUs=8 RealMemory=$(awk '/MemTotal/ {print int($2 / 1024 * 0.9)}' /proc/meminfo)
PartitionName=all Nodes=$host Default=YES MaxTime=INFINITE State=UP
END
    cat > "$folder/slurmdbd.conf" << END
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort=26819
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$folder/munge.socket
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort=26820
StorageUser=slurm
StoragePass=slurm
StorageLoc=slurm
LogFile=$folder/slurmdbd.log
PidFile=$folder/slurmdbd.pid
END
    chmod 600 "$folder/slurmdbd.conf"
}

start() {
    configure
    munged --force --key-file="$folder/munge.key" --socket="$folder/munge.socket" --pid-file="$folder/munged.pid" \
        --log-file="$folder/munged.log" --seed-file="$folder/munge.seed"
    mariadb-install-db --no-defaults --datadir="$folder/db" --user=root --auth-root-authentication-method=normal > "$folder/install-db.log" 2>&1
    setsid mariadbd --no-defaults --datadir="$folder/db" --socket="$folder/db.socket" --port=26820 --bind-address=127.0.0.1 \
        --user=root --pid-file="$folder/mariadbd.pid" > "$folder/mariadbd.log" 2>&1 < /dev/null &
    local sql=(mariadb --no-defaults --socket="$folder/db.socket" --user=root)
    wait_for 60 "${sql[@]}" -e "select 1"
    "${sql[@]}" -e "create user slurm@'127.0.0.1' identified by 'slurm'; create user slurm@localhost identified by 'slurm';
        grant all on slurm.* to slurm@'127.0.0.1'; grant all on slurm.* to slurm@localhost"
    slurmdbd
    wait_for 60 sacctmgr --noheader list cluster
    sacctmgr --immediate add cluster farm > /dev/null
    slurmctld
    slurmd
    wait_for 60 bash -c 'sinfo --noheader --format=%t | grep -q idle'
}

stop() {
    local daemon pid
    # Jobs outlive the daemons.
    if kill -0 "$(cat "$folder/slurmctld.pid" 2> /dev/null || echo none)" 2> /dev/null; then
        scancel --quiet --partition=all || true
        wait_for 30 bash -c '[ -z "$(squeue --noheader)" ]' || true
    fi
    for daemon in slurmd slurmctld slurmdbd mariadbd munged; do
        pid="$(cat "$folder/$daemon.pid" 2> /dev/null || true)"
        [ -n "$pid" ] && kill "$pid" 2> /dev/null && wait_for 20 bash -c "! kill -0 $pid" || true
    done
    rm -rf "$folder"
}

case "$command" in
    start) set -E; trap stop ERR; start ;;
    stop) stop ;;
    *) echo "farm: expected start or stop, found $command" >&2; exit 2 ;;
esac
