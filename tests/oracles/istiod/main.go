// Translates Istio's routing objects as istiod does: reads one set of objects a line, writes what a gateway's Envoy
// would say of them in its config_dump and clusters, one line a set.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"runtime/debug"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"istio.io/istio/pilot/pkg/config/kube/crd"
	"istio.io/istio/pilot/pkg/model"
	"istio.io/istio/pilot/pkg/networking/core"
	"istio.io/istio/pilot/pkg/xds/endpoints"
	"istio.io/istio/pkg/config/host"
	"istio.io/istio/pkg/config/protocol"
	"istio.io/istio/pkg/log"
	"istio.io/istio/pkg/test"
)

// The cluster's, which istiod adds to short names.
const domain = "cluster.local"

// Of every Service.
const (
	port     = 80
	portName = "http"
)

// A set of objects, as YAML documents, the Services that there are, and the gateway that asks for its configuration.
type question struct {
	Objects   string            `json:"objects"`
	Services  []service         `json:"services"`
	Namespace string            `json:"namespace"`
	Labels    map[string]string `json:"labels"`
	Address   string            `json:"address"`
}

// With its pods, all of which are ready; Name is the full one.
type service struct {
	Name      string `json:"name"`
	Namespace string `json:"namespace"`
	Pods      []pod  `json:"pods"`
}

type pod struct {
	Address string            `json:"address"`
	Labels  map[string]string `json:"labels"`
}

// In the form of Envoy's /config_dump, by resource.
type answer struct {
	Listeners []json.RawMessage `json:"listeners"`
	Routes    []json.RawMessage `json:"routes"`
	// The addresses behind each cluster.
	Clusters map[string][]string `json:"clusters"`
	// Why istiod's admission webhook would refuse one of the objects.
	Refused string `json:"refused,omitempty"`
	Error   string `json:"error,omitempty"`
}

func main() {
	debug.SetGCPercent(400) // there is little to keep: a third less work
	for _, scope := range log.Scopes() {
		scope.SetOutputLevel(log.NoneLevel)
	}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<24)
	out := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var asked question
		if err := json.Unmarshal(lines.Bytes(), &asked); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		if err := out.Encode(translate(asked)); err != nil {
			os.Exit(2)
		}
	}
}

func translate(asked question) (found answer) {
	err := test.Wrap(func(t test.Failer) {
		objects, _, err := crd.ParseInputs(asked.Objects)
		if err != nil {
			found.Refused = err.Error()
			return
		}
		for at := range objects {
			objects[at].Domain = domain
		}
		made := core.NewConfigGenTest(t, core.TestOptions{Configs: objects, Services: servicesOf(asked)})
		gateway := made.SetupProxy(&model.Proxy{
			Type:            model.Router,
			ConfigNamespace: asked.Namespace,
			Labels:          asked.Labels,
			IPAddresses:     []string{asked.Address},
			Metadata:        &model.NodeMetadata{Namespace: asked.Namespace, Labels: asked.Labels},
		})
		listeners := made.Listeners(gateway)
		for _, each := range listeners {
			found.Listeners = append(found.Listeners, asJSON(t, each))
		}
		for _, each := range made.RoutesFromListeners(gateway, listeners) {
			found.Routes = append(found.Routes, asJSON(t, each))
		}
		found.Clusters = map[string][]string{}
		for _, each := range asked.Services {
			made.MemRegistry.SetEndpoints(each.Name, each.Namespace, endpointsOf(each))
		}
		for _, each := range made.Clusters(gateway) {
			found.Clusters[each.Name] = addresses(made, gateway, each.Name)
		}
	})
	if err != nil {
		found.Error = err.Error()
	}
	return found
}

func servicesOf(asked question) (found []*model.Service) {
	for _, each := range asked.Services {
		found = append(found, &model.Service{
			Hostname:   host.Name(each.Name),
			Ports:      model.PortList{{Name: portName, Port: port, Protocol: protocol.HTTP}},
			Resolution: model.ClientSideLB,
			Attributes: model.ServiceAttributes{Name: each.Name, Namespace: each.Namespace},
		})
	}
	return found
}

func endpointsOf(of service) (found []*model.IstioEndpoint) {
	for _, each := range of.Pods {
		found = append(found, &model.IstioEndpoint{
			Addresses:       []string{each.Address},
			Labels:          each.Labels,
			Namespace:       of.Namespace,
			ServicePortName: portName,
			EndpointPort:    port,
			HealthStatus:    model.Healthy,
		})
	}
	return found
}

func addresses(made *core.ConfigGenTest, gateway *model.Proxy, cluster string) []string {
	found := []string{}
	builder := endpoints.NewEndpointBuilder(cluster, gateway, made.PushContext())
	for _, locality := range builder.BuildClusterLoadAssignment(made.Env().EndpointIndex).Endpoints {
		for _, each := range locality.LbEndpoints {
			found = append(found, each.GetEndpoint().GetAddress().GetSocketAddress().GetAddress())
		}
	}
	return found
}

func asJSON(t test.Failer, message proto.Message) json.RawMessage {
	written, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(message)
	if err != nil {
		t.Fatal(err)
	}
	return written
}
