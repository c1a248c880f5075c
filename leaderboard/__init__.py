"""The public leaderboard: reads records through the store and writes a static site."""
