package restapi

import (
	"context"
	"regexp"
	"slices"
	"strings"

	"github.com/mayfly-faas/mayfly/internal/store"
)

// partForm is a segment of a path: plain, "{name}" or "{name+}".
var partForm = regexp.MustCompile(`^([a-zA-Z0-9._:$@~!'()*,;=+-]+|\{[a-zA-Z0-9._:-]+\+?\})$`)

func errNoResource() error { return notFound("Invalid Resource identifier specified") }

func (b *Book) resource(tx store.Tx, api, id string) (*Resource, error) {
	if _, err := b.api(tx, api); err != nil {
		return nil, err
	}
	return load[Resource](tx, kindResource, api, id, errNoResource())
}

// CreateResource makes a resource below another.
func (b *Book) CreateResource(ctx context.Context, api, parent, part string) (*Resource, error) {
	return write(ctx, b, func(tx store.Tx) (*Resource, error) {
		p, err := b.resource(tx, api, parent)
		if err != nil {
			return nil, err
		}
		all, err := all[Resource](tx, kindResource, api)
		if err != nil {
			return nil, err
		}
		if err := fits(p, all, part, ""); err != nil {
			return nil, err
		}
		r := &Resource{ID: newID(6), ParentID: p.ID, PathPart: part, Path: join(p.Path, part)}
		return r, save(tx, kindResource, api, r.ID, r)
	})
}

func join(parent, part string) string { return strings.TrimSuffix(parent, "/") + "/" + part }

// fits refuses a path part that cannot stand below parent. self is the
// resource that moves there, if there is one already.
func fits(parent *Resource, all []*Resource, part, self string) error {
	switch {
	case !partForm.MatchString(part):
		return bad("Resource's path part only allow a-zA-Z0-9._-: or a valid greedy path variable and curly braces at the beginning and the end.")
	case isGreedy(parent.PathPart):
		return bad("Cannot create a child of a resource with a greedy path variable: %s", parent.PathPart)
	}
	for _, r := range all {
		switch {
		case r.ParentID != parent.ID || r.ID == self:
		case r.PathPart == part:
			return conflict("Another resource with the same parent already has this name: %s", part)
		case isVariable(part) && isVariable(r.PathPart) && isGreedy(part) == isGreedy(r.PathPart):
			return bad("A sibling (%s) of this resource already has a variable path part -- only one is allowed", r.PathPart)
		}
	}
	return nil
}

func isVariable(part string) bool { return strings.HasPrefix(part, "{") }

func isGreedy(part string) bool { return strings.HasSuffix(part, "+}") }

// Resource reads a resource with its methods.
func (b *Book) Resource(ctx context.Context, api, id string) (*Resource, error) {
	return read(ctx, b, func(tx store.Tx) (*Resource, error) { return b.resource(tx, api, id) })
}

// Resources reads an API's resources in the order of their paths.
func (b *Book) Resources(ctx context.Context, api string) ([]*Resource, error) {
	return part[Resource](ctx, b, kindResource, api)
}

// part reads an API's items of a kind.
func part[T any](ctx context.Context, b *Book, kind, api string) ([]*T, error) {
	return read(ctx, b, func(tx store.Tx) ([]*T, error) {
		if _, err := b.api(tx, api); err != nil {
			return nil, err
		}
		return all[T](tx, kind, api)
	})
}

// DeleteResource deletes a resource and all below it.
func (b *Book) DeleteResource(ctx context.Context, api, id string) error {
	return b.change(ctx, func(tx store.Tx) error {
		r, err := b.resource(tx, api, id)
		if err != nil {
			return err
		}
		if r.ParentID == "" {
			return bad("Root resource cannot be deleted")
		}
		rs, err := all[Resource](tx, kindResource, api)
		if err != nil {
			return err
		}
		for _, r := range below(rs, id) {
			if err := remove(tx, kindResource, api, r.ID, nil); err != nil {
				return err
			}
		}
		return nil
	})
}

// below are a resource and all resources below it, each after its parent.
func below(all []*Resource, id string) []*Resource {
	var found []*Resource
	if i := slices.IndexFunc(all, func(r *Resource) bool { return r.ID == id }); i >= 0 {
		found = append(found, all[i])
	}
	for i := 0; i < len(found); i++ {
		for _, r := range all {
			if r.ParentID == found[i].ID {
				found = append(found, r)
			}
		}
	}
	return found
}

// UpdateResource renames a resource, or moves it below another.
func (b *Book) UpdateResource(ctx context.Context, api, id string, patches []Patch) (*Resource, error) {
	return write(ctx, b, func(tx store.Tx) (*Resource, error) {
		r, err := b.resource(tx, api, id)
		if err != nil {
			return nil, err
		}
		if r, err = patched(r, resourceRules(), patches, nil); err != nil {
			return nil, err
		}
		return r, b.move(tx, api, r)
	})
}

// move puts a resource where it now says that it is, with all below it.
func (b *Book) move(tx store.Tx, api string, r *Resource) error {
	if r.ParentID == "" || r.Path == "/" {
		return bad("Root resource cannot be updated")
	}
	rs, err := all[Resource](tx, kindResource, api)
	if err != nil {
		return err
	}
	moving := below(rs, r.ID)
	for _, m := range moving {
		if m.ID == r.ParentID {
			return bad("A resource cannot be moved below itself")
		}
	}
	p, err := load[Resource](tx, kindResource, api, r.ParentID, errNoResource())
	if err != nil {
		return err
	}
	if err := fits(p, rs, r.PathPart, r.ID); err != nil {
		return err
	}
	if isGreedy(r.PathPart) && len(moving) > 1 {
		return bad("Cannot create a child of a resource with a greedy path variable: %s", r.PathPart)
	}
	r.Path = join(p.Path, r.PathPart)
	paths := map[string]string{r.ID: r.Path}
	if err := save(tx, kindResource, api, r.ID, r); err != nil {
		return err
	}
	for _, m := range moving[1:] {
		m.Path = join(paths[m.ParentID], m.PathPart)
		paths[m.ID] = m.Path
		if err := save(tx, kindResource, api, m.ID, m); err != nil {
			return err
		}
	}
	return nil
}
