"""The board: reads records and statistics, and imports neither torch nor the rest of the suite."""
