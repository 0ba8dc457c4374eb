package api

import (
	"context"
	"encoding/json"
	"errors"
	"regexp"
	"slices"
	"strings"

	"github.com/mayfly-faas/mayfly/internal/store"
)

// Domains are all custom domain names, by name. They are shared.
func (b *Book) Domains(ctx context.Context) (map[string]*Domain, error) {
	x, err := b.index(ctx)
	if err != nil {
		return nil, err
	}
	return x.domains, nil
}

// CreateDomain adds a custom domain name that edit fills.
//
// https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/domainnames.html
func (b *Book) CreateDomain(ctx context.Context, name string, edit func(*Domain) error) error {
	defer b.changed("", true)
	return b.DB.Update(ctx, func(tx store.Tx) error {
		d := &Domain{
			DomainName: name, DomainNameArn: "arn:aws:apigateway:" + b.Region + "::/domainnames/" + name,
			ApiMappingSelectionExpression: "$request.basepath", RoutingMode: "API_MAPPING_ONLY",
		}
		if err := editDomain(d, edit); err != nil {
			return err
		}
		doc, err := json.Marshal(d)
		if err != nil {
			return err
		}
		_, err = tx.Exec(`INSERT INTO apigateway_domain (name, doc) VALUES (?, ?)`, name, doc)
		if errors.Is(err, store.ErrConflict) {
			return Conflict("The domain name you provided already exists.")
		}
		return err
	})
}

// EditDomain changes a custom domain name by edit, which may run more than once.
func (b *Book) EditDomain(ctx context.Context, name string, edit func(*Domain) error) error {
	defer b.changed("", true)
	return b.DB.Update(ctx, func(tx store.Tx) error {
		return changeDomain(tx, name, func(d *Domain) error { return editDomain(d, edit) })
	})
}

// DeleteDomain removes a custom domain name and its mappings.
func (b *Book) DeleteDomain(ctx context.Context, name string) error {
	defer b.changed("", true)
	return b.DB.Update(ctx, func(tx store.Tx) error {
		n, err := tx.Exec(`DELETE FROM apigateway_domain WHERE name = ?`, name)
		if err == nil && n == 0 {
			return noDomain(name)
		}
		return err
	})
}

// ViewDomain is a custom domain name by its own name. It is shared.
func (b *Book) ViewDomain(ctx context.Context, name string) (*Domain, error) {
	all, err := b.Domains(ctx)
	if err != nil {
		return nil, err
	}
	if d := all[name]; d != nil {
		return d, nil
	}
	return nil, noDomain(name)
}

func noDomain(name string) error {
	return NotFound("Invalid domain name identifier specified %s", name)
}

// changeDomain edits the domain name in the tables.
func changeDomain(tx store.Tx, name string, change func(*Domain) error) error {
	var doc []byte
	err := tx.Get([]any{&doc}, `SELECT doc FROM apigateway_domain WHERE name = ?`, name)
	if errors.Is(err, store.ErrNoRows) {
		return noDomain(name)
	}
	if err != nil {
		return err
	}
	d := new(Domain)
	if err := json.Unmarshal(doc, d); err != nil {
		return err
	}
	if err := change(d); err != nil {
		return err
	}
	if doc, err = json.Marshal(d); err != nil {
		return err
	}
	_, err = tx.Exec(`UPDATE apigateway_domain SET doc = ? WHERE name = ?`, doc, name)
	return err
}

func editDomain(d *Domain, edit func(*Domain) error) error {
	if err := edit(d); err != nil {
		return err
	}
	label := `[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?`
	if !regexp.MustCompile(`^(\*\.)?` + label + `(\.` + label + `)+$`).MatchString(d.DomainName) {
		return BadRequest("Invalid domain name specified: %s", d.DomainName)
	}
	if d.RoutingMode != "API_MAPPING_ONLY" {
		return BadRequest("Mayfly serves domain names with the routing mode API_MAPPING_ONLY alone")
	}
	if m := d.MutualTlsAuthentication; m != nil && m.TruststoreUri != "" {
		return BadRequest("Mayfly does not ask clients of a domain name for certificates yet")
	}
	d.MutualTlsAuthentication = nil
	return nil
}

// PutMapping adds a mapping to a domain name, or changes the one that id names.
//
// https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/domainnames-domainname-apimappings.html
func (b *Book) PutMapping(ctx context.Context, domain, id string, edit func(*Mapping) error) (*Mapping, error) {
	defer b.changed("", true)
	elsewhere, err := b.lookElsewhere(ctx, domain, id, edit)
	if err != nil {
		return nil, err
	}
	return store.Write(ctx, b.DB, func(tx store.Tx) (m *Mapping, err error) {
		err = changeDomain(tx, domain, func(d *Domain) error {
			if m, err = d.mapping(id, edit); err != nil {
				return err
			}
			if m.ApiId == elsewhere.ApiId && m.Stage == elsewhere.Stage {
				return nil
			}
			return b.checkMapped(tx, m)
		})
		return m, err
	})
}

// lookElsewhere is the mapping that edit makes if it leads to an API of another
// room. That room is asked outside of the transaction, which must not wait for it.
func (b *Book) lookElsewhere(ctx context.Context, domain, id string, edit func(*Mapping) error) (Mapping, error) {
	d, err := b.ViewDomain(ctx, domain)
	if err != nil || b.Elsewhere == nil {
		return Mapping{}, err
	}
	var m Mapping
	if old := d.byID(id); old != nil {
		m = *old
	}
	if err := edit(&m); err != nil {
		return Mapping{}, err
	}
	if ok, err := b.Elsewhere(ctx, m.ApiId, m.Stage); err != nil || !ok {
		return Mapping{}, err
	}
	return m, nil
}

// checkMapped wants the stage that m leads to.
func (b *Book) checkMapped(tx store.Tx, m *Mapping) error {
	a, err := readDefinition(tx, m.ApiId)
	if err != nil {
		return b.noAPI(err, m.ApiId)
	}
	if a.Stages[m.Stage] == nil {
		return BadRequest("Invalid stage identifier specified")
	}
	return nil
}

// mapping makes or changes a mapping of d.
func (d *Domain) mapping(id string, edit func(*Mapping) error) (*Mapping, error) {
	m := d.byID(id)
	if id != "" && m == nil {
		return nil, NotFound("Invalid API mapping identifier specified %s", id)
	}
	if m == nil {
		m = &Mapping{ApiMappingId: newID(6)}
		d.Mappings = append(d.Mappings, m)
	}
	if err := edit(m); err != nil {
		return nil, err
	}
	if m.ApiMappingKey == "(none)" {
		m.ApiMappingKey = "" // as version 1 and the console write it
	}
	if !regexp.MustCompile(`^([A-Za-z0-9$_.+!*'()~-]+(/[A-Za-z0-9$_.+!*'()~-]+)*)?$`).MatchString(m.ApiMappingKey) || len(m.ApiMappingKey) > 300 {
		return nil, BadRequest("API mapping key should not start with a '/', end with one, have empty parts or be longer than 300 characters")
	}
	for _, o := range d.Mappings {
		if o != m && o.ApiMappingKey == m.ApiMappingKey {
			return nil, Conflict("ApiMapping key already exists for this domain name")
		}
	}
	sortMappings(d.Mappings)
	return m, nil
}

func (d *Domain) byID(id string) *Mapping {
	for _, m := range d.Mappings {
		if m.ApiMappingId == id {
			return m
		}
	}
	return nil
}

// Mapping is one of d's mappings.
func (d *Domain) Mapping(id string) (*Mapping, error) {
	if m := d.byID(id); m != nil {
		return m, nil
	}
	return nil, NotFound("Invalid API mapping identifier specified %s", id)
}

// DeleteMapping removes a mapping of a domain name.
func (b *Book) DeleteMapping(ctx context.Context, domain, id string) error {
	defer b.changed("", true)
	return b.DB.Update(ctx, func(tx store.Tx) error {
		return changeDomain(tx, domain, func(d *Domain) error {
			_, err := d.Mapping(id)
			d.Mappings = slices.DeleteFunc(d.Mappings, func(m *Mapping) bool { return m.ApiMappingId == id })
			return err
		})
	})
}

// free wants no mapping to an API, or to one stage of it.
func free(tx store.Tx, apiID, stage string) error {
	domains, err := store.All(tx, scanDoc[Domain], `SELECT doc FROM apigateway_domain`)
	if err != nil {
		return err
	}
	var names []string
	for _, d := range domains {
		for _, m := range d.Mappings {
			if m.ApiId == apiID && (stage == "" || m.Stage == stage) {
				names = append(names, d.DomainName)
			}
		}
	}
	if len(names) == 0 {
		return nil
	}
	slices.Sort(names)
	return BadRequest("Please remove all API mappings related to the API or stage first, from: %s", strings.Join(slices.Compact(names), ", "))
}
