// Command istio is Istio's control plane and the agent beside its proxies in one file.
package main

import (
	"os"

	_ "github.com/KimMachineGun/automemlimit" // GOMEMLIMIT from the container's own limit
	meshconfig "istio.io/api/mesh/v1alpha1"

	agent "istio.io/istio/pilot/cmd/pilot-agent/app"
	discovery "istio.io/istio/pilot/cmd/pilot-discovery/app"
	istioagent "istio.io/istio/pkg/istio-agent"
	"istio.io/istio/pkg/log"
	"istio.io/istio/pkg/security"
	"istio.io/istio/security/pkg/nodeagent/sds"

	"github.com/spf13/cobra"

	"canarylab.dev/node/internal/multicall"
)

func main() {
	log.EnableKlogWithCobra()
	multicall.Run(map[string]func(){
		"pilot-agent":     func() { execute(agent.NewRootCommand(newSDS)) },
		"pilot-discovery": func() { execute(discovery.NewRootCommand()) },
	})
}

func newSDS(options *security.Options, secrets security.SecretManager, provider *meshconfig.PrivateKeyProvider) istioagent.SDSService {
	return sds.NewServer(options, secrets, provider)
}

func execute(command *cobra.Command) {
	if err := command.Execute(); err != nil {
		log.Error(err)
		os.Exit(1)
	}
}
