"""What a run writes for people: its records, its HTML report, comparisons of runs."""
