"""Files of a run, its HTML report, figures, and comparisons of runs."""
