#!/usr/bin/env bash
#SBATCH --job-name=train-style
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=4
#SBATCH --cpus-per-task=16
#SBATCH --time=08:00:00
#SBATCH --signal=TERM@120
#SBATCH --output=%x-%j.log
# One training on all GPUs of several machines, of which all see the same files:
#
#   sbatch examples/slurm_train.sh --name my_style --style painting.jpg --content photos
#
# --batch-size is that of all GPUs together. Two minutes before its time is over the training is told
# to stop, and writes its state; the same command goes on from there.
set -euo pipefail
# srun does not take it over from the job by itself.
export SRUN_CPUS_PER_TASK="${SLURM_CPUS_PER_TASK:-1}"
nodes=$(scontrol show hostnames "$SLURM_JOB_NODELIST") # no pipe into head, which may break it
head=${nodes%%$'\n'*}
srun torchrun --nnodes "$SLURM_NNODES" --nproc-per-node "${SLURM_GPUS_ON_NODE:-1}" \
  --rdzv-backend c10d --rdzv-endpoint "$head:${PORT:-29500}" --rdzv-id "$SLURM_JOB_ID" \
  -m fststyle train --resume "$@"
