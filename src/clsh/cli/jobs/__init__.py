"""What the sub-commands of jobs have in common: numbers, options, words, ends."""
