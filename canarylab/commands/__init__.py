"""What the tasks call: one file a command, and run.py, by which errors become messages and exit codes."""
