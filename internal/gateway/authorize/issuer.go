package authorize

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// How long an issuer's keys count, and how often he is asked. AWS keeps keys for
// two hours.
const (
	keysFresh    = time.Hour        // then they are asked for again
	keysValid    = 2 * time.Hour    // so long they count when he does not answer
	keysPause    = 5 * time.Second  // between two questions, whatever tokens come
	keysPatience = 10 * time.Second // with one answer
	maxKeys      = 1 << 20          // bytes of one answer
	maxIssuers   = 1 << 10          // that are remembered
)

// issuers are those whose keys are known.
type issuers struct {
	mu    sync.Mutex // guards byURL
	byURL map[string]*issuer
}

// An issuer is who signs tokens.
type issuer struct {
	mu      sync.Mutex    // guards what follows
	asking  chan struct{} // closed when the question under way is answered; nil when there is none
	asked   time.Time     // when the last question ended
	fetched time.Time     // when the keys came
	keys    jose.JSONWebKeySet
	err     error // of the last question
}

// key is the issuer's key with an id that is for an algorithm.
func (s *issuers) key(ctx context.Context, a *Authority, url, id, algorithm string) (*jose.JSONWebKey, error) {
	if a.Keys != nil {
		if raw, ok := a.Keys(url); ok {
			set, err := parseKeys(raw)
			if err != nil {
				return nil, fmt.Errorf("the keys that are configured for the issuer are not valid")
			}
			return choose(set, id, algorithm)
		}
	}
	i := s.of(url)
	for {
		key, next, err := i.find(a, id, algorithm)
		if next.ask {
			i.ask(ctx, a, url)
			continue
		}
		if next.wait == nil {
			return key, err
		}
		select {
		case <-next.wait:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// of is the issuer of a URL. URLs come from authorizers, which are few; should
// they be many, some are forgotten.
func (s *issuers) of(url string) *issuer {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := s.byURL[url]; i != nil {
		return i
	}
	if s.byURL == nil || len(s.byURL) >= maxIssuers {
		s.byURL = map[string]*issuer{}
	}
	i := new(issuer)
	s.byURL[url] = i
	return i
}

// A step is what to do before the next look for a key: ask the issuer, or wait
// for who does. The zero step is to take what was found.
type step struct {
	ask  bool
	wait <-chan struct{}
}

// find is a key that is known, or the step to be taken first.
func (i *issuer) find(a *Authority, id, algorithm string) (*jose.JSONWebKey, step, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	now := a.Now()
	key, err := choose(&i.keys, id, algorithm)
	if age := now.Sub(i.fetched); err == nil && age < keysFresh {
		return key, step{}, nil
	} else if age >= keysValid {
		key, err = nil, errNoKey
	}
	if i.asking != nil {
		if err == nil {
			return key, step{}, nil
		}
		return nil, step{wait: i.asking}, nil
	}
	if i.asked.IsZero() || now.Sub(i.asked) >= keysPause {
		i.asking = make(chan struct{})
		return nil, step{ask: true}, nil
	}
	if err != nil && i.err != nil {
		return nil, step{}, i.err
	}
	return key, step{}, err
}

// ask fetches the issuer's keys. It goes on when the request that needs them
// goes away: others may wait.
func (i *issuer) ask(ctx context.Context, a *Authority, url string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), keysPatience)
	defer cancel()
	set, err := a.fetch(ctx, url)
	i.mu.Lock()
	defer i.mu.Unlock()
	i.asked, i.err = a.Now(), nil
	if err != nil {
		a.Log.Warn("an issuer's keys cannot be had", "issuer", url, "error", err)
		i.err = fmt.Errorf("OIDC discovery endpoint communication error")
	} else {
		i.keys, i.fetched = *set, i.asked
	}
	close(i.asking)
	i.asking = nil
}

var errNoKey = errors.New("the token is signed with a key that its issuer does not have")

// choose is the one key of a set that a token may be signed with. A token that
// names no key may be of an issuer with one.
func choose(set *jose.JSONWebKeySet, id, algorithm string) (*jose.JSONWebKey, error) {
	var found *jose.JSONWebKey
	for n := range set.Keys {
		k := &set.Keys[n]
		if id != "" && k.KeyID != id || !k.IsPublic() || k.Use != "" && k.Use != "sig" || k.Algorithm != "" && k.Algorithm != algorithm {
			continue
		}
		if found != nil && id == "" {
			return nil, errNoKey
		}
		if found == nil {
			found = k
		}
	}
	if found == nil {
		return nil, errNoKey
	}
	return found, nil
}

// fetch asks an issuer where his keys are, and for them.
//
// https://openid.net/specs/openid-connect-discovery-1_0.html
func (a *Authority) fetch(ctx context.Context, issuer string) (*jose.JSONWebKeySet, error) {
	var about struct {
		Keys string `json:"jwks_uri"`
	}
	raw, err := a.get(ctx, strings.TrimSuffix(issuer, "/")+"/.well-known/openid-configuration")
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(raw, &about); err != nil {
		return nil, fmt.Errorf("the issuer's configuration: %w", err)
	}
	if raw, err = a.get(ctx, about.Keys); err != nil {
		return nil, err
	}
	return parseKeys(raw)
}

// parseKeys reads a JWKS.
func parseKeys(raw []byte) (*jose.JSONWebKeySet, error) {
	var all struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(raw, &all); err != nil {
		return nil, fmt.Errorf("JWKS: %w", err)
	}
	set := new(jose.JSONWebKeySet)
	for _, r := range all.Keys {
		var k jose.JSONWebKey
		if k.UnmarshalJSON(r) == nil { // a kind of key that is not known is no reason to refuse the others
			set.Keys = append(set.Keys, k)
		}
	}
	return set, nil
}

// get reads what stands at an address.
func (a *Authority) get(ctx context.Context, from string) ([]byte, error) {
	u, err := url.Parse(from)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return nil, fmt.Errorf("%q is not a web address", from)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Accept", "application/json")
	res, err := a.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("get %s: %s", from, res.Status)
	}
	b, err := io.ReadAll(io.LimitReader(res.Body, maxKeys))
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", from, err)
	}
	return b, nil
}
