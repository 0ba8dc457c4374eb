package runtimes

import (
	"encoding/json"
	"testing"
)

func TestDiscoverSmoke(t *testing.T) {
	s, err := Discover(t.Context(), Options{Dir: t.TempDir(), Near: false})
	if err != nil {
		t.Fatal(err)
	}
	b, _ := json.MarshalIndent(s.List(), "", " ")
	t.Logf("%s", b)
	for _, r := range []string{"python3.11", "python3.12", "provided.al2023", "nodejs20.x", "nodejs22.x"} {
		m, err := s.Mounts(r)
		a, e, err2 := s.Command(Launch{Runtime: r})
		t.Log(r, m, err, a, e, err2)
	}
}
