"""What the tasks call, one file a command. Each returns an exit code; errors are reported, not raised."""
