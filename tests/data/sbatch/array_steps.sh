#!/bin/sh
#SBATCH --array=0,6,16-32:4
#SBATCH --output=out.%j
echo $SLURM_ARRAY_TASK_ID
