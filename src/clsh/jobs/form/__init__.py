"""The form of a job: its fields, how people write them, and scripts for sbatch read as one."""
