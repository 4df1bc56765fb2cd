package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

const (
	badErrorRate = 15 // percent
	slowLatency  = 2 * time.Second
)

var colors = []string{"blue", "green", "yellow", "orange", "red", "purple"}

// variant is what one image of this program stands for: a colour, and the
// faults that the prefix of its name brings along.
type variant struct {
	color     string
	errorRate float64 // percent of the answers
	latency   time.Duration
	unready   bool // for good
}

func parseVariant(name string) (variant, error) {
	v := variant{color: name}
	if color, bad := strings.CutPrefix(name, "bad-"); bad {
		v = variant{color: color, errorRate: badErrorRate}
	} else if color, slow := strings.CutPrefix(name, "slow-"); slow {
		v = variant{color: color, latency: slowLatency}
	} else if color, unready := strings.CutPrefix(name, "unready-"); unready {
		v = variant{color: color, unready: true}
	}
	if !slices.Contains(colors, v.color) {
		return variant{}, fmt.Errorf("want one of %s, with or without the prefix bad-, slow- or unready-",
			strings.Join(colors, ", "))
	}
	return v, nil
}
