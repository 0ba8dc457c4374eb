package logs

import (
	"context"
	"slices"
	"strings"

	"github.com/mayfly-faas/mayfly/internal/awserr"
	"github.com/mayfly-faas/mayfly/internal/store"
)

// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_CreateLogGroup.html
func (a *api) createLogGroup(ctx context.Context, in *CreateLogGroupRequest) (*CreateLogGroupResponse, error) {
	g := groupRow{name: *in.LogGroupName, class: value0(in.LogGroupClass), kms: value0(in.KmsKeyId)}
	if strings.HasPrefix(strings.ToLower(g.name), "aws/") {
		return nil, invalid("Log groups starting with AWS/ are reserved for AWS.")
	}
	if g.class == "" {
		g.class = "STANDARD"
	}
	if value0(in.DeletionProtectionEnabled) {
		g.protected = 1
	}
	err := a.db.Update(ctx, func(tx store.Tx) error {
		id, err := a.insertGroup(tx, g)
		if err != nil {
			return err
		}
		return putTags(tx, id, in.Tags)
	})
	if err != nil {
		return nil, conflict(err, "group")
	}
	return &CreateLogGroupResponse{}, nil
}

// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_DeleteLogGroup.html
func (a *api) deleteLogGroup(ctx context.Context, in *DeleteLogGroupRequest) (*DeleteLogGroupResponse, error) {
	if err := a.dropGroup(ctx, *in.LogGroupName); err != nil {
		return nil, fault(err)
	}
	return &DeleteLogGroupResponse{}, nil
}

// dropGroup deletes a group in the writer's turn, so that nothing is being
// written to it.
func (b *Book) dropGroup(ctx context.Context, name string) error {
	return b.wait(&job{do: func() error {
		var g groupRow
		err := b.db.Update(ctx, func(tx store.Tx) (err error) {
			if g, err = groupByName(tx, name); err != nil {
				return err
			}
			if g.protected != 0 {
				return awserr.New(400, "ValidationException", "The log group %s has deletion protection enabled and cannot be deleted.", name)
			}
			for _, q := range []string{
				`DELETE FROM logs_stream WHERE group_id = ?`, `DELETE FROM logs_tag WHERE group_id = ?`, `DELETE FROM logs_group WHERE id = ?`,
			} {
				if _, err := tx.Exec(q, g.id); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		b.writer.forget(func(at address) bool { return at.group == name })
		return b.writer.remove(g.id)
	}})
}

// forget drops the places of streams that were deleted.
func (w *writer) forget(gone func(address) bool) {
	for a := range w.places {
		if gone(a) {
			delete(w.places, a)
		}
	}
	w.names.forget()
}

// remove drops a group's files.
func (w *writer) remove(group int64) error {
	for _, s := range w.shelves.of(group).list() {
		w.closeFile(s)
		w.indexes.drop(s)
		w.total -= s.bytes()
	}
	return w.shelves.remove(group)
}

// defaultPage is how many groups or streams a page has.
const defaultPage = 50

// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_DescribeLogGroups.html
func (a *api) describeLogGroups(ctx context.Context, in *DescribeLogGroupsRequest) (*DescribeLogGroupsResponse, error) {
	prefix, substring := value0(in.LogGroupNamePrefix), value0(in.LogGroupNamePattern)
	if prefix != "" && substring != "" {
		return nil, invalid("LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.")
	}
	names, err := a.identified(in.LogGroupIdentifiers)
	if err != nil {
		return nil, err
	}
	rows, token, err := a.listGroups(ctx, prefix, in.NextToken, limit(in.Limit, defaultPage), func(g groupRow) bool {
		return strings.Contains(g.name, substring) && inClass(g.class, value0(in.LogGroupClass)) &&
			(names == nil || slices.Contains(names, g.name))
	})
	if err != nil {
		return nil, err
	}
	out := &DescribeLogGroupsResponse{LogGroups: []*LogGroup{}, NextToken: token}
	for _, g := range rows {
		out.LogGroups = append(out.LogGroups, a.describe(g, substring == ""))
	}
	return out, nil
}

// identified are the names that identifiers stand for.
func (b *Book) identified(identifiers []string) ([]string, error) {
	var names []string
	for _, id := range identifiers {
		name, err := b.groupName(nil, &id)
		if err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	return names, nil
}

// inClass tells whether class is asked for. AWS gives its two cheap classes together.
func inClass(class, want string) bool {
	cheap := []string{"INFREQUENT_ACCESS", "ESSENTIALS"}
	return want == "" || class == want || slices.Contains(cheap, class) && slices.Contains(cheap, want)
}

// describe is what DescribeLogGroups says of g; less when it is asked by pattern.
func (b *Book) describe(g groupRow, full bool) *LogGroup {
	bare := b.arn(g.name)
	out := &LogGroup{
		Arn: new(bare + ":*"), LogGroupArn: &bare, LogGroupName: &g.name, LogGroupClass: &g.class,
		CreationTime: &g.created, MetricFilterCount: new(int32),
	}
	if g.retention > 0 {
		out.RetentionInDays = new(int32(g.retention))
	}
	if g.kms != "" {
		out.KmsKeyId = &g.kms
	}
	if full {
		out.StoredBytes = new(b.shelves.of(g.id).size())
		out.DeletionProtectionEnabled = new(g.protected != 0)
	}
	return out
}

// listGroups reads a page of those groups that match, by name.
func (b *Book) listGroups(ctx context.Context, prefix string, token *string, n int, match func(groupRow) bool) ([]groupRow, *string, error) {
	after, err := nameToken(token)
	if err != nil {
		return nil, nil, err
	}
	var page []groupRow
	var next *string
	err = b.db.View(ctx, func(tx store.Tx) error {
		page, next = nil, nil
		query := `SELECT ` + groupColumns + ` FROM logs_group WHERE name > ? AND name >= ? AND name < ? ORDER BY name`
		err := tx.Each(query, []any{after, prefix, past(prefix)}, func(scan func(...any) error) error {
			var g groupRow
			if err := scan(g.dest()...); err != nil {
				return err
			}
			if !match(g) {
				return nil
			}
			if len(page) == n {
				next = seal(page[n-1].name)
				return errEnough
			}
			page = append(page, g)
			return nil
		})
		return enough(err)
	})
	return page, next, err
}

// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_ListLogGroups.html
func (a *api) listLogGroups(ctx context.Context, in *ListLogGroupsRequest) (*ListLogGroupsResponse, error) {
	choices := strings.Split(value0(in.LogGroupNamePattern), "|")
	rows, token, err := a.listGroups(ctx, "", in.NextToken, limit(in.Limit, defaultPage), func(g groupRow) bool {
		return inClass(g.class, value0(in.LogGroupClass)) && slices.ContainsFunc(choices, func(c string) bool {
			if start, ok := strings.CutPrefix(c, "^"); ok {
				return strings.HasPrefix(g.name, start)
			}
			return strings.Contains(g.name, c)
		})
	})
	if err != nil {
		return nil, err
	}
	out := &ListLogGroupsResponse{LogGroups: []*LogGroupSummary{}, NextToken: token}
	for _, g := range rows {
		out.LogGroups = append(out.LogGroups, &LogGroupSummary{LogGroupArn: new(a.arn(g.name)), LogGroupClass: &g.class, LogGroupName: &g.name})
	}
	return out, nil
}

// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogGroupDeletionProtection.html
func (a *api) putLogGroupDeletionProtection(ctx context.Context, in *PutLogGroupDeletionProtectionRequest) (*PutLogGroupDeletionProtectionResponse, error) {
	name, err := a.groupName(nil, in.LogGroupIdentifier)
	if err != nil {
		return nil, err
	}
	on := 0
	if *in.DeletionProtectionEnabled {
		on = 1
	}
	if err := a.changeGroup(ctx, name, `UPDATE logs_group SET protected = ? WHERE name = ?`, on); err != nil {
		return nil, err
	}
	return &PutLogGroupDeletionProtectionResponse{}, nil
}

// changeGroup sets one column of a group.
func (a *api) changeGroup(ctx context.Context, name, statement string, to any) error {
	return fault(a.db.Update(ctx, func(tx store.Tx) error {
		n, err := tx.Exec(statement, to, name)
		if err == nil && n == 0 {
			err = errNoGroup
		}
		return err
	}))
}

// retentions are the days that AWS lets one choose from.
func retentions() []int32 {
	return []int32{1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653}
}

// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html
func (a *api) putRetentionPolicy(ctx context.Context, in *PutRetentionPolicyRequest) (*PutRetentionPolicyResponse, error) {
	if !slices.Contains(retentions(), *in.RetentionInDays) {
		return nil, invalid("1 validation error detected: Value '%d' at 'retentionInDays' failed to satisfy constraint: Member must satisfy enum value set: %s",
			*in.RetentionInDays, numbers(retentions()))
	}
	if err := a.changeGroup(ctx, *in.LogGroupName, `UPDATE logs_group SET retention = ? WHERE name = ?`, *in.RetentionInDays); err != nil {
		return nil, err
	}
	return &PutRetentionPolicyResponse{}, nil
}

// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_DeleteRetentionPolicy.html
func (a *api) deleteRetentionPolicy(ctx context.Context, in *DeleteRetentionPolicyRequest) (*DeleteRetentionPolicyResponse, error) {
	if err := a.changeGroup(ctx, *in.LogGroupName, `UPDATE logs_group SET retention = ? WHERE name = ?`, 0); err != nil {
		return nil, err
	}
	return &DeleteRetentionPolicyResponse{}, nil
}
