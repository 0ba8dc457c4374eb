package scheduler

import (
	"context"
	"errors"
	"strings"

	"github.com/mayfly-faas/mayfly/internal/store"
)

const defaultGroup = "default"

// A groupRow is a group as its table has it.
type groupRow struct {
	name, token       string
	created, modified int64
}

const groupColumns = `name, token, created, modified`

func scanGroup(scan func(...any) error) (g groupRow, err error) {
	return g, scan(&g.name, &g.token, &g.created, &g.modified)
}

func groupByName(tx store.Tx, name string) (groupRow, error) {
	rows, err := store.All(tx, scanGroup, `SELECT `+groupColumns+` FROM scheduler_group WHERE name = ?`, name)
	if err != nil {
		return groupRow{}, err
	}
	if len(rows) == 0 {
		return groupRow{}, notFound("Schedule Group %s does not exist.", name)
	}
	return rows[0], nil
}

// ensureDefault makes the group that every account has.
func (b *Book) ensureDefault(tx store.Tx) error {
	now := b.nowMilli()
	_, err := tx.Exec(`INSERT INTO scheduler_group (`+groupColumns+`) VALUES (?, '', ?, ?) ON CONFLICT (name) DO NOTHING`, defaultGroup, now, now)
	return err
}

// https://docs.aws.amazon.com/scheduler/latest/APIReference/API_CreateScheduleGroup.html
func (a *api) createScheduleGroup(ctx context.Context, in *CreateScheduleGroupInput) (*CreateScheduleGroupOutput, error) {
	now := a.nowMilli()
	err := a.DB.Update(ctx, func(tx store.Tx) error {
		_, err := tx.Exec(`INSERT INTO scheduler_group (`+groupColumns+`) VALUES (?, ?, ?, ?)`, *in.Name, val(in.ClientToken), now, now)
		if errors.Is(err, store.ErrConflict) {
			return existingGroup(tx, in)
		}
		if err != nil {
			return err
		}
		return putTags(tx, *in.Name, in.Tags)
	})
	return &CreateScheduleGroupOutput{ScheduleGroupArn: new(a.groupARN(*in.Name))}, err
}

// existingGroup is no error when the same request made the group.
func existingGroup(tx store.Tx, in *CreateScheduleGroupInput) error {
	g, err := groupByName(tx, *in.Name)
	if err == nil && (g.token == "" || g.token != val(in.ClientToken)) {
		err = conflict("Schedule Group %s already exists.", *in.Name)
	}
	return err
}

// A group goes with its schedules, at once.
// https://docs.aws.amazon.com/scheduler/latest/APIReference/API_DeleteScheduleGroup.html
func (a *api) deleteScheduleGroup(ctx context.Context, in *DeleteScheduleGroupInput) (*DeleteScheduleGroupOutput, error) {
	if *in.Name == defaultGroup {
		return nil, invalid("Deleting default schedule group is not supported.")
	}
	return &DeleteScheduleGroupOutput{}, a.DB.Update(ctx, func(tx store.Tx) error {
		if _, err := groupByName(tx, *in.Name); err != nil {
			return err
		}
		for _, q := range []string{
			`DELETE FROM scheduler_schedule WHERE grp = ?`, `DELETE FROM scheduler_tag WHERE grp = ?`, `DELETE FROM scheduler_group WHERE name = ?`,
		} {
			if _, err := tx.Exec(q, *in.Name); err != nil {
				return err
			}
		}
		return nil
	})
}

// https://docs.aws.amazon.com/scheduler/latest/APIReference/API_GetScheduleGroup.html
func (a *api) getScheduleGroup(ctx context.Context, in *GetScheduleGroupInput) (*GetScheduleGroupOutput, error) {
	g, err := store.Read(ctx, a.DB, func(tx store.Tx) (groupRow, error) { return groupByName(tx, *in.Name) })
	return &GetScheduleGroupOutput{
		Arn: new(a.groupARN(g.name)), Name: &g.name, State: new("ACTIVE"), CreationDate: moment(g.created), LastModificationDate: moment(g.modified),
	}, err
}

// https://docs.aws.amazon.com/scheduler/latest/APIReference/API_ListScheduleGroups.html
func (a *api) listScheduleGroups(ctx context.Context, in *ListScheduleGroupsInput) (*ListScheduleGroupsOutput, error) {
	p, err := pageOf(in.NextToken, in.NamePrefix, in.MaxResults)
	if err != nil {
		return nil, err
	}
	rows, err := store.Read(ctx, a.DB, func(tx store.Tx) ([]groupRow, error) {
		return store.All(tx, scanGroup, `SELECT `+groupColumns+` FROM scheduler_group
			WHERE name > ? AND name >= ? AND name < ? ORDER BY name LIMIT ?`, p.group, p.prefix, past(p.prefix), p.size+1)
	})
	if err != nil {
		return nil, err
	}
	out := &ListScheduleGroupsOutput{ScheduleGroups: []*ScheduleGroupSummary{}}
	if len(rows) > p.size {
		rows = rows[:p.size]
		out.NextToken = tokenOf(rows[p.size-1].name, "")
	}
	for _, g := range rows {
		out.ScheduleGroups = append(out.ScheduleGroups, &ScheduleGroupSummary{
			Arn: new(a.groupARN(g.name)), Name: &g.name, State: new("ACTIVE"), CreationDate: moment(g.created), LastModificationDate: moment(g.modified),
		})
	}
	return out, nil
}

// putTags adds tags to a group, in the place of those of the same key.
func putTags(tx store.Tx, group string, tags []*Tag) error {
	for _, t := range tags {
		_, err := tx.Exec(`INSERT INTO scheduler_tag (grp, key, value) VALUES (?, ?, ?)
			ON CONFLICT (grp, key) DO UPDATE SET value = excluded.value`, group, *t.Key, *t.Value)
		if err != nil {
			return err
		}
	}
	return nil
}

// tagged is the group that an ARN names; only groups have tags.
func tagged(tx store.Tx, arn string) (string, error) {
	_, name, _ := strings.Cut(arn, ":schedule-group/")
	_, err := groupByName(tx, name)
	return name, err
}

// https://docs.aws.amazon.com/scheduler/latest/APIReference/API_TagResource.html
func (a *api) tagResource(ctx context.Context, in *TagResourceInput) (*TagResourceOutput, error) {
	return &TagResourceOutput{}, a.DB.Update(ctx, func(tx store.Tx) error {
		name, err := tagged(tx, *in.ResourceArn)
		if err != nil {
			return err
		}
		return putTags(tx, name, in.Tags)
	})
}

// https://docs.aws.amazon.com/scheduler/latest/APIReference/API_UntagResource.html
func (a *api) untagResource(ctx context.Context, in *UntagResourceInput) (*UntagResourceOutput, error) {
	return &UntagResourceOutput{}, a.DB.Update(ctx, func(tx store.Tx) error {
		name, err := tagged(tx, *in.ResourceArn)
		if err != nil {
			return err
		}
		for _, k := range in.TagKeys {
			if _, err := tx.Exec(`DELETE FROM scheduler_tag WHERE grp = ? AND key = ?`, name, k); err != nil {
				return err
			}
		}
		return nil
	})
}

// https://docs.aws.amazon.com/scheduler/latest/APIReference/API_ListTagsForResource.html
func (a *api) listTagsForResource(ctx context.Context, in *ListTagsForResourceInput) (*ListTagsForResourceOutput, error) {
	tags, err := store.Read(ctx, a.DB, func(tx store.Tx) ([]*Tag, error) {
		name, err := tagged(tx, *in.ResourceArn)
		if err != nil {
			return nil, err
		}
		return store.All(tx, func(scan func(...any) error) (*Tag, error) {
			t := &Tag{Key: new(string), Value: new(string)}
			return t, scan(t.Key, t.Value)
		}, `SELECT key, value FROM scheduler_tag WHERE grp = ? ORDER BY key`, name)
	})
	if tags == nil {
		tags = []*Tag{}
	}
	return &ListTagsForResourceOutput{Tags: tags}, err
}
