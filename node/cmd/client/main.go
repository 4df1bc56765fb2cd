// Command client is what a user types, in one file: kubectl, helm and the kubectl plugin of Argo Rollouts.
package main

import (
	"errors"
	"fmt"
	"os"

	rollouts "github.com/argoproj/argo-rollouts/pkg/kubectl-argo-rollouts/cmd"
	rolloutsoptions "github.com/argoproj/argo-rollouts/pkg/kubectl-argo-rollouts/options"
	helm "helm.sh/helm/v4/pkg/cmd"
	"helm.sh/helm/v4/pkg/kube"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/component-base/cli"
	kubectl "k8s.io/kubectl/pkg/cmd"
	kubectlutil "k8s.io/kubectl/pkg/cmd/util"

	"canarylab.dev/node/internal/multicall"
)

func main() {
	multicall.Run(map[string]func(){
		"helm":                  runHelm,
		"kubectl":               runKubectl,
		"kubectl-argo-rollouts": runRollouts,
	})
}

func runHelm() {
	kube.ManagedFieldsManager = "helm"
	command, err := helm.NewRootCmd(os.Stdout, os.Args[1:], helm.SetupLogging)
	if err == nil {
		err = command.Execute()
	}
	if failed := (helm.CommandError{}); errors.As(err, &failed) {
		os.Exit(failed.ExitCode)
	}
	if err != nil {
		os.Exit(1) // Helm has printed it
	}
}

func runKubectl() {
	if err := cli.RunNoErrOutput(kubectl.NewDefaultKubectlCommand()); err != nil {
		kubectlutil.CheckErr(err)
	}
}

func runRollouts() {
	streams := genericiooptions.IOStreams{In: os.Stdin, Out: os.Stdout, ErrOut: os.Stderr}
	command := rollouts.NewCmdArgoRollouts(rolloutsoptions.NewArgoRolloutsOptions(streams))
	if err := command.Execute(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
