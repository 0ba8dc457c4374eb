package wire

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/mayfly-faas/mayfly/internal/awserr"
)

// serviceOf tells the service that r is for by what names it best: the
// signature's scope, X-Amz-Target, the Host, the path, and for an unsigned
// query request its API version. "" means that nothing does.
func (d *door) serviceOf(r *http.Request) string {
	if s := scopeService(r); s != "" {
		return s
	}
	if target, _, ok := strings.Cut(r.Header.Get("X-Amz-Target"), "."); ok {
		for _, s := range d.Services {
			if s.Target == target {
				return s.Name
			}
		}
	}
	if label, rest, _ := strings.Cut(hostName(r.Host), "."); rest != "" && d.handlers[label] != nil {
		return label
	}
	if s := d.pathService(r.URL.Path); s != "" {
		return s
	}
	return d.versionService(r)
}

// scopeService is the service in the scope of r's signature, checked or not.
func scopeService(r *http.Request) string {
	credential := ""
	if _, rest, ok := strings.Cut(r.Header.Get("Authorization"), "Credential="); ok {
		credential, _, _ = strings.Cut(rest, ",")
	} else if strings.Contains(r.URL.RawQuery, "X-Amz-Credential=") {
		credential = r.URL.Query().Get("X-Amz-Credential")
	}
	p := strings.Split(strings.TrimSpace(credential), "/")
	if len(p) < 5 {
		return ""
	}
	return p[len(p)-2]
}

// pathService knows REST services by their prefixes, and rpcv2Cbor's paths,
// which carry the service's target name.
func (d *door) pathService(path string) string {
	cborName := ""
	if rest, ok := strings.CutPrefix(path, "/service/"); ok {
		cborName, _, _ = strings.Cut(rest, "/operation/")
	}
	for _, s := range d.Services {
		if cborName != "" && s.Target == cborName {
			return s.Name
		}
		if s.under(path) {
			return s.Name
		}
	}
	return ""
}

// under says whether path is one of s's.
func (s *Service) under(path string) bool {
	return slices.ContainsFunc(s.Paths, func(p string) bool { return strings.HasPrefix(path, p) })
}

// versionService tells an unsigned query request's service by the API version
// that it names. It looks at the start of the body and leaves it whole.
func (d *door) versionService(r *http.Request) string {
	const start = 4 << 10
	form := r.URL.RawQuery
	if isForm(r) {
		b := bufio.NewReaderSize(r.Body, start)
		head, _ := b.Peek(start)
		form += "&" + string(head)
		r.Body = struct {
			io.Reader
			io.Closer
		}{b, r.Body}
	}
	for pair := range strings.SplitSeq(form, "&") {
		k, v, _ := strings.Cut(pair, "=")
		v, err := url.QueryUnescape(v)
		if k != "Version" || err != nil {
			continue
		}
		for _, s := range d.Services {
			if s.Version == v && s.Namespace != "" {
				return s.Name
			}
		}
	}
	return ""
}

// admit refuses what a browser may have been tricked into sending: a name
// that was rebound to our address, and a request that another site started.
func (d *door) admit(r *http.Request) *awserr.Error {
	if !d.knownHost(r) {
		return awserr.New(http.StatusForbidden, "AccessDeniedException",
			"Mayfly does not answer for the host '%s'. If it is yours, name it to the server.", r.Host)
	}
	if !d.Unsigned && scopeService(r) != "" {
		return nil // no site can make a browser sign
	}
	if site := r.Header.Get("Sec-Fetch-Site"); site == "cross-site" || site == "same-site" {
		return crossSite()
	}
	origin := r.Header.Get("Origin")
	if origin == "" {
		return nil
	}
	if u, err := url.Parse(origin); err != nil || u.Host == "" || !strings.EqualFold(u.Host, r.Host) {
		return crossSite()
	}
	return nil
}

func crossSite() *awserr.Error {
	return awserr.New(http.StatusForbidden, "AccessDeniedException", "Requests that another web site starts need a signature.")
}

// knownHost says whether r came under a name of ours: loopback's, *.localhost,
// the address that took the connection, or a configured one.
func (d *door) knownHost(r *http.Request) bool {
	name := hostName(r.Host)
	if name == "localhost" || strings.HasSuffix(name, ".localhost") {
		return true
	}
	if slices.ContainsFunc(d.Hosts, func(h string) bool { return strings.EqualFold(hostName(h), name) }) {
		return true
	}
	ip, err := netip.ParseAddr(name)
	if err != nil {
		return false
	}
	return ip.IsLoopback() || ip.Unmap() == localAddr(r)
}

// localAddr is the address that r's connection came in on.
func localAddr(r *http.Request) netip.Addr {
	a, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok {
		return netip.Addr{}
	}
	ap, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap().WithZone("")
}

// hostName is a Host header without its port, its brackets and its last dot, in lower case.
func hostName(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	return strings.ToLower(strings.TrimSuffix(host, "."))
}
