"""alsem: label a room with the fewest clicks."""
