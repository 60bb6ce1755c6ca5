#!/bin/sh
#SBATCH --dependency=afterok:11:12,afterany:13
#SBATCH --begin=now+1hour
#SBATCH -H
#SBATCH --nice
#SBATCH --comment="the second of two"
./post.sh
