package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// With the default drain this stays below the 30 s that Kubernetes grants.
const shutdownLimit = 20 * time.Second

var errAborted = errors.New("ended by a second signal")

// service answers on a plain and on an encrypted listener and leaves without
// losing a request.
type service struct {
	server   *http.Server
	draining *atomic.Bool
	drain    time.Duration
}

func newService(handler http.Handler, certificate tls.Certificate, draining *atomic.Bool, drain time.Duration) *service {
	return &service{
		server: &http.Server{
			Handler: handler,
			TLSConfig: &tls.Config{
				Certificates: []tls.Certificate{certificate},
				MinVersion:   tls.VersionTLS12,
				// Spelt out because one server serves both listeners: should
				// the plain one start first, net/http would offer h2 on the
				// other and yet not speak it.
				NextProtos: []string{"h2", "http/1.1"},
			},
			// There is no idle timeout on purpose: closing a connection that
			// a proxy is about to use again loses that proxy's request.
			ReadHeaderTimeout: 30 * time.Second,
		},
		draining: draining,
		drain:    drain,
	}
}

func listen(httpAddress, tlsAddress string) (plain, encrypted net.Listener, err error) {
	if plain, err = net.Listen("tcp", httpAddress); err != nil {
		return nil, nil, err
	}
	if encrypted, err = net.Listen("tcp", tlsAddress); err != nil {
		plain.Close()
		return nil, nil, err
	}
	return plain, encrypted, nil
}

// run serves until stop ends, then drains and shuts down. The end of abort cuts
// both short.
func (s *service) run(stop, abort context.Context, plain, encrypted net.Listener) error {
	defer s.server.Close()

	broken := make(chan error, 2)
	go func() { broken <- s.server.Serve(plain) }()
	go func() { broken <- s.server.ServeTLS(encrypted, "", "") }()

	select {
	case err := <-broken:
		return err
	case <-stop.Done():
	}

	log.Printf("draining for %s", s.drain)
	s.draining.Store(true)
	// Proxies learn only gradually that this pod is going; until all of them
	// have, requests go on arriving.
	if err := sleep(abort, s.drain); err != nil {
		return errAborted
	}
	return s.shutdown(abort)
}

// shutdown closes the listeners and waits for the answers under way.
func (s *service) shutdown(abort context.Context) error {
	limited, cancel := context.WithTimeout(abort, shutdownLimit)
	defer cancel()

	err := s.server.Shutdown(limited)
	switch {
	case abort.Err() != nil:
		return errAborted
	case err != nil:
		return fmt.Errorf("answers still under way after %s: %w", shutdownLimit, err)
	default:
		return nil
	}
}
