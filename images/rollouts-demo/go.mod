module canarylab.dev/rollouts-demo

go 1.26
