#!/usr/bin/env bash
#SBATCH --job-name=stylize
#SBATCH --array=1-16
#SBATCH --cpus-per-task=4
#SBATCH --time=02:00:00
#SBATCH --requeue
#SBATCH --output=%x-%A-%a.log
# A folder of pictures in one style, shared among the tasks of a job array:
#
#   sbatch examples/slurm_infer.sh STYLE PHOTOS OUTPUT [OPTIONS of infer]
#   sbatch --array=1-100 examples/slurm_infer.sh great_wave photos stylized --max-size 1920
#
# Which task makes a picture follows from the pictures' names alone, and each is made once. A task that
# is started again leaves what is there. To start some again, say of how many tasks they were:
#
#   SHARDS=16 sbatch --array=3,7 examples/slurm_infer.sh STYLE PHOTOS OUTPUT
#
# On GPUs: sbatch --gpus-per-task=1 …
set -euo pipefail
style=$1 photos=$2 output=$3
shift 3
exec "${PYTHON:-python}" -m fststyle infer "$style" "$photos" --output "$output" --skip-existing \
  --shard "$SLURM_ARRAY_TASK_ID/${SHARDS:-$SLURM_ARRAY_TASK_COUNT}" \
  --threads "${SLURM_CPUS_PER_TASK:-1}" "$@"
