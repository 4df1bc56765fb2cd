// Command gatewayapi-plugin has Argo's controller split traffic by a Gateway API HTTPRoute: it stands in for Argo's own
// plugin where that can't be had (docs/adr/0016). The controller starts it and talks to it over a pipe.
package main

import (
	"github.com/argoproj/argo-rollouts/rollout/trafficrouting/plugin/rpc"
	"github.com/hashicorp/go-plugin"

	"canarylab.dev/node/internal/gatewayapi"
)

func main() {
	plugin.Serve(&plugin.ServeConfig{
		// What Argo's controller asks of every traffic router, and the name under which it looks for one
		// (rollout/trafficrouting/plugin/client).
		HandshakeConfig: plugin.HandshakeConfig{
			ProtocolVersion:  1,
			MagicCookieKey:   "ARGO_ROLLOUTS_RPC_PLUGIN",
			MagicCookieValue: "trafficrouter",
		},
		Plugins: plugin.PluginSet{
			"RpcTrafficRouterPlugin": &rpc.RpcTrafficRouterPlugin{Impl: &gatewayapi.Router{}},
		},
	})
}
