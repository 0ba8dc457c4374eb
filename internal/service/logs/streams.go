package logs

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/mayfly-faas/mayfly/internal/store"
)

// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_CreateLogStream.html
func (a *api) createLogStream(ctx context.Context, in *CreateLogStreamRequest) (*CreateLogStreamResponse, error) {
	err := a.db.Update(ctx, func(tx store.Tx) error {
		g, err := groupID(tx, *in.LogGroupName)
		if err != nil {
			return err
		}
		_, err = a.insertStream(tx, g, *in.LogStreamName)
		return err
	})
	if err != nil {
		return nil, conflict(err, "stream")
	}
	return &CreateLogStreamResponse{}, nil
}

// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_DeleteLogStream.html
//
// The events stay in their slices until those go; without the stream's row
// nobody sees them.
func (a *api) deleteLogStream(ctx context.Context, in *DeleteLogStreamRequest) (*DeleteLogStreamResponse, error) {
	at := address{*in.LogGroupName, *in.LogStreamName}
	err := a.wait(&job{do: func() error {
		err := a.db.Update(ctx, func(tx store.Tx) error {
			g, err := groupID(tx, at.group)
			if err != nil {
				return err
			}
			n, err := tx.Exec(`DELETE FROM logs_stream WHERE group_id = ? AND name = ?`, g, at.stream)
			if err == nil && n == 0 {
				err = errNoStream
			}
			return err
		})
		if err == nil {
			a.writer.forget(func(o address) bool { return o == at })
		}
		return err
	}})
	if err != nil {
		return nil, fault(err)
	}
	return &DeleteLogStreamResponse{}, nil
}

// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_DescribeLogStreams.html
func (a *api) describeLogStreams(ctx context.Context, in *DescribeLogStreamsRequest) (*DescribeLogStreamsResponse, error) {
	group, err := a.groupName(in.LogGroupName, in.LogGroupIdentifier)
	if err != nil {
		return nil, err
	}
	l := streamList{
		prefix: value0(in.LogStreamNamePrefix), byTime: value0(in.OrderBy) == "LastEventTime",
		descending: value0(in.Descending), limit: limit(in.Limit, defaultPage),
	}
	if l.byTime && l.prefix != "" {
		return nil, invalid("Cannot order by LastEventTime with a logStreamNamePrefix.")
	}
	if in.NextToken != nil {
		if err := l.resume(*in.NextToken); err != nil {
			return nil, err
		}
	}
	if a.gather != nil {
		a.gather()
	}
	// SQL learns the streams' times now and then; here it must know them.
	if err := a.wait(&job{do: func() error { return a.writer.flush(ctx) }}); err != nil {
		return nil, err
	}
	var rows []streamRow
	err = a.db.View(ctx, func(tx store.Tx) error {
		g, err := groupID(tx, group)
		if err != nil {
			return err
		}
		rows, err = l.read(tx, g)
		return err
	})
	if err != nil {
		return nil, fault(err)
	}
	out := &DescribeLogStreamsResponse{LogStreams: []*LogStream{}}
	if len(rows) > l.limit {
		rows = rows[:l.limit]
		out.NextToken = l.token(rows[l.limit-1])
	}
	for _, s := range rows {
		out.LogStreams = append(out.LogStreams, a.describeStream(group, s))
	}
	return out, nil
}

func (b *Book) describeStream(group string, s streamRow) *LogStream {
	out := &LogStream{
		Arn: new(b.arn(group) + ":log-stream:" + s.name), LogStreamName: &s.name,
		CreationTime: &s.created, StoredBytes: new(int64), // 0 since 2019, as AWS says
	}
	if s.last >= 0 {
		out.FirstEventTimestamp, out.LastEventTimestamp, out.LastIngestionTime = &s.first, &s.last, &s.ingest
		out.UploadSequenceToken = new(sequenceToken(s.ingest))
	}
	return out
}

// sequenceToken looks like AWS's; nobody reads it any more.
func sequenceToken(at int64) string { return fmt.Sprintf("496%053d", at) }

// A streamList says which page of a group's streams is wanted.
type streamList struct {
	prefix             string
	byTime, descending bool
	limit              int
	resumed            bool
	name               string // where the page before ended
	time               int64
}

// token is for the page behind s.
func (l *streamList) token(s streamRow) *string {
	return seal(strconv.FormatInt(s.last, 10) + "/" + s.name)
}

func (l *streamList) resume(token string) error {
	s, err := unseal(token)
	if err != nil {
		return err
	}
	at, name, ok := strings.Cut(s, "/")
	l.time, err = strconv.ParseInt(at, 10, 64)
	if !ok || err != nil {
		return invalid("The specified nextToken is invalid.")
	}
	l.name, l.resumed = name, true
	return nil
}

// read reads the page, and one row more if there is one.
func (l *streamList) read(tx store.Tx, group int64) ([]streamRow, error) {
	query := `SELECT ` + streamColumns + ` FROM logs_stream WHERE group_id = ?`
	args := []any{group}
	op, order := ">", ""
	if l.descending {
		op, order = "<", " DESC"
	}
	if l.prefix != "" {
		query += ` AND name >= ? AND name < ?`
		args = append(args, l.prefix, past(l.prefix))
	}
	switch {
	case l.resumed && l.byTime:
		query += ` AND (last_event ` + op + ` ? OR last_event = ? AND name ` + op + ` ?)`
		args = append(args, l.time, l.time, l.name)
	case l.resumed:
		query += ` AND name ` + op + ` ?`
		args = append(args, l.name)
	}
	if l.byTime {
		query += ` ORDER BY last_event` + order + `, name` + order
	} else {
		query += ` ORDER BY name` + order
	}
	var rows []streamRow
	err := tx.Each(query+` LIMIT ?`, append(args, l.limit+1), func(scan func(...any) error) error {
		var s streamRow
		err := scan(s.dest()...)
		rows = append(rows, s)
		return err
	})
	return rows, err
}
