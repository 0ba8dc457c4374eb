package apigatewayv2

import (
	"context"
	"maps"
	"strings"

	"github.com/mayfly-faas/mayfly/internal/gateway/api"
)

// A tagged is what an ARN of /v2/tags names: an API, a stage of one, or a
// domain name.
type tagged struct{ api, stage, domain string }

func taggedBy(arn string) (tagged, error) {
	_, path, ok := strings.Cut(arn, "::/")
	p := strings.Split(path, "/")
	switch {
	case ok && len(p) == 2 && p[0] == "apis":
		return tagged{api: p[1]}, nil
	case ok && len(p) == 4 && p[0] == "apis" && p[2] == "stages":
		return tagged{api: p[1], stage: p[3]}, nil
	case ok && len(p) == 2 && p[0] == "domainnames":
		return tagged{domain: p[1]}, nil
	}
	return tagged{}, api.BadRequest("Invalid resource ARN specified: %s", arn)
}

// editTags changes the tags of what arn names.
func (c *control) editTags(ctx context.Context, arn string, change func(map[string]string) error) (*none, error) {
	t, err := taggedBy(arn)
	if err != nil {
		return nil, err
	}
	changed := func(tags *map[string]string) error {
		if *tags == nil {
			*tags = map[string]string{}
		}
		if err := change(*tags); err != nil {
			return err
		}
		return checkTags(*tags)
	}
	if t.domain != "" {
		return &none{}, c.EditDomain(ctx, t.domain, func(d *api.Domain) error { return changed(&d.Tags) })
	}
	return &none{}, c.Edit(ctx, t.api, func(d *api.Definition) error {
		if t.stage == "" {
			return changed(&d.API.Tags)
		}
		s, err := d.Stage(t.stage)
		if err != nil {
			return err
		}
		return changed(&s.Tags)
	})
}

// checkTags holds tags to AWS's limits.
func checkTags(tags map[string]string) error {
	if len(tags) > 50 {
		return api.BadRequest("A resource can have 50 tags")
	}
	for k, v := range tags {
		if k == "" || len([]rune(k)) > 128 || len([]rune(v)) > 256 || strings.HasPrefix(strings.ToLower(k), "aws:") {
			return api.BadRequest("Invalid tag specified: %s", k)
		}
	}
	return nil
}

// https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/tags-resource-arn.html#TagResource
func (c *control) tagResource(ctx context.Context, in *TagResourceRequest) (*none, error) {
	return c.editTags(ctx, *in.ResourceArn, func(tags map[string]string) error {
		maps.Copy(tags, in.Tags)
		return nil
	})
}

// https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/tags-resource-arn.html#UntagResource
func (c *control) untagResource(ctx context.Context, in *UntagResourceRequest) (*none, error) {
	return c.editTags(ctx, *in.ResourceArn, func(tags map[string]string) error {
		for _, k := range in.TagKeys {
			delete(tags, k)
		}
		return nil
	})
}

// https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/tags-resource-arn.html#GetTags
func (c *control) getTags(ctx context.Context, in *GetTagsRequest) (*GetTagsResponse, error) {
	t, err := taggedBy(*in.ResourceArn)
	if err != nil {
		return nil, err
	}
	if t.domain != "" {
		d, err := c.ViewDomain(ctx, t.domain)
		if err != nil {
			return nil, err
		}
		return tagsOf(d.Tags), nil
	}
	d, err := c.View(ctx, t.api)
	if err != nil {
		return nil, err
	}
	if t.stage == "" {
		return tagsOf(d.API.Tags), nil
	}
	s, err := d.Stage(t.stage)
	if err != nil {
		return nil, err
	}
	return tagsOf(s.Tags), nil
}

func tagsOf(tags map[string]string) *GetTagsResponse {
	if tags == nil {
		tags = map[string]string{}
	}
	return &GetTagsResponse{Tags: tags}
}
