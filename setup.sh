# Sourced, not run: source setup.sh
# Folders of what is kept to resume, and of results; set them before to have others.
hgcae_root="$(cd "$(dirname "${BASH_SOURCE[0]:-$0}")" && pwd)"
export WORKFLOW_DIR="${WORKFLOW_DIR:-$hgcae_root/workflow}"
export OUTPUT_DIR="${OUTPUT_DIR:-$hgcae_root/output}"
if [ -f "$hgcae_root/.venv/bin/activate" ]; then . "$hgcae_root/.venv/bin/activate"; fi
unset hgcae_root
