// Package multicall lets one program answer to several names, as busybox does: the node's Kubernetes parts
// share nearly all of their code, so one file with many names is a fifth of their size and links once.
package multicall

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Run calls the function whose name the program was started under. Started under another name, it takes the
// first argument for the name, so that `kube kubelet --version` works without a link.
func Run(programs map[string]func()) {
	name := filepath.Base(os.Args[0])
	if _, known := programs[name]; !known && len(os.Args) > 1 {
		os.Args = os.Args[1:]
		name = os.Args[0]
	}
	run, known := programs[name]
	if !known {
		fmt.Fprintf(os.Stderr, "no program named %q in here: start it as one of %s\n", name, strings.Join(names(programs), ", "))
		os.Exit(2)
	}
	run()
}

func names(programs map[string]func()) []string {
	all := make([]string, 0, len(programs))
	for name := range programs {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}
