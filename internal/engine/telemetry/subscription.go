package telemetry

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// An API is one of the two to subscribe by.
type API int

// The Telemetry API, and the Logs API that it replaces.
const (
	TelemetryAPI API = iota
	LogsAPI
)

// ErrInvalid is what is wrong with a subscription that is refused.
var ErrInvalid = errors.New("telemetry: invalid subscription")

// A Subscription is what an extension wants to hear, and where.
type Subscription struct {
	API    API
	Schema string
	Types  []string

	TCP    bool   // else HTTP
	Port   int    // on the sandbox's own loopback
	Path   string // of HTTP: "/logs"
	Method string // of HTTP: "POST" or "PUT"

	MaxItems int
	MaxBytes int
	Wait     time.Duration // the longest that an event waits for others
}

// document is a subscription as it is written.
type document struct {
	Schema      *string   `json:"schemaVersion"`
	Types       []string  `json:"types"`
	Destination *location `json:"destination"`
	Buffering   struct {
		MaxItems *int `json:"maxItems"`
		MaxBytes *int `json:"maxBytes"`
		Timeout  *int `json:"timeoutMs"`
	} `json:"buffering"`
}

type location struct {
	Protocol string `json:"protocol"`
	URI      string `json:"URI"`
	Port     int    `json:"port"`
	Method   string `json:"method"`
	Encoding string `json:"encoding"`
}

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrInvalid, fmt.Sprintf(format, args...))
}

// Parse reads the body of a subscription. Its errors are ErrInvalid.
func Parse(body []byte, api API) (Subscription, error) {
	var doc document
	if err := json.Unmarshal(body, &doc); err != nil {
		return Subscription{}, invalid("%v", err)
	}
	s := Subscription{API: api, MaxItems: 10000, MaxBytes: 256 << 10, Wait: time.Second, Method: "POST", Path: "/"}
	for _, read := range []func(*document) error{s.readSchema, s.readTypes, s.readDestination, s.readBuffering} {
		if err := read(&doc); err != nil {
			return Subscription{}, err
		}
	}
	return s, nil
}

func (s *Subscription) readSchema(doc *document) error {
	known := []string{first, structured, latest}
	if s.API == LogsAPI {
		known = []string{firstLogs, secondLogs}
	}
	switch {
	case doc.Schema == nil && s.API == LogsAPI:
		s.Schema = firstLogs
	case doc.Schema == nil:
		return invalid("schemaVersion is required")
	case !slices.Contains(known, *doc.Schema):
		return invalid("schemaVersion must be one of %s", strings.Join(known, ", "))
	default:
		s.Schema = *doc.Schema
	}
	return nil
}

func (s *Subscription) readTypes(doc *document) error {
	if len(doc.Types) == 0 {
		return invalid("types must not be empty")
	}
	for _, t := range doc.Types {
		if t != Platform && t != Function && t != Extension {
			return invalid("types must be of platform, function, extension")
		}
		if !slices.Contains(s.Types, t) {
			s.Types = append(s.Types, t)
		}
	}
	return nil
}

// apiPort is the Runtime API's own.
const apiPort = 9001

func (s *Subscription) readDestination(doc *document) error {
	to := doc.Destination
	if to == nil {
		return invalid("destination is required")
	}
	switch to.Protocol {
	case "TCP":
		s.TCP, s.Port = true, to.Port
	case "HTTP":
		if err := s.readURI(to.URI); err != nil {
			return err
		}
	default:
		return invalid("destination.protocol must be HTTP or TCP")
	}
	if s.Port < 1 || s.Port > 65535 {
		return invalid("destination port must be between 1 and 65535")
	}
	if s.Port == apiPort {
		return invalid("destination port %d is reserved", apiPort)
	}
	if to.Encoding != "" && to.Encoding != "JSON" {
		return invalid("destination.encoding must be JSON")
	}
	if to.Method != "" && to.Method != "POST" && to.Method != "PUT" {
		return invalid("destination.method must be POST or PUT")
	}
	if to.Method != "" {
		s.Method = to.Method
	}
	return nil
}

// readURI reads where HTTP goes: into the sandbox, and nowhere else.
func (s *Subscription) readURI(uri string) error {
	u, err := url.Parse(uri)
	if err != nil {
		return invalid("destination.URI is no URI")
	}
	if host := u.Hostname(); u.Scheme != "http" || host != "sandbox.localdomain" && host != "sandbox" {
		return invalid("destination.URI must begin with http://sandbox.localdomain")
	}
	s.Port = 80
	if p := u.Port(); p != "" {
		if s.Port, err = strconv.Atoi(p); err != nil {
			return invalid("destination port must be between 1 and 65535")
		}
	}
	s.Path = u.RequestURI()
	return nil
}

func (s *Subscription) readBuffering(doc *document) error {
	read := func(name string, v *int, least, most int, into func(int)) error {
		if v == nil {
			return nil
		}
		if *v < least || *v > most {
			return invalid("buffering.%s must be between %d and %d", name, least, most)
		}
		into(*v)
		return nil
	}
	b := doc.Buffering
	return errors.Join(
		read("maxItems", b.MaxItems, 1000, 10000, func(n int) { s.MaxItems = n }),
		read("maxBytes", b.MaxBytes, 256<<10, 1<<20, func(n int) { s.MaxBytes = n }),
		read("timeoutMs", b.Timeout, 25, 30000, func(n int) { s.Wait = time.Duration(n) * time.Millisecond }))
}
