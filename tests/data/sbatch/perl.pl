#!/usr/bin/perl -w
#SBATCH -J perl -t 10:00
print "@ARGV\n";
