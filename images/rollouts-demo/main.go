// Command rollouts-demo answers every request with its colour, so that anyone
// who looks at the answers sees which version of a rollout gave them.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
)

const (
	exitFailure       = 1
	exitMisconfigured = 2
)

func main() {
	stop, abort := signalStages()

	cfg, err := readConfig()
	if err != nil {
		exit(exitMisconfigured, err)
	}
	if err := serve(stop, abort, cfg); err != nil {
		exit(exitFailure, err)
	}
}

func exit(code int, err error) {
	fmt.Fprintln(os.Stderr, "rollouts-demo:", err)
	os.Exit(code)
}

func readConfig() (config, error) {
	hostname, err := os.Hostname()
	if err != nil {
		return config{}, err
	}
	return loadConfig(os.Getenv, hostname)
}

// serve wires the parts together and returns once the service has ended.
func serve(stop, abort context.Context, cfg config) error {
	certificate, err := newCertificate()
	if err != nil {
		return err
	}
	plain, encrypted, err := listen(cfg.httpAddress, cfg.tlsAddress)
	if err != nil {
		return err
	}
	log.Printf("%s, failing %g%%, delayed by %s, getting ready: %t; HTTP on %s, TLS on %s",
		cfg.color, cfg.errorRate, cfg.latency, !cfg.unready, plain.Addr(), encrypted.Addr())

	draining := new(atomic.Bool)
	handler := newHandler(cfg, newChaos(cfg.errorRate, cfg.latency), draining)
	return newService(handler, certificate, draining, cfg.drain).run(stop, abort, plain, encrypted)
}

// signalStages returns two contexts: the first signal ends stop, the second
// ends abort. Both signals are caught, because to process 1 of a container the
// kernel delivers no signal that is left to its default action.
func signalStages() (stop, abort context.Context) {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)

	stop, endStop := context.WithCancel(context.Background())
	abort, endAbort := context.WithCancel(context.Background())
	go func() {
		<-signals
		endStop()
		<-signals
		endAbort()
	}()
	return stop, abort
}
