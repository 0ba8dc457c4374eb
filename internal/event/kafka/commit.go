package kafka

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// send commits offsets of the Topic's partitions, and waits for the answer.
func (m *member) send(ctx context.Context, offsets map[int32]kgo.EpochOffset) (err error) {
	all := map[string]map[int32]kgo.EpochOffset{m.t.c.Topic: offsets}
	m.client.CommitOffsetsSync(ctx, all, func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, answer *kmsg.OffsetCommitResponse, failed error) {
		if err = failed; err != nil {
			return
		}
		for _, t := range answer.Topics {
			for _, p := range t.Partitions {
				if e := kerr.ErrorForCode(p.ErrorCode); e != nil {
					err = e
				}
			}
		}
	})
	return err
}
