package restapi

import (
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"
)

// A bucket gives out requests at a rate, and a burst at once.
type bucket struct {
	tokens float64
	at     time.Time
}

// take takes a request, if there is one at now.
func (b *bucket) take(rate, burst float64, now time.Time) bool {
	burst = max(burst, 1)
	if b.at.IsZero() {
		b.tokens = burst
	} else {
		b.tokens = min(burst, b.tokens+rate*now.Sub(b.at).Seconds())
	}
	b.at = now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

// maxBuckets bounds what is remembered: a full bucket need not be.
const maxBuckets = 1 << 16

// buckets are throttles by name.
type buckets struct {
	mu     sync.Mutex // guards byName
	byName map[string]*bucket
}

// take takes a request of a throttle's. No throttle has room for all.
func (b *buckets) take(name string, t *Throttle, now time.Time) bool {
	if t == nil || t.RateLimit < 0 || t.BurstLimit < 0 {
		return true
	}
	if t.RateLimit == 0 && t.BurstLimit == 0 {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.byName == nil || len(b.byName) >= maxBuckets {
		b.byName = map[string]*bucket{}
	}
	one := b.byName[name]
	if one == nil {
		one = &bucket{}
		b.byName[name] = one
	}
	return one.take(t.RateLimit, float64(t.BurstLimit), now)
}

// meter holds the request to what its API key and its stage allow: first the
// key's rate at the method, then the key's, then the method's for all.
//
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-request-throttling.html
func (x *exchange) meter() error {
	now := x.h.Book.Now()
	if x.rt.KeyRequired {
		if err := x.byKey(now); err != nil {
			return err
		}
	}
	if s := x.setup; s != nil {
		t := &Throttle{BurstLimit: s.BurstLimit, RateLimit: s.RateLimit}
		if !x.h.buckets.take("stage "+x.methodName(), t, now) {
			return refuse("THROTTLED", nil)
		}
	}
	return nil
}

func (x *exchange) methodName() string {
	return x.at.api + "/" + x.at.stage + x.rt.on.Path + " " + x.rt.HTTPMethod
}

// byKey counts the request for its API key.
func (x *exchange) byKey(now time.Time) error {
	value := x.r.Header.Get("X-Api-Key")
	if x.d.api.KeySource == "AUTHORIZER" {
		value = ""
		if x.grant != nil {
			value = x.grant.UsageKey
		}
	}
	k, err := x.h.Book.known(x.r.Context(), value)
	if err != nil {
		return refuse("API_CONFIGURATION_ERROR", err)
	}
	if value == "" || k == nil || !k.Enabled {
		return refuse("INVALID_API_KEY", errors.New("no such API key"))
	}
	plan, stage := k.planOf(x.at.api, x.at.stage)
	if plan == nil {
		return refuse("INVALID_API_KEY", errors.New("the API key has no usage plan for the stage"))
	}
	x.key = k
	x.request.Identity.APIKey, x.request.Identity.APIKeyID = k.Value, k.ID
	x.rec.Identity.APIKey, x.rec.Identity.APIKeyID = k.Value, k.ID
	name := plan.ID + "/" + k.ID
	if t := stage.throttleOf(x.rt.on.Path, x.rt.HTTPMethod); t != nil && !x.h.buckets.take("method "+name+" "+x.methodName(), t, now) {
		return refuse("THROTTLED", nil)
	}
	if !x.h.buckets.take("key "+name, plan.Throttle, now) {
		return refuse("THROTTLED", nil)
	}
	ok, err := x.h.Book.usage.take(x.r.Context(), counted{plan.ID, k.ID}, plan.Quota, now)
	if err != nil {
		return refuse("API_CONFIGURATION_ERROR", err)
	}
	if !ok {
		return &refusal{kind: "QUOTA_EXCEEDED", status: http.StatusTooManyRequests}
	}
	return nil
}

// throttleOf is what a plan says of a method of a stage: "/pets/GET".
func (s *PlanStage) throttleOf(path, method string) *Throttle {
	for _, key := range []string{path + "/" + method, strings.TrimSuffix(path, "/") + "/" + method, "*/*"} {
		if t := s.Throttle[key]; t != nil {
			return t
		}
	}
	return nil
}

// masked is an API key as logs show it: its end alone.
func masked(key string) string {
	if len(key) <= 6 {
		return strings.Repeat("*", len(key))
	}
	return strings.Repeat("*", len(key)-6) + key[len(key)-6:]
}
