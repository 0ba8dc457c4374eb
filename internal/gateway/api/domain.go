package api

import (
	"cmp"
	"slices"
	"strings"
)

// A Domain is a custom domain name and what it leads to. The Book's are not
// changed by anybody.
//
// https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/domainnames-domainname.html
type Domain struct {
	DomainName                    string // also "*.example.com"
	DomainNameArn                 string
	ApiMappingSelectionExpression string
	RoutingMode                   string
	DomainNameConfigurations      []*DomainNameConfiguration `show:"always"`
	MutualTlsAuthentication       *MutualTLS                 `json:",omitempty"`
	Tags                          map[string]string          `show:"always" json:",omitempty"`

	Mappings []*Mapping `show:"never"` // longest key first
}

// A DomainNameConfiguration is a domain name's certificate and address.
type DomainNameConfiguration struct {
	ApiGatewayDomainName                string
	CertificateArn                      string `json:",omitempty"`
	CertificateName                     string `json:",omitempty"`
	DomainNameStatus                    string
	EndpointType                        string
	HostedZoneId                        string
	IpAddressType                       string
	OwnershipVerificationCertificateArn string `json:",omitempty"`
	SecurityPolicy                      string
}

// A MutualTLS names the certificates that clients must show.
type MutualTLS struct {
	TruststoreUri     string `json:",omitempty"`
	TruststoreVersion string `json:",omitempty"`
}

// A Mapping leads a domain name's paths under a key to a stage of an API, which
// may also be a REST API.
//
// https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/domainnames-domainname-apimappings-apimappingid.html
type Mapping struct {
	ApiMappingId  string
	ApiMappingKey string `show:"always"` // "orders/v1"; "" is all paths
	ApiId         string
	Stage         string
}

// Resolve is the mapping with the longest key that path, undecoded, lies under,
// and the path behind the key; nil when there is none.
func (d *Domain) Resolve(path string) (m *Mapping, rest string) {
	path = strings.TrimPrefix(path, "/")
	for _, m := range d.Mappings {
		if m.ApiMappingKey == "" {
			return m, "/" + path
		}
		rest, ok := strings.CutPrefix(path, m.ApiMappingKey)
		if ok && (rest == "" || rest[0] == '/') {
			return m, "/" + strings.TrimPrefix(rest, "/")
		}
	}
	return nil, ""
}

// sortMappings puts the longest key first.
func sortMappings(m []*Mapping) {
	slices.SortFunc(m, func(a, b *Mapping) int {
		return cmp.Or(cmp.Compare(len(b.ApiMappingKey), len(a.ApiMappingKey)), cmp.Compare(a.ApiMappingKey, b.ApiMappingKey))
	})
}
