#!/bin/bash
#SBATCH -J array
#SBATCH -a 1-1000%20
#SBATCH -o logs/%x_%A_%a.out
#SBATCH -e logs/%x_%A_%a.err
#SBATCH -t 90
#SBATCH --mem-per-cpu=2000
#SBATCH -c 2
./simulate --seed "$SLURM_ARRAY_TASK_ID"
