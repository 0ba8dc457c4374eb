package logs

import (
	"context"

	"github.com/mayfly-faas/mayfly/internal/awserr"
	"github.com/mayfly-faas/mayfly/internal/store"
)

// maxTags is how many tags AWS lets a resource have.
const maxTags = 50

// putTags adds tags to a group, in the place of those of the same key.
func putTags(tx store.Tx, group int64, tags map[string]string) error {
	for k, v := range tags {
		_, err := tx.Exec(`INSERT INTO logs_tag (group_id, key, value) VALUES (?, ?, ?)
			ON CONFLICT (group_id, key) DO UPDATE SET value = excluded.value`, group, k, v)
		if err != nil {
			return err
		}
	}
	var n int
	if err := tx.Get([]any{&n}, `SELECT COUNT(*) FROM logs_tag WHERE group_id = ?`, group); err != nil {
		return err
	}
	if n > maxTags {
		return &awserr.Error{Code: "TooManyTagsException", Message: "A resource can have no more than 50 tags.", Status: 400}
	}
	return nil
}

func (b *Book) tag(ctx context.Context, group string, tags map[string]string) error {
	return fault(b.db.Update(ctx, func(tx store.Tx) error {
		id, err := groupID(tx, group)
		if err != nil {
			return err
		}
		return putTags(tx, id, tags)
	}))
}

func (b *Book) untag(ctx context.Context, group string, keys []string) error {
	return fault(b.db.Update(ctx, func(tx store.Tx) error {
		id, err := groupID(tx, group)
		if err != nil {
			return err
		}
		for _, k := range keys {
			if _, err := tx.Exec(`DELETE FROM logs_tag WHERE group_id = ? AND key = ?`, id, k); err != nil {
				return err
			}
		}
		return nil
	}))
}

func (b *Book) tags(ctx context.Context, group string) (map[string]string, error) {
	var tags map[string]string
	err := b.db.View(ctx, func(tx store.Tx) error {
		tags = map[string]string{}
		id, err := groupID(tx, group)
		if err != nil {
			return err
		}
		return tx.Each(`SELECT key, value FROM logs_tag WHERE group_id = ?`, []any{id}, func(scan func(...any) error) error {
			var k, v string
			err := scan(&k, &v)
			tags[k] = v
			return err
		})
	})
	return tags, fault(err)
}

// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_TagResource.html
func (a *api) tagResource(ctx context.Context, in *TagResourceRequest) (*TagResourceResponse, error) {
	group, err := a.groupOf(*in.ResourceArn)
	if err != nil {
		return nil, err
	}
	return &TagResourceResponse{}, a.tag(ctx, group, in.Tags)
}

// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_UntagResource.html
func (a *api) untagResource(ctx context.Context, in *UntagResourceRequest) (*UntagResourceResponse, error) {
	group, err := a.groupOf(*in.ResourceArn)
	if err != nil {
		return nil, err
	}
	return &UntagResourceResponse{}, a.untag(ctx, group, in.TagKeys)
}

// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_ListTagsForResource.html
func (a *api) listTagsForResource(ctx context.Context, in *ListTagsForResourceRequest) (*ListTagsForResourceResponse, error) {
	group, err := a.groupOf(*in.ResourceArn)
	if err != nil {
		return nil, err
	}
	tags, err := a.tags(ctx, group)
	return &ListTagsForResourceResponse{Tags: tags}, err
}

// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_TagLogGroup.html
func (a *api) tagLogGroup(ctx context.Context, in *TagLogGroupRequest) (*TagLogGroupResponse, error) {
	return &TagLogGroupResponse{}, a.tag(ctx, *in.LogGroupName, in.Tags)
}

// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_UntagLogGroup.html
func (a *api) untagLogGroup(ctx context.Context, in *UntagLogGroupRequest) (*UntagLogGroupResponse, error) {
	return &UntagLogGroupResponse{}, a.untag(ctx, *in.LogGroupName, in.Tags)
}

// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_ListTagsLogGroup.html
func (a *api) listTagsLogGroup(ctx context.Context, in *ListTagsLogGroupRequest) (*ListTagsLogGroupResponse, error) {
	tags, err := a.tags(ctx, *in.LogGroupName)
	return &ListTagsLogGroupResponse{Tags: tags}, err
}
