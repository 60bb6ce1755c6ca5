#!/bin/bash
#SBATCH -N 1
#SBATCH --ntasks-per-node=4
#SBATCH --mem 8000
#SBATCH --chdir=/shared/run
srun ./mpi.x
