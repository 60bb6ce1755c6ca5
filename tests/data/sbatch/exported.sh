#!/bin/bash
#SBATCH --export=NONE,PATH,LICENSE=27000@lic,UNSET
#SBATCH -w node[1-3],big
#SBATCH -x node9
#SBATCH -i input.txt
#SBATCH --priority=50
cat
