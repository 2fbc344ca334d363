"""What all measurements share: statistics, distances between events, response, position, baselines, and the results of a level."""
