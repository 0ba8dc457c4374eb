package sns

import (
	"encoding/json"
	"math"
	"time"
)

// A retrying says how often, and when, a web server is tried again.
//
// https://docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html
type retrying struct {
	MinDelay  int    `json:"minDelayTarget"`
	MaxDelay  int    `json:"maxDelayTarget"`
	Retries   int    `json:"numRetries"`
	MaxDelays int    `json:"numMaxDelayRetries"`
	MinDelays int    `json:"numMinDelayRetries"`
	NoDelays  int    `json:"numNoDelayRetries"`
	Backoff   string `json:"backoffFunction"`
}

// usual is SNS's own way to retry.
func usual() retrying {
	return retrying{MinDelay: 20, MaxDelay: 20, Retries: 3, Backoff: "linear"}
}

// parseDelivery reads a delivery policy: of a topic, where it is below http, or
// of a subscription.
func parseDelivery(text string, ofTopic bool) (retrying, error) {
	r := usual()
	if text == "" {
		return r, nil
	}
	var policy struct {
		HTTP struct {
			Default json.RawMessage `json:"defaultHealthyRetryPolicy"`
		} `json:"http"`
		Healthy json.RawMessage `json:"healthyRetryPolicy"`
	}
	if err := json.Unmarshal([]byte(text), &policy); err != nil {
		return r, invalid("DeliveryPolicy: failed to parse JSON. %s", err)
	}
	raw := policy.Healthy
	if ofTopic {
		raw = policy.HTTP.Default
	}
	if len(raw) == 0 || string(raw) == "null" {
		return r, nil
	}
	if err := json.Unmarshal(raw, &r); err != nil {
		return r, invalid("DeliveryPolicy: %s", err)
	}
	return r, r.check()
}

func (r retrying) check() error {
	switch {
	case r.Retries < 0 || r.Retries > 100:
		return invalid("DeliveryPolicy: numRetries must be between 0 and 100")
	case r.MinDelay < 1 || r.MaxDelay > 3600 || r.MinDelay > r.MaxDelay:
		return invalid("DeliveryPolicy: minDelayTarget must be at least 1 and no more than maxDelayTarget, which is at most 3600")
	case r.NoDelays < 0 || r.MinDelays < 0 || r.MaxDelays < 0 || r.NoDelays+r.MinDelays+r.MaxDelays > r.Retries:
		return invalid("DeliveryPolicy: numNoDelayRetries, numMinDelayRetries and numMaxDelayRetries must not add up to more than numRetries")
	}
	switch r.Backoff {
	case "linear", "arithmetic", "geometric", "exponential":
		return nil
	}
	return invalid("DeliveryPolicy: backoffFunction must be arithmetic, exponential, geometric or linear")
}

// wait is how long to wait before the nth retry, from 1 on.
func (r retrying) wait(n int) time.Duration {
	low, high := float64(r.MinDelay), float64(r.MaxDelay)
	growing := r.Retries - r.NoDelays - r.MinDelays - r.MaxDelays
	i := n - r.NoDelays - r.MinDelays // within the phase that grows
	seconds := high
	switch {
	case n <= r.NoDelays:
		return 0
	case i <= 0:
		seconds = low
	case i <= growing && growing > 1:
		seconds = low + (high-low)*r.grown(float64(i-1)/float64(growing-1))
	case i <= growing:
		seconds = low
	}
	return time.Duration(seconds * float64(time.Second))
}

// grown bends the way from 0 to 1.
func (r retrying) grown(x float64) float64 {
	switch r.Backoff {
	case "arithmetic":
		return x * (x + 1) / 2
	case "geometric":
		return x * x
	case "exponential":
		return math.Expm1(3*x) / math.Expm1(3)
	}
	return x
}

// effective is the delivery policy that is in force, as the API shows it.
func effective(text string) string {
	r, err := parseDelivery(text, true)
	if err != nil {
		r = usual()
	}
	out, err := encode(map[string]any{"http": map[string]any{
		"defaultHealthyRetryPolicy": r, "disableSubscriptionOverrides": false,
		"defaultRequestPolicy": map[string]any{"headerContentType": "text/plain; charset=UTF-8"},
	}})
	if err != nil {
		return text
	}
	return string(out)
}
