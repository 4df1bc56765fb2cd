package main

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func (s *stats) expect(t *testing.T, seconds int, users, mirrored uint64) {
	t.Helper()
	got := s.last(seconds)
	if got.users.requests != users || got.mirrored.requests != mirrored {
		t.Errorf("last %d s: %d of users and %d mirrored; want %d and %d",
			seconds, got.users.requests, got.mirrored.requests, users, mirrored)
	}
}

func TestStatsCountApart(t *testing.T) {
	s := newStats()
	s.count(false, false, time.Second)
	s.count(false, true, time.Second)
	s.count(true, true, time.Second)

	total, _ := s.sinceStart()
	if u := total.users; u.requests != 2 || u.failed != 1 || u.latencies[stepOf(time.Second)] != 2 {
		t.Errorf("users: %d requests, %d failed", u.requests, u.failed)
	}
	if m := total.mirrored; m.requests != 1 || m.failed != 1 || m.latencies[stepOf(time.Second)] != 1 {
		t.Errorf("mirrored: %d requests, %d failed", m.requests, m.failed)
	}
}

func TestStatsWindowSlides(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStats()
		s.count(false, false, 0)
		s.expect(t, 1, 1, 0)

		time.Sleep(time.Second)
		s.expect(t, 1, 0, 0)
		s.expect(t, 2, 1, 0)

		time.Sleep(9 * time.Second)
		s.count(false, false, 0)
		s.count(true, false, 0)
		s.expect(t, 10, 1, 1)
		s.expect(t, 11, 2, 1)
		if _, uptime := s.sinceStart(); uptime != 10*time.Second {
			t.Errorf("counted for %s", uptime)
		}
	})
}

func TestStatsForgetNothingInTotal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const longest = int(longestWindow / time.Second)
		s := newStats()
		for range 3 * longest {
			s.count(false, true, 0)
			time.Sleep(time.Second)
		}
		// The second that it is now has no answer yet.
		s.expect(t, longest, uint64(longest-1), 0)
		if total, _ := s.sinceStart(); total.users.failed != uint64(3*longest) {
			t.Errorf("total %d", total.users.failed)
		}
	})
}

func TestStatsCountFromManySides(t *testing.T) {
	s := newStats()
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 1000 {
				s.count(false, false, 0)
				s.last(1)
			}
		})
	}
	group.Wait()
	if total, _ := s.sinceStart(); total.users.requests != 8000 {
		t.Errorf("counted %d", total.users.requests)
	}
}

func TestMirroredRequestsAreKnownByTheirHost(t *testing.T) {
	for host, want := range map[string]bool{
		"demo.example":             false,
		"demo.example:8080":        false,
		"demo.example-shadow":      true,
		"demo.example-shadow:8080": true,
		"10.0.0.7-shadow":          true,
		"demo-shadow.example":      false,
		"":                         false,
	} {
		if got := isMirrored(host); got != want {
			t.Errorf("%q: %t", host, got)
		}
	}
}

func BenchmarkStatsCount(b *testing.B) {
	s := newStats()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			s.count(false, false, time.Millisecond)
		}
	})
}
