package main

import (
	"strings"
	"testing"
	"time"
)

func load(t *testing.T, env map[string]string) (config, error) {
	t.Helper()
	return loadConfig(func(name string) string { return env[name] }, "host-1")
}

func TestConfigDefaults(t *testing.T) {
	got, err := load(t, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := config{
		color:       "blue",
		pod:         "host-1",
		httpAddress: ":8080",
		tlsAddress:  ":8443",
		drain:       5 * time.Second,
	}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestConfigReadsEveryVariable(t *testing.T) {
	got, err := load(t, map[string]string{
		"COLOR":        "green",
		"ERROR_RATE":   "12.5",
		"LATENCY":      "250ms",
		"POD_NAME":     "demo-abc",
		"REVISION":     "abc",
		"HTTP_ADDRESS": "127.0.0.1:80",
		"TLS_ADDRESS":  "[::1]:443",
		"DRAIN":        "0s",
	})
	if err != nil {
		t.Fatal(err)
	}
	want := config{
		color:       "green",
		errorRate:   12.5,
		latency:     250 * time.Millisecond,
		pod:         "demo-abc",
		revision:    "abc",
		httpAddress: "127.0.0.1:80",
		tlsAddress:  "[::1]:443",
	}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestConfigVariants(t *testing.T) {
	for name, test := range map[string]struct {
		env       map[string]string
		color     string
		errorRate float64
		latency   time.Duration
		unready   bool
	}{
		"plain": {
			env:   map[string]string{"COLOR": "purple"},
			color: "purple",
		},
		"bad": {
			env:   map[string]string{"COLOR": "bad-yellow"},
			color: "yellow", errorRate: 15,
		},
		"slow": {
			env:   map[string]string{"COLOR": "slow-yellow"},
			color: "yellow", latency: 2 * time.Second,
		},
		"unready": {
			env:   map[string]string{"COLOR": "unready-yellow"},
			color: "yellow", unready: true,
		},
		"the variant's faults give way to explicit ones": {
			env:   map[string]string{"COLOR": "bad-red", "ERROR_RATE": "0", "LATENCY": "1s"},
			color: "red", errorRate: 0, latency: time.Second,
		},
		"empty variables leave the variant's faults alone": {
			env:   map[string]string{"COLOR": "slow-red", "ERROR_RATE": "", "LATENCY": ""},
			color: "red", latency: 2 * time.Second,
		},
	} {
		t.Run(name, func(t *testing.T) {
			cfg, err := load(t, test.env)
			if err != nil {
				t.Fatal(err)
			}
			want := variant{color: test.color, errorRate: test.errorRate, latency: test.latency, unready: test.unready}
			if got := (variant{cfg.color, cfg.errorRate, cfg.latency, cfg.unready}); got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
}

func TestConfigRefuses(t *testing.T) {
	for name, values := range map[string][]string{
		"COLOR":        {"pink", "Blue", "bad-", "bad-pink", "bad-slow-yellow", "yellow-bad", "unready-"},
		"ERROR_RATE":   {"130", "-1", "half", "NaN", "15%"},
		"LATENCY":      {"soon", "2", "-1s"},
		"DRAIN":        {"later", "-5s"},
		"HTTP_ADDRESS": {"8080", "localhost"},
		"TLS_ADDRESS":  {"a:b:c"},
	} {
		for _, value := range values {
			t.Run(name+"="+value, func(t *testing.T) {
				_, err := load(t, map[string]string{name: value})
				if err == nil {
					t.Fatal("accepted")
				}
				if want := name + `="` + value + `": want `; !strings.HasPrefix(err.Error(), want) {
					t.Errorf("message %q does not start with %q", err, want)
				}
			})
		}
	}
}

func TestConfigReportsAllProblemsOnOneLine(t *testing.T) {
	_, err := load(t, map[string]string{"COLOR": "pi\nnk", "ERROR_RATE": "130"})
	if err == nil {
		t.Fatal("accepted")
	}
	message := err.Error()
	if !strings.Contains(message, "COLOR") || !strings.Contains(message, "ERROR_RATE") || strings.Contains(message, "\n") {
		t.Errorf("got %q", message)
	}
}
