"""What was built, as one file: packed on one machine, checked and unpacked on others that needn't have a network."""
