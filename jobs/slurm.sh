#!/bin/bash
# A run on a Slurm cluster: `sbatch jobs/slurm.sh RECIPE s3://bucket/run-1 [--set ...]`, from the root of this checkout, whose .venv
# (or another environment that is active) every node sees. Docs: docs/cluster.md, "Slurm".
#SBATCH --job-name=trace-factory
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=8
#SBATCH --exclusive
#SBATCH --time=24:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
set -euo pipefail
recipe=${1:?usage: sbatch jobs/slurm.sh RECIPE OUT [more options of build_dataset.py]}
out=${2:?usage: sbatch jobs/slurm.sh RECIPE OUT [more options of build_dataset.py]}
shift 2

export PATH="$PWD/.venv/bin:$PATH"
export RAY_SYMMETRIC_RUN_CLUSTER_WAIT_TIMEOUT=600 # seconds that nodes may take to start; Ray's default is 30
head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
address=$(srun --nodes=1 --ntasks=1 --nodelist="$head" hostname --ip-address | awk '{print $1}'):6379

# Starts Ray on every node, and the job on the first. The job must be told where its cluster is: without RAY_ADDRESS it would
# start a Ray of its own on one node. A job that ends its time, or is requeued, goes on from what the bucket holds.
srun --kill-on-bad-exit=1 ray symmetric-run --address "$address" --min-nodes "$SLURM_JOB_NUM_NODES" -- \
  env RAY_ADDRESS="$address" python jobs/build_dataset.py --recipe "$recipe" --out "$out" "$@"
