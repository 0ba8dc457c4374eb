package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/mayfly-faas/mayfly/internal/wire/sigv4"
)

// A target is something that answers a POST. Mayfly and the rival get the very
// same signed request from the same client, so its cost is in both.
type target struct {
	url     string
	creds   sigv4.Credentials
	client  *http.Client
	payload []byte
}

// hit makes one request and wants a 200 without a function error.
func (t target) hit() error {
	r, err := http.NewRequest("POST", t.url, bytes.NewReader(t.payload))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	sigv4.Sign(r, t.payload, t.creds, "us-east-1", "lambda", time.Now())
	res, err := t.client.Do(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode != 200 || res.Header.Get("X-Amz-Function-Error") != "" {
		return fmt.Errorf("%s: %s %s", t.url, res.Status, body)
	}
	return nil
}

// load lets callers hit t for a while; it returns each request's milliseconds
// and how many there were in a second.
func (t target) load(callers int, length time.Duration) (ms []float64, perSec float64, err error) {
	var (
		mu sync.Mutex // guards ms and err
		wg sync.WaitGroup
	)
	start := time.Now()
	for range callers {
		wg.Go(func() {
			var mine []float64
			for time.Since(start) < length {
				began := time.Now()
				if e := t.hit(); e != nil {
					mu.Lock()
					err = e
					mu.Unlock()
					return
				}
				mine = append(mine, millis(time.Since(began)))
			}
			mu.Lock()
			ms = append(ms, mine...)
			mu.Unlock()
		})
	}
	wg.Wait()
	return ms, float64(len(ms)) / time.Since(start).Seconds(), err
}

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// spread is the lowest and the highest median of five consecutive parts of ms.
// With several callers the parts are of callers rather than of time.
func spread(ms []float64) (low, high float64) {
	const parts = 5
	if len(ms) < parts {
		return 0, 0
	}
	for i := range parts {
		m := quantile(slices.Clone(ms[i*len(ms)/parts:(i+1)*len(ms)/parts]), .5)
		if i == 0 {
			low = m
		}
		low, high = min(low, m), max(high, m)
	}
	return low, high
}

// quantile is the q-th of ms, which it sorts.
func quantile(ms []float64, q float64) float64 {
	if len(ms) == 0 {
		return 0
	}
	slices.Sort(ms)
	return ms[min(len(ms)-1, int(q*float64(len(ms))))]
}
