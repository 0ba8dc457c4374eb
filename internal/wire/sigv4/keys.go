package sigv4

import "sync"

// maxKeys bounds how many signing keys are remembered.
const maxKeys = 4096

// Keys remembers signing keys, each of which takes four hashes to make and is
// good for a day. The zero value is ready, and a nil *Keys remembers nothing.
type Keys struct {
	mu sync.RWMutex // guards of
	of map[scope]made
}

// made is a signing key, and the secret that it was made of.
type made struct {
	secret string
	key    []byte
}

// find answers the key of a scope, if it was made of this secret.
func (k *Keys) find(s scope, secret string) (key []byte, ok bool) {
	if k == nil {
		return nil, false
	}
	k.mu.RLock()
	defer k.mu.RUnlock()
	m, ok := k.of[s]
	return m.key, ok && m.secret == secret
}

func (k *Keys) keep(s scope, secret string, key []byte) {
	if k == nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.of == nil || len(k.of) >= maxKeys { // yesterday's are never asked for again
		k.of = map[scope]made{}
	}
	k.of[s] = made{secret, key}
}
