"""Images: what one says of itself, how ours are built, how any is read."""
