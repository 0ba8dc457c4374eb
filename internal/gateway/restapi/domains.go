package restapi

import (
	"context"
	"regexp"
	"slices"
	"strings"

	"github.com/mayfly-faas/mayfly/internal/store"
)

func errNoDomain() error  { return notFound("Invalid domain name identifier specified") }
func errNoMapping() error { return notFound("Invalid base path mapping identifier specified") }

// noBase is how the API spells the base path of a domain's root.
const noBase = "(none)"

var domainForm = regexp.MustCompile(`^(\*\.)?([a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?\.)+[a-zA-Z0-9-]+$`)

// CreateDomain makes a custom domain name. The name leads here when the user's
// DNS says so; its certificate is the front's matter.
func (b *Book) CreateDomain(ctx context.Context, d Domain) (*Domain, error) {
	d.Name = strings.ToLower(d.Name)
	d.ARN = "arn:aws:apigateway:" + b.Region + "::/domainnames/" + d.Name
	d.Status = "AVAILABLE"
	if d.SecurityPolicy == "" {
		d.SecurityPolicy = "TLS_1_2"
	}
	if d.RoutingMode == "" {
		d.RoutingMode = "BASE_PATH_MAPPING_ONLY"
	}
	if d.Endpoint == nil || len(d.Endpoint.Types) == 0 {
		d.Endpoint = &Endpoint{Types: []string{"EDGE"}}
	}
	return write(ctx, b, func(tx store.Tx) (*Domain, error) {
		there, err := exists(tx, kindDomain, "", d.Name)
		if err != nil {
			return nil, err
		}
		if there {
			return nil, bad("The domain name you provided already exists.")
		}
		if err := b.checkDomain(&d); err != nil {
			return nil, err
		}
		return &d, save(tx, kindDomain, "", d.Name, &d)
	})
}

func (b *Book) checkDomain(d *Domain) error {
	switch {
	case !domainForm.MatchString(d.Name) || len(d.Name) > 253:
		return bad("Invalid domain name specified: %s", d.Name)
	case d.Endpoint == nil || len(d.Endpoint.Types) != 1:
		return bad("A domain name must have exactly one endpoint type")
	case d.RoutingMode != "" && d.RoutingMode != "BASE_PATH_MAPPING_ONLY":
		return bad("Mayfly does not serve routing rules of domain names yet.")
	}
	d.DistributionDomain, d.DistributionZone, d.RegionalDomain, d.RegionalZone = "", "", "", ""
	name := "d-" + strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, strings.TrimPrefix(d.Name, "*."))
	if d.Endpoint.Types[0] == "EDGE" {
		d.DistributionDomain, d.DistributionZone = name+".cloudfront."+b.Suffix, "Z2FDTNDATAQYW2"
	} else {
		d.RegionalDomain, d.RegionalZone = name+".execute-api."+b.Region+"."+b.Suffix, "Z1UJRXOUMOOFQ8"
	}
	return nil
}

// Domain reads a custom domain name.
func (b *Book) Domain(ctx context.Context, name string) (*Domain, error) {
	return read(ctx, b, func(tx store.Tx) (*Domain, error) {
		return load[Domain](tx, kindDomain, "", strings.ToLower(name), errNoDomain())
	})
}

// Domains reads all custom domain names.
func (b *Book) Domains(ctx context.Context) ([]*Domain, error) {
	return read(ctx, b, func(tx store.Tx) ([]*Domain, error) { return all[Domain](tx, kindDomain, "") })
}

// UpdateDomain patches a custom domain name.
func (b *Book) UpdateDomain(ctx context.Context, name string, patches []Patch) (*Domain, error) {
	name = strings.ToLower(name)
	return write(ctx, b, func(tx store.Tx) (*Domain, error) {
		d, err := load[Domain](tx, kindDomain, "", name, errNoDomain())
		if err != nil {
			return nil, err
		}
		if d, err = patched(d, domainRules(), patches, nil); err != nil {
			return nil, err
		}
		if err := b.checkDomain(d); err != nil {
			return nil, err
		}
		return d, save(tx, kindDomain, "", name, d)
	})
}

// DeleteDomain deletes a custom domain name with its mappings.
func (b *Book) DeleteDomain(ctx context.Context, name string) error {
	name = strings.ToLower(name)
	return b.change(ctx, func(tx store.Tx) error {
		if err := dropParts(tx, name, []string{kindMapping}); err != nil {
			return err
		}
		return remove(tx, kindDomain, "", name, errNoDomain())
	})
}

// CreateMapping puts a stage under a base path of a domain.
func (b *Book) CreateMapping(ctx context.Context, domain string, m Mapping) (*Mapping, error) {
	domain = strings.ToLower(domain)
	if m.BasePath == "" {
		m.BasePath = noBase
	}
	return &m, b.change(ctx, func(tx store.Tx) error {
		if _, err := load[Domain](tx, kindDomain, "", domain, errNoDomain()); err != nil {
			return err
		}
		there, err := exists(tx, kindMapping, domain, m.BasePath)
		if err != nil {
			return err
		}
		if there {
			return conflict("Base path already exists for this domain name")
		}
		if err := b.checkMapping(tx, &m); err != nil {
			return err
		}
		return save(tx, kindMapping, domain, m.BasePath, &m)
	})
}

var baseForm = regexp.MustCompile(`^[a-zA-Z0-9$\-_.+!*'()~:@/]+$`)

func (b *Book) checkMapping(tx store.Tx, m *Mapping) error {
	if m.BasePath != noBase && (!baseForm.MatchString(m.BasePath) || strings.HasPrefix(m.BasePath, "/") || strings.HasSuffix(m.BasePath, "/")) {
		return bad("Invalid base path specified: %s", m.BasePath)
	}
	if ok, err := exists(tx, kindAPI, "", m.API); err != nil || !ok {
		if err == nil {
			err = bad("Invalid REST API identifier specified")
		}
		return err
	}
	if m.Stage == "" {
		return nil
	}
	ok, err := exists(tx, kindStage, m.API, m.Stage)
	if err == nil && !ok {
		err = bad("Invalid stage identifier specified")
	}
	return err
}

// Mapping reads one base path of a domain.
func (b *Book) Mapping(ctx context.Context, domain, base string) (*Mapping, error) {
	return read(ctx, b, func(tx store.Tx) (*Mapping, error) {
		return load[Mapping](tx, kindMapping, strings.ToLower(domain), base, errNoMapping())
	})
}

// Mappings reads a domain's base paths, the longest first: the first that fits
// a request is the right one.
func (b *Book) Mappings(ctx context.Context, domain string) ([]*Mapping, error) {
	ms, err := read(ctx, b, func(tx store.Tx) ([]*Mapping, error) {
		if _, err := load[Domain](tx, kindDomain, "", strings.ToLower(domain), errNoDomain()); err != nil {
			return nil, err
		}
		return all[Mapping](tx, kindMapping, strings.ToLower(domain))
	})
	sortMappings(ms)
	return ms, err
}

func sortMappings(ms []*Mapping) { slices.SortFunc(ms, longestFirst) }

func longestFirst(a, b *Mapping) int {
	switch {
	case a.BasePath == noBase:
		return 1
	case b.BasePath == noBase:
		return -1
	}
	return len(b.BasePath) - len(a.BasePath)
}

// UpdateMapping patches a base path of a domain.
func (b *Book) UpdateMapping(ctx context.Context, domain, base string, patches []Patch) (*Mapping, error) {
	domain = strings.ToLower(domain)
	return write(ctx, b, func(tx store.Tx) (*Mapping, error) {
		m, err := load[Mapping](tx, kindMapping, domain, base, errNoMapping())
		if err != nil {
			return nil, err
		}
		if m, err = patched(m, mappingRules(), patches, mappingPatch); err != nil {
			return nil, err
		}
		if m.BasePath == "" {
			m.BasePath = noBase
		}
		if err := b.checkMapping(tx, m); err != nil {
			return nil, err
		}
		if m.BasePath != base {
			there, err := exists(tx, kindMapping, domain, m.BasePath)
			if err != nil {
				return nil, err
			}
			if there {
				return nil, conflict("Base path already exists for this domain name")
			}
			if err := remove(tx, kindMapping, domain, base, errNoMapping()); err != nil {
				return nil, err
			}
		}
		return m, save(tx, kindMapping, domain, m.BasePath, m)
	})
}

// mappingPatch knows the members that are spelled otherwise in paths.
func mappingPatch(t tree, p Patch, segments []string) (bool, error) {
	name := map[string]string{"basepath": "basePath", "restapiId": "restApiId"}[segments[0]]
	if name == "" || len(segments) > 1 || p.Op == "remove" {
		return false, nil
	}
	t[name] = val(p.Value)
	return true, nil
}

// DeleteMapping deletes one base path of a domain.
func (b *Book) DeleteMapping(ctx context.Context, domain, base string) error {
	return b.change(ctx, func(tx store.Tx) error {
		return remove(tx, kindMapping, strings.ToLower(domain), base, errNoMapping())
	})
}
