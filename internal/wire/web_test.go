package wire

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestWebIsAskedFirst(t *testing.T) {
	site := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusTeapot) })
	h := Front{Web: func(r *http.Request) http.Handler {
		if r.Host == "shop.example" {
			return site
		}
		return nil
	}}.Handler()
	for host, want := range map[string]int{"shop.example": http.StatusTeapot, "other.example": http.StatusForbidden, "localhost": http.StatusNotFound} {
		r := httptest.NewRequest("POST", "http://"+host+"/", nil)
		r.Header.Set("Origin", "https://elsewhere.example") // a browser on another site
		if host == "localhost" {
			r.Header.Del("Origin")
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("%s: %d, want %d: %s", host, w.Code, want, w.Body)
		}
	}
}
