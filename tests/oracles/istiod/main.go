// Translates Istio's routing objects as istiod does: reads one set of objects a line, writes what a gateway's Envoy
// would say of them in its config_dump, one line a set.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"istio.io/istio/pilot/pkg/config/kube/crd"
	"istio.io/istio/pilot/pkg/model"
	"istio.io/istio/pilot/pkg/networking/core"
	"istio.io/istio/pkg/log"
	"istio.io/istio/pkg/test"
)

// The cluster's, which istiod adds to short names.
const domain = "cluster.local"

// A set of objects, as YAML documents, and the gateway that asks for its configuration.
type question struct {
	Objects   string            `json:"objects"`
	Namespace string            `json:"namespace"`
	Labels    map[string]string `json:"labels"`
}

// In the form of Envoy's /config_dump, by resource.
type answer struct {
	Listeners []json.RawMessage `json:"listeners"`
	Routes    []json.RawMessage `json:"routes"`
	// Why istiod's admission webhook would refuse one of the objects.
	Refused string `json:"refused,omitempty"`
	Error   string `json:"error,omitempty"`
}

func main() {
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
		made := core.NewConfigGenTest(t, core.TestOptions{Configs: objects})
		gateway := made.SetupProxy(&model.Proxy{
			Type:            model.Router,
			ConfigNamespace: asked.Namespace,
			Labels:          asked.Labels,
			Metadata:        &model.NodeMetadata{Namespace: asked.Namespace, Labels: asked.Labels},
		})
		listeners := made.Listeners(gateway)
		for _, each := range listeners {
			found.Listeners = append(found.Listeners, asJSON(t, each))
		}
		for _, each := range made.RoutesFromListeners(gateway, listeners) {
			found.Routes = append(found.Routes, asJSON(t, each))
		}
	})
	if err != nil {
		found.Error = err.Error()
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
