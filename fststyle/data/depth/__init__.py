"""Pictures with known depth, to train and measure depth networks."""
