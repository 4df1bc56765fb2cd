"""From a file to a playbook, or to what is wrong with it and in which line; the model is in canarylab/contract/."""
