#!/bin/bash
#SBATCH --job-name=mpi
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=32
mpirun ./mpi.x
