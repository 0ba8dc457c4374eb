package events

import (
	"context"
	"strings"

	"github.com/mayfly-faas/mayfly/internal/arn"
	"github.com/mayfly-faas/mayfly/internal/store"
)

// maxTags is how many tags AWS lets a resource have.
const maxTags = 50

// putTags adds tags, in the place of those of the same key.
func putTags(tx store.Tx, arn string, tags []*Tag) error {
	for _, t := range tags {
		_, err := tx.Exec(`INSERT INTO events_tag (arn, key, value) VALUES (?, ?, ?)
			ON CONFLICT (arn, key) DO UPDATE SET value = excluded.value`, arn, *t.Key, *t.Value)
		if err != nil {
			return err
		}
	}
	var n int
	if err := tx.Get([]any{&n}, `SELECT COUNT(*) FROM events_tag WHERE arn = ?`, arn); err != nil {
		return err
	}
	if n > maxTags {
		return tooMany()
	}
	return nil
}

// taggable answers an error if the ARN names nothing that has tags.
func (b *Book) taggable(tx store.Tx, s string) error {
	a, err := arn.Parse(s)
	if err != nil || a.Service != "events" {
		return invalid("Parameter %s is not valid. Reason: Provided Arn is not in correct format.", s)
	}
	if bus, ok := strings.CutPrefix(a.Resource, "event-bus/"); ok {
		_, err := busByName(tx, bus)
		return err
	}
	name, ok := strings.CutPrefix(a.Resource, "rule/")
	if !ok {
		return invalid("Parameter %s is not valid. Reason: Provided Arn is not in correct format.", s)
	}
	bus := defaultBus
	if i := strings.LastIndexByte(name, '/'); i >= 0 {
		bus, name = name[:i], name[i+1:]
	}
	_, err = ruleByName(tx, bus, name)
	return err
}

// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_TagResource.html
func (a *api) tagResource(ctx context.Context, in *TagResourceRequest) (*TagResourceResponse, error) {
	return &TagResourceResponse{}, a.DB.Update(ctx, func(tx store.Tx) error {
		if err := a.taggable(tx, *in.ResourceARN); err != nil {
			return err
		}
		return putTags(tx, *in.ResourceARN, in.Tags)
	})
}

// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_UntagResource.html
func (a *api) untagResource(ctx context.Context, in *UntagResourceRequest) (*UntagResourceResponse, error) {
	return &UntagResourceResponse{}, a.DB.Update(ctx, func(tx store.Tx) error {
		if err := a.taggable(tx, *in.ResourceARN); err != nil {
			return err
		}
		for _, k := range in.TagKeys {
			if _, err := tx.Exec(`DELETE FROM events_tag WHERE arn = ? AND key = ?`, *in.ResourceARN, k); err != nil {
				return err
			}
		}
		return nil
	})
}

// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_ListTagsForResource.html
func (a *api) listTagsForResource(ctx context.Context, in *ListTagsForResourceRequest) (*ListTagsForResourceResponse, error) {
	tags, err := store.Read(ctx, a.DB, func(tx store.Tx) ([]*Tag, error) {
		if err := a.taggable(tx, *in.ResourceARN); err != nil {
			return nil, err
		}
		return store.All(tx, func(scan func(...any) error) (*Tag, error) {
			t := &Tag{Key: new(string), Value: new(string)}
			return t, scan(t.Key, t.Value)
		}, `SELECT key, value FROM events_tag WHERE arn = ? ORDER BY key`, *in.ResourceARN)
	})
	if tags == nil {
		tags = []*Tag{}
	}
	return &ListTagsForResourceResponse{Tags: tags}, err
}
