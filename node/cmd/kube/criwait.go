package main

import (
	"context"
	"fmt"
	"os"
	"time"

	cri "k8s.io/cri-client/pkg"
)

const (
	criEndpoint = "unix:///run/containerd/containerd.sock"
	criPatience = 20 * time.Second
	criPause    = 20 * time.Millisecond
)

// waitForCRI ends once the container runtime answers as one. containerd's socket is there a moment before: kubeadm
// would fail with "server is not initialized yet".
func waitForCRI() {
	deadline := time.Now().Add(criPatience)
	for {
		_, err := cri.NewRemoteRuntimeService(context.Background(), criEndpoint, criPatience, nil, false)
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			fmt.Fprintln(os.Stderr, "the container runtime doesn't answer:", err)
			os.Exit(1)
		}
		time.Sleep(criPause)
	}
}
