package function

import (
	"context"
	"maps"
	"strings"
)

const maxTags = 50

func checkTags(tags map[string]string) error {
	if len(tags) > maxTags {
		return refuse(ErrInvalid, "Number of tags exceeds resource tag limit.")
	}
	for k := range tags {
		if strings.HasPrefix(strings.ToLower(k), "aws:") {
			return refuse(ErrInvalid, "aws: prefixed tag key names are not allowed for external use.")
		}
	}
	return nil
}

// Tags answers a function's tags; never nil.
func (r *Registry) Tags(ctx context.Context, arn string) (map[string]string, error) {
	name, err := r.tagged(arn)
	if err != nil {
		return nil, err
	}
	rec, err := r.record(ctx, name)
	if rec.Tags == nil {
		rec.Tags = map[string]string{}
	}
	return rec.Tags, err
}

// Tag sets tags; others stay.
func (r *Registry) Tag(ctx context.Context, arn string, tags map[string]string) error {
	if len(tags) == 0 {
		return refuse(ErrInvalid, "An error occurred and the request cannot be processed.")
	}
	return r.retag(ctx, arn, func(have map[string]string) error {
		maps.Copy(have, tags)
		return checkTags(have)
	})
}

// Untag removes tags; keys that are not there are removed already.
func (r *Registry) Untag(ctx context.Context, arn string, keys []string) error {
	return r.retag(ctx, arn, func(have map[string]string) error {
		for _, k := range keys {
			delete(have, k)
		}
		return nil
	})
}

func (r *Registry) retag(ctx context.Context, arn string, edit func(map[string]string) error) error {
	name, err := r.tagged(arn)
	if err != nil {
		return err
	}
	return r.change(ctx, name, errNoFunction(r.ARN(name, "")), func(c *change) error {
		v, err := c.latest()
		if err != nil {
			return err
		}
		if v.Update == InProgress {
			return errInProgress(r.ARN(name, ""))
		}
		if c.rec.Tags == nil {
			c.rec.Tags = map[string]string{}
		}
		if err := edit(c.rec.Tags); err != nil {
			return err
		}
		if err := c.save(); err != nil {
			return err
		}
		return c.touch(v)
	})
}

// tagged is the function that an ARN given to be tagged names.
func (r *Registry) tagged(arn string) (string, error) {
	if !strings.Contains(arn, ":function:") {
		return "", refuse(ErrNotFound, "The resource you requested does not exist.")
	}
	ref, err := r.Ref(arn, "")
	if err == nil && ref.Qualifier != "" {
		return "", refuse(ErrInvalid, "Tags on function aliases and versions are not supported. Please specify a function ARN.")
	}
	return ref.Name, err
}
