package restapi

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/mayfly-faas/mayfly/internal/policy"
	"github.com/mayfly-faas/mayfly/internal/store"
)

// errNoAPI is AWS's text, account and all.
func (b *Book) errNoAPI(id string) error {
	return notFound("Invalid API identifier specified %s:%s", b.Account, id)
}

// CreateAPI makes an API with nothing but a root resource, or a copy of one.
func (b *Book) CreateAPI(ctx context.Context, a API, cloneFrom string) (*API, error) {
	a.ID, a.RootResourceID, a.CreatedDate = newID(10), newID(10), b.seconds()
	a.defaults()
	if err := b.checkAPI(&a); err != nil {
		return nil, err
	}
	return write(ctx, b, func(tx store.Tx) (*API, error) {
		if cloneFrom != "" {
			return b.clone(tx, a, cloneFrom)
		}
		root := &Resource{ID: a.RootResourceID, Path: "/"}
		if err := save(tx, kindResource, a.ID, root.ID, root); err != nil {
			return nil, err
		}
		for _, m := range firstModels() {
			if err := save(tx, kindModel, a.ID, m.Name, m); err != nil {
				return nil, err
			}
		}
		return &a, save(tx, kindAPI, "", a.ID, &a)
	})
}

// clone copies the parts of another API. Ids are an API's own, so they stay.
func (b *Book) clone(tx store.Tx, a API, from string) (*API, error) {
	d, err := b.definition(tx, from)
	if err != nil {
		return nil, err
	}
	a.RootResourceID = d.API.RootResourceID
	if len(a.BinaryMediaTypes) == 0 {
		a.BinaryMediaTypes = d.API.BinaryMediaTypes
	}
	d.API = &a
	return &a, d.save(tx)
}

func (a *API) defaults() {
	if a.KeySource == "" {
		a.KeySource = "HEADER"
	}
	if a.Endpoint == nil {
		a.Endpoint = &Endpoint{}
	}
	if len(a.Endpoint.Types) == 0 {
		a.Endpoint.Types = []string{"EDGE"}
	}
	if a.Endpoint.IPAddressType == "" {
		a.Endpoint.IPAddressType = "ipv4"
		if slices.Contains(a.Endpoint.Types, "PRIVATE") {
			a.Endpoint.IPAddressType = "dualstack"
		}
	}
}

// checkAPI holds an API to the rules, after a patch too. It spells the policy
// with the API's own name where that says only "execute-api:/".
func (b *Book) checkAPI(a *API) error {
	switch {
	case strings.TrimSpace(a.Name) == "":
		return bad("Name cannot be empty")
	case a.KeySource != "HEADER" && a.KeySource != "AUTHORIZER":
		return bad("Invalid API key source specified: %s", a.KeySource)
	case a.MinimumCompressionSize != nil && (*a.MinimumCompressionSize < 0 || *a.MinimumCompressionSize > 10485760):
		return bad("Invalid minimum compression size, must be between 0 and 10485760")
	case a.Endpoint == nil || len(a.Endpoint.Types) != 1:
		return bad("An API must have exactly one endpoint type")
	}
	if t := a.Endpoint.Types[0]; t != "EDGE" && t != "REGIONAL" && t != "PRIVATE" {
		return bad("Invalid endpoint type specified: %s", t)
	}
	if a.Policy == "" {
		return nil
	}
	text, err := b.policyText(a)
	if err != nil {
		return err
	}
	a.Policy = text
	return nil
}

// policyText is an API's policy, made sure of and spelled out: resources may
// be written "execute-api:/stage/METHOD/path", which means this API's.
func (b *Book) policyText(a *API) (string, error) {
	full := fmt.Sprintf(`"arn:aws:execute-api:%s:%s:%s/`, b.Region, b.Account, a.ID)
	text := strings.ReplaceAll(a.Policy, `"execute-api:/`, full)
	if json.Valid([]byte(text)) {
		if _, err := policy.Parse(policy.Resource, text); err == nil {
			return text, nil
		}
	}
	return "", bad("Invalid policy document. Please check the policy syntax and ensure that Principals are valid.")
}

// API reads an API.
func (b *Book) API(ctx context.Context, id string) (*API, error) {
	return read(ctx, b, func(tx store.Tx) (*API, error) { return b.api(tx, id) })
}

func (b *Book) api(tx store.Tx, id string) (*API, error) {
	return load[API](tx, kindAPI, "", id, b.errNoAPI(id))
}

// APIs reads all APIs in the order of their ids.
func (b *Book) APIs(ctx context.Context) ([]*API, error) {
	return read(ctx, b, func(tx store.Tx) ([]*API, error) { return all[API](tx, kindAPI, "") })
}

// UpdateAPI patches an API.
func (b *Book) UpdateAPI(ctx context.Context, id string, patches []Patch) (*API, error) {
	return write(ctx, b, func(tx store.Tx) (*API, error) {
		a, err := b.api(tx, id)
		if err != nil {
			return nil, err
		}
		if a, err = patched(a, apiRules(), patches, nil); err != nil {
			return nil, err
		}
		if err := b.checkAPI(a); err != nil {
			return nil, err
		}
		return a, save(tx, kindAPI, "", id, a)
	})
}

// DeleteAPI deletes an API and all of its parts.
func (b *Book) DeleteAPI(ctx context.Context, id string) error {
	return b.change(ctx, func(tx store.Tx) error {
		if err := b.unmapped(tx, id, ""); err != nil {
			return err
		}
		if err := remove(tx, kindAPI, "", id, b.errNoAPI(id)); err != nil {
			return err
		}
		if err := b.leavePlans(tx, id, ""); err != nil {
			return err
		}
		if _, err := tx.Exec(`DELETE FROM restapi_snapshot WHERE api = ?`, id); err != nil {
			return err
		}
		return dropParts(tx, id, append(definitionKinds(), kindDeployment, kindStage))
	})
}

// unmapped refuses when a base path of a domain still leads to an API, or to
// a stage of it.
func (b *Book) unmapped(tx store.Tx, api, stage string) error {
	domains, err := all[Domain](tx, kindDomain, "")
	if err != nil {
		return err
	}
	for _, d := range domains {
		ms, err := all[Mapping](tx, kindMapping, d.Name)
		if err != nil {
			return err
		}
		for _, m := range ms {
			if m.API == api && (stage == "" || m.Stage == stage) {
				return bad("Please remove all base path mappings related to the API in your account: %s/%s", d.Name, m.BasePath)
			}
		}
	}
	return nil
}

// dropParts deletes an owner's items of some kinds.
func dropParts(tx store.Tx, owner string, kinds []string) error {
	for _, k := range kinds {
		if _, err := tx.Exec(`DELETE FROM restapi_item WHERE kind = ? AND owner = ?`, k, owner); err != nil {
			return err
		}
	}
	return nil
}

// definitionKinds are the kinds of which an API's definition consists.
func definitionKinds() []string {
	return []string{kindResource, kindAuthorizer, kindModel, kindValidator, kindResponse}
}

// A Definition is all of an API that a deployment takes over.
type Definition struct {
	API         *API
	Resources   []*Resource
	Authorizers []*Authorizer
	Models      []*Model
	Validators  []*Validator
	Responses   []*GatewayResponse
}

// definition reads all of an API.
func (b *Book) definition(tx store.Tx, id string) (*Definition, error) {
	a, err := b.api(tx, id)
	if err != nil {
		return nil, err
	}
	d := &Definition{API: a}
	if d.Resources, err = all[Resource](tx, kindResource, id); err != nil {
		return nil, err
	}
	if d.Authorizers, err = all[Authorizer](tx, kindAuthorizer, id); err != nil {
		return nil, err
	}
	if d.Models, err = all[Model](tx, kindModel, id); err != nil {
		return nil, err
	}
	if d.Validators, err = all[Validator](tx, kindValidator, id); err != nil {
		return nil, err
	}
	d.Responses, err = all[GatewayResponse](tx, kindResponse, id)
	return d, err
}

// save writes all of an API, in the place of what is there.
func (d *Definition) save(tx store.Tx) error {
	id := d.API.ID
	if err := dropParts(tx, id, definitionKinds()); err != nil {
		return err
	}
	if err := save(tx, kindAPI, "", id, d.API); err != nil {
		return err
	}
	for _, r := range d.Resources {
		if err := save(tx, kindResource, id, r.ID, r); err != nil {
			return err
		}
	}
	for _, a := range d.Authorizers {
		if err := save(tx, kindAuthorizer, id, a.ID, a); err != nil {
			return err
		}
	}
	for _, m := range d.Models {
		if err := save(tx, kindModel, id, m.Name, m); err != nil {
			return err
		}
	}
	for _, v := range d.Validators {
		if err := save(tx, kindValidator, id, v.ID, v); err != nil {
			return err
		}
	}
	for _, r := range d.Responses {
		if err := save(tx, kindResponse, id, r.Type, r); err != nil {
			return err
		}
	}
	return nil
}

// methodsOf are a resource's methods in the order of their names.
func (r *Resource) methodsOf() []*Method {
	var ms []*Method
	for _, name := range slices.Sorted(maps.Keys(r.Methods)) {
		ms = append(ms, r.Methods[name])
	}
	return ms
}
