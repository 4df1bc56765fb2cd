"""What the tasks call, one file a command. Each returns an exit code; errors are told, not raised."""
