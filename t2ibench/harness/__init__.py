"""What every stage shares: the parameters, the item cache, the batch loop, the lock, the progress bar, the clock."""
