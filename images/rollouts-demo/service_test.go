package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

const testDrain = 5 * time.Second

// pipes is a listener without a network, so that a test can run on synctest's
// clock and see every second of a drain pass in no time.
type pipes struct {
	connections chan net.Conn
	closed      context.Context
	close       context.CancelFunc
}

func newPipes() *pipes {
	closed, end := context.WithCancel(context.Background())
	return &pipes{connections: make(chan net.Conn), closed: closed, close: end}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case connection := <-p.connections:
		return connection, nil
	case <-p.closed.Done():
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.close(); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

func (p *pipes) dial(context.Context, string, string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case p.connections <- server:
		return client, nil
	case <-p.closed.Done():
		return nil, errors.New("connection refused")
	}
}

// running is a service under test and its client.
type running struct {
	stop, abort context.CancelFunc
	client      *http.Client
	ended       chan error
}

func start(t *testing.T, latency time.Duration) *running {
	stop, endStop := context.WithCancel(t.Context())
	abort, endAbort := context.WithCancel(t.Context())
	plain, encrypted := newPipes(), newPipes()
	certificate, _ := makeCertificate(t)

	draining := new(atomic.Bool)
	handler := newHandler(sample, newChaos(0, latency), draining)
	transport := &http.Transport{DialContext: plain.dial}
	r := &running{
		stop: endStop, abort: endAbort,
		client: &http.Client{Transport: transport},
		ended:  make(chan error, 1),
	}
	go func() {
		r.ended <- newService(handler, certificate, draining, testDrain).run(stop, abort, plain, encrypted)
		transport.CloseIdleConnections()
	}()
	return r
}

// get returns the status and whether the server closes the connection.
func (r *running) get(t *testing.T, path string) (status int, closes bool) {
	t.Helper()
	response, err := r.client.Get("http://demo" + path)
	if err != nil {
		t.Errorf("GET %s: %v", path, err)
		return 0, false
	}
	response.Body.Close()
	return response.StatusCode, response.Close
}

func (r *running) expect(t *testing.T, path string, wantStatus int, wantCloses bool) {
	t.Helper()
	if status, closes := r.get(t, path); status != wantStatus || closes != wantCloses {
		t.Errorf("GET %s: status %d, closes %t; want %d, %t", path, status, closes, wantStatus, wantCloses)
	}
}

func TestServiceDrainsBeforeItEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		service := start(t, 0)
		service.expect(t, "/healthz", http.StatusOK, false)
		service.expect(t, "/color", http.StatusOK, false)

		stopped := time.Now()
		service.stop()
		for range 4 {
			synctest.Wait()
			service.expect(t, "/healthz", http.StatusServiceUnavailable, true)
			service.expect(t, "/color", http.StatusOK, true)
			time.Sleep(time.Second)
		}

		if err := <-service.ended; err != nil {
			t.Errorf("run: %v", err)
		}
		if took := time.Since(stopped); took != testDrain {
			t.Errorf("ended after %s, want %s", took, testDrain)
		}
		if _, err := service.client.Get("http://demo/color"); err == nil {
			t.Error("still answers after the end")
		}
	})
}

func TestServiceFinishesAnswersUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const latency = testDrain + 2*time.Second
		service := start(t, latency)
		began := time.Now()
		answered := make(chan time.Duration)
		go func() {
			service.expect(t, "/color", http.StatusOK, true)
			answered <- time.Since(began)
		}()
		synctest.Wait()
		service.stop()

		if took := <-answered; took != latency {
			t.Errorf("answered after %s, want %s", took, latency)
		}
		if err := <-service.ended; err != nil {
			t.Errorf("run: %v", err)
		}
	})
}

func TestServiceGivesUpOnEndlessAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		service := start(t, time.Hour)
		go service.client.Get("http://demo/color")
		synctest.Wait()
		stopped := time.Now()
		service.stop()

		if err := <-service.ended; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("run: %v", err)
		}
		if took := time.Since(stopped); took != testDrain+shutdownLimit {
			t.Errorf("ended after %s", took)
		}
	})
}

func TestServiceAborts(t *testing.T) {
	for name, after := range map[string]time.Duration{
		"while draining":      time.Second,
		"while shutting down": testDrain + time.Second,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				service := start(t, time.Hour)
				go service.client.Get("http://demo/color")
				synctest.Wait()
				stopped := time.Now()
				service.stop()
				time.Sleep(after)
				service.abort()

				if err := <-service.ended; !errors.Is(err, errAborted) {
					t.Errorf("run: %v", err)
				}
				if took := time.Since(stopped); took > after+time.Second {
					t.Errorf("ended only after %s", took)
				}
			})
		})
	}
}

func TestServiceReportsABrokenListener(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := newPipes()
		broken.Close()
		certificate, _ := makeCertificate(t)
		service := newService(http.NotFoundHandler(), certificate, new(atomic.Bool), testDrain)
		if err := service.run(t.Context(), t.Context(), broken, newPipes()); !errors.Is(err, net.ErrClosed) {
			t.Errorf("run: %v", err)
		}
	})
}

func TestListenReportsATakenAddress(t *testing.T) {
	taken, other, err := listen("127.0.0.1:0", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	defer other.Close()
	if _, _, err := listen("127.0.0.1:0", taken.Addr().String()); err == nil {
		t.Error("listened twice on one address")
	}
}
