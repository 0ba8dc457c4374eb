// Command web is a net/http server, unmodified, that AWS's own adapters make a
// function of: for a streamed URL, or for a front door that DOOR names.
package main

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"slices"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdaurl"
	"github.com/awslabs/aws-lambda-go-api-proxy/httpadapter"
)

func main() {
	m := http.NewServeMux()
	m.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "Hello World!") })
	m.HandleFunc("GET /users/{id}", func(w http.ResponseWriter, r *http.Request) {
		q := map[string]string{}
		for k := range r.URL.Query() {
			q[k] = r.URL.Query().Get(k)
		}
		answer(w, 200, map[string]any{"id": r.PathValue("id"), "q": q, "agent": r.Header.Get("X-Agent")})
	})
	m.HandleFunc("POST /users", func(w http.ResponseWriter, r *http.Request) {
		all := map[string]any{}
		if err := json.NewDecoder(r.Body).Decode(&all); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		all["id"] = 7
		w.Header().Set("Location", "/users/7")
		answer(w, 201, all)
	})
	m.HandleFunc("POST /bytes", func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		slices.Reverse(b)
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Write(b)
	})
	m.HandleFunc("GET /login", func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "a", Value: "1"})
		http.SetCookie(w, &http.Cookie{Name: "b", Value: "2", HttpOnly: true})
		http.Redirect(w, r, "/", http.StatusFound)
	})
	m.HandleFunc("GET /broken", func(w http.ResponseWriter, r *http.Request) { http.Error(w, "on purpose", 500) })
	switch os.Getenv("DOOR") {
	case "stream":
		lambdaurl.Start(m)
	case "rest", "payload1":
		lambda.Start(httpadapter.New(m).ProxyWithContext)
	default:
		lambda.Start(httpadapter.NewV2(m).ProxyWithContext)
	}
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(v)
}
