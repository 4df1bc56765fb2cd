package main

import (
	"net"
	"strings"
	"sync"
	"time"
)

// longestWindow bounds the memory: so many seconds are kept one by one.
const longestWindow = 120 * time.Second

// stats counts the answers of this process. Every answer takes the lock for a
// few additions, so requests do not wait for one another.
type stats struct {
	start time.Time

	mutex   sync.Mutex
	total   counts
	seconds [longestWindow / time.Second]second // a ring
}

// second is what was answered in one second since the start.
type second struct {
	number int64
	counts counts
}

// counts keeps users' requests and mirrored ones apart: nobody got the answers
// to the latter.
type counts struct {
	users    tally
	mirrored tally
}

type tally struct {
	requests  uint64
	failed    uint64
	latencies histogram
}

func newStats() *stats {
	return &stats{start: time.Now()}
}

func (s *stats) count(mirrored, failed bool, latency time.Duration) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.total.of(mirrored).add(failed, latency)
	s.current().of(mirrored).add(failed, latency)
}

// current returns the counts of the second that it is now.
func (s *stats) current() *counts {
	number := s.now()
	slot := &s.seconds[number%int64(len(s.seconds))]
	if slot.number != number {
		*slot = second{number: number}
	}
	return &slot.counts
}

func (s *stats) now() int64 {
	return int64(time.Since(s.start) / time.Second)
}

// sinceStart returns a copy of all counts, and how long they were counted.
func (s *stats) sinceStart() (counts, time.Duration) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.total, time.Since(s.start)
}

// last returns the counts of the last so many seconds, of which the one that it
// is now is the last.
func (s *stats) last(seconds int) counts {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	var sum counts
	before := s.now() - int64(seconds)
	for i := range s.seconds {
		if slot := &s.seconds[i]; slot.number > before {
			sum.users.merge(&slot.counts.users)
			sum.mirrored.merge(&slot.counts.mirrored)
		}
	}
	return sum
}

func (c *counts) of(mirrored bool) *tally {
	if mirrored {
		return &c.mirrored
	}
	return &c.users
}

func (t *tally) add(failed bool, latency time.Duration) {
	t.requests++
	if failed {
		t.failed++
	}
	t.latencies.add(latency)
}

func (t *tally) merge(other *tally) {
	t.requests += other.requests
	t.failed += other.failed
	t.latencies.merge(&other.latencies)
}

// isMirrored tells a proxy's copy of a request from the request itself: Envoy
// appends -shadow to the name of the host, before its port if it has one.
func isMirrored(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return strings.HasSuffix(host, "-shadow")
}
