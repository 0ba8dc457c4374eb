package restapi

import (
	"context"
	"maps"
	"strings"

	"github.com/mayfly-faas/mayfly/internal/store"
)

// AccountSettings reads what API Gateway knows of the account.
func (b *Book) AccountSettings(ctx context.Context) (*Account, error) {
	return read(ctx, b, b.account)
}

func (b *Book) account(tx store.Tx) (*Account, error) {
	a, err := load[Account](tx, kindAccount, "", "", notFound("no account"))
	if isNotFound(err) {
		a, err = &Account{}, nil
	}
	if err != nil {
		return nil, err
	}
	a.Throttle = &Throttle{BurstLimit: 5000, RateLimit: 10000}
	a.Features, a.KeyVersion = []string{"UsagePlans"}, "4"
	return a, nil
}

// UpdateAccount patches the account.
func (b *Book) UpdateAccount(ctx context.Context, patches []Patch) (*Account, error) {
	return write(ctx, b, func(tx store.Tx) (*Account, error) {
		a, err := b.account(tx)
		if err != nil {
			return nil, err
		}
		if a, err = patched(a, accountRules(), patches, accountPatch); err != nil {
			return nil, err
		}
		if r := a.CloudwatchRoleARN; r != "" && !strings.Contains(r, ":role/") {
			return nil, bad("The role ARN does not have required permissions set to API Gateway")
		}
		return a, save(tx, kindAccount, "", "", a)
	})
}

// accountPatch knows "/features", where usage plans are switched on: they are.
func accountPatch(_ tree, _ Patch, segments []string) (bool, error) {
	return segments[0] == "features", nil
}

// Tags reads the tags of what an ARN names.
func (b *Book) Tags(ctx context.Context, arn string) (map[string]string, error) {
	return read(ctx, b, func(tx store.Tx) (map[string]string, error) {
		t, err := b.tagged(tx, arn)
		if err != nil {
			return nil, err
		}
		if *t.tags == nil {
			return map[string]string{}, nil
		}
		return *t.tags, nil
	})
}

// Retag adds tags to what an ARN names, and takes others away.
func (b *Book) Retag(ctx context.Context, arn string, add map[string]string, drop []string) error {
	return b.change(ctx, func(tx store.Tx) error {
		t, err := b.tagged(tx, arn)
		if err != nil {
			return err
		}
		if *t.tags == nil {
			*t.tags = map[string]string{}
		}
		for k := range add {
			if strings.HasPrefix(strings.ToLower(k), "aws:") {
				return bad("Tag keys must not begin with aws:")
			}
		}
		maps.Copy(*t.tags, add)
		for _, k := range drop {
			delete(*t.tags, k)
		}
		if len(*t.tags) > 50 {
			return bad("A resource can have at most 50 tags")
		}
		return t.save()
	})
}

// A tagged is an item that can have tags.
type tagged struct {
	tags *map[string]string
	save func() error
}

// tagged finds the item that an ARN names: arn:aws:apigateway:region::/restapis/id.
func (b *Book) tagged(tx store.Tx, arn string) (*tagged, error) {
	_, path, ok := strings.Cut(arn, "::/")
	p := strings.Split(path, "/")
	if !ok || !strings.HasPrefix(arn, "arn:") || len(p) < 2 {
		return nil, bad("Invalid ARN specified in the request")
	}
	switch {
	case p[0] == "restapis" && len(p) == 2:
		a, err := b.api(tx, p[1])
		if err != nil {
			return nil, err
		}
		return &tagged{&a.Tags, func() error { return save(tx, kindAPI, "", a.ID, a) }}, nil
	case p[0] == "restapis" && len(p) == 4 && p[2] == "stages":
		s, err := load[Stage](tx, kindStage, p[1], p[3], errNoStage())
		if err != nil {
			return nil, err
		}
		return &tagged{&s.Tags, func() error { return save(tx, kindStage, p[1], p[3], s) }}, nil
	case p[0] == "apikeys" && len(p) == 2:
		k, err := load[Key](tx, kindKey, "", p[1], errNoKey())
		if err != nil {
			return nil, err
		}
		return &tagged{&k.Tags, func() error { return save(tx, kindKey, "", k.ID, k) }}, nil
	case p[0] == "usageplans" && len(p) == 2:
		pl, err := load[Plan](tx, kindPlan, "", p[1], errNoPlan())
		if err != nil {
			return nil, err
		}
		return &tagged{&pl.Tags, func() error { return save(tx, kindPlan, "", pl.ID, pl) }}, nil
	case p[0] == "domainnames" && len(p) == 2:
		d, err := load[Domain](tx, kindDomain, "", p[1], errNoDomain())
		if err != nil {
			return nil, err
		}
		return &tagged{&d.Tags, func() error { return save(tx, kindDomain, "", d.Name, d) }}, nil
	}
	return nil, bad("Invalid ARN specified in the request")
}
