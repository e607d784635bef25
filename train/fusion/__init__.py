"""Several views of one moment: a network that fuses what the lifter makes of each."""
