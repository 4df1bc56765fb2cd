package main

import (
	"context"
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
	"testing"
)

// startTLS runs a service on loopback and returns the address of /color and
// two clients that trust the service, the second of which speaks h2.
func startTLS(t *testing.T, draining *atomic.Bool) (url string, http1, http2 *http.Client) {
	t.Helper()
	certificate, leaf := makeCertificate(t)
	plain, encrypted, err := listen("127.0.0.1:0", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}

	stop, endStop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() {
		service := newService(newHandler(sample, faultsOf(0), draining), certificate, draining, 0)
		ended <- service.run(stop, context.Background(), plain, encrypted)
	}()
	client := func(http2 bool) *http.Client {
		transport := &http.Transport{
			TLSClientConfig:   &tls.Config{RootCAs: trusting(leaf)},
			ForceAttemptHTTP2: http2,
		}
		t.Cleanup(transport.CloseIdleConnections)
		return &http.Client{Transport: transport}
	}
	t.Cleanup(func() {
		endStop()
		if err := <-ended; err != nil {
			t.Errorf("run: %v", err)
		}
	})
	return "https://" + encrypted.Addr().String() + "/color", client(false), client(true)
}

// fetch makes one request and tells whether it went over a new connection.
func fetch(t *testing.T, client *http.Client, url string) (proto, body string, fresh bool) {
	t.Helper()
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
		GotConn: func(connection httptrace.GotConnInfo) { fresh = !connection.Reused },
	})
	request, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.Proto, string(content), fresh
}

func TestTLSRoundTrip(t *testing.T) {
	url, http1, http2 := startTLS(t, new(atomic.Bool))
	for want, client := range map[string]*http.Client{"HTTP/1.1": http1, "HTTP/2.0": http2} {
		if proto, body, _ := fetch(t, client, url); proto != want || body != `"yellow"` {
			t.Errorf("got %s %s, want %s", proto, body, want)
		}
	}
}

func TestDrainingSendsHTTP2ClientsElsewhere(t *testing.T) {
	draining := new(atomic.Bool)
	url, _, client := startTLS(t, draining)

	fetch(t, client, url)
	if _, _, fresh := fetch(t, client, url); fresh {
		t.Error("a new connection without need")
	}
	draining.Store(true)
	// The client goes on using the connection until it has read the GOAWAY.
	for range 100 {
		_, body, fresh := fetch(t, client, url)
		if body != `"yellow"` {
			t.Fatalf("got %s", body)
		}
		if fresh {
			return
		}
	}
	t.Error("the client stays")
}
