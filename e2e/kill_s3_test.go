package e2e

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// A vault is a bucket that is written from several sides while its server dies, and
// what those who wrote were told.
type vault struct {
	bucket  string
	queue   string
	writers []*writer
	next    atomic.Int64
	acked   atomic.Int64
	told    []happening // in the order in which the queue gave them
}

// A writer writes its own keys, one after the other.
type writer struct {
	keys []string
	now  map[string]string // of each key the ETag of what is there, "" for nothing
	open map[string]deed   // what was begun and not acknowledged
	done []deed            // what was
}

// A deed is one change of a key.
type deed struct{ event, key, etag string }

// A happening is what a notification tells.
type happening struct {
	deed
	sequencer string
}

// TestKill9Objects kills the server at random moments during uploads, copies and
// deletions. What was acknowledged is there, whole; what was not is there whole or
// not at all; and all that was acknowledged was told to the bucket's queue, of each
// key in order.
//
// MAYFLY_KILLS and MAYFLY_KILL_EVENTS make it longer.
func TestKill9Objects(t *testing.T) {
	kills, writes := setting(t, "MAYFLY_KILLS", 5), setting(t, "MAYFLY_KILL_EVENTS", 1500)
	if testing.Short() {
		kills, writes = 2, 300
	}
	s := start(t, "--tier", "process")
	v := newVault(t, s)
	for round := range kills {
		v.underLoad(t, s, int64(writes/kills))
		s.run()
		v.inspect(t, s, round)
	}
	v.listen(t, s)
	v.judge(t, kills)
}

func newVault(t *testing.T, s *server) *vault {
	v := &vault{bucket: "vault"}
	c, o := s.clients(t), s.objects()
	v.queue = c.queue("told", map[string]string{"Policy": `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"s3.amazonaws.com"},"Action":"sqs:SendMessage","Resource":"*"}]}`})
	if _, err := o.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &v.bucket}); err != nil {
		t.Fatal(err)
	}
	_, err := o.PutBucketNotificationConfiguration(t.Context(), &s3.PutBucketNotificationConfigurationInput{Bucket: &v.bucket,
		NotificationConfiguration: &s3types.NotificationConfiguration{QueueConfigurations: []s3types.QueueConfiguration{
			{QueueArn: aws.String(resource("sqs", "told")), Events: []s3types.Event{"s3:ObjectCreated:*", "s3:ObjectRemoved:*"}},
		}}})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 6 {
		w := &writer{now: map[string]string{}, open: map[string]deed{}}
		for j := range 4 {
			w.keys = append(w.keys, fmt.Sprintf("w%d/key %d", i, j))
		}
		v.writers = append(v.writers, w)
	}
	return v
}

// underLoad writes from several sides, and kills the server at a random moment on
// the way to so many more acknowledged writes.
func (v *vault) underLoad(t *testing.T, s *server, writes int64) {
	ctx, cancel := context.WithCancel(t.Context())
	c := s.objects()
	from := v.acked.Load()
	moment := from + rand.Int64N(max(1, writes))
	reached := make(chan struct{})
	tell := sync.OnceFunc(func() { close(reached) })
	var wg sync.WaitGroup
	for _, w := range v.writers {
		wg.Go(func() {
			for ctx.Err() == nil && v.acked.Load() < from+writes && v.write(ctx, c, w) {
				if v.acked.Load() > moment {
					tell()
				}
			}
			tell() // refused or done
		})
	}
	<-reached
	time.Sleep(time.Duration(rand.IntN(20_000)) * time.Microsecond)
	s.kill()
	cancel()
	wg.Wait()
}

// write makes one change, and tells whether it was acknowledged.
func (v *vault) write(ctx context.Context, c *s3.Client, w *writer) bool {
	key := w.keys[rand.IntN(len(w.keys))]
	body := v.content(key)
	sum := md5.Sum(body)
	d := deed{"ObjectCreated:Put", key, hex.EncodeToString(sum[:])}
	var err error
	switch n, there := rand.IntN(10), w.now[key]; {
	case n < 2 && there != "":
		d = deed{"ObjectRemoved:Delete", key, ""}
		w.open[key] = d
		_, err = c.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &v.bucket, Key: &key})
	case n < 4 && w.source(key) != "":
		from := w.source(key)
		d = deed{"ObjectCreated:Copy", key, w.now[from]}
		w.open[key] = d
		_, err = c.CopyObject(ctx, &s3.CopyObjectInput{Bucket: &v.bucket, Key: &key, CopySource: aws.String(v.bucket + "/" + url.PathEscape(from))})
	case n < 5:
		sum = md5.Sum(sum[:])
		d = deed{"ObjectCreated:CompleteMultipartUpload", key, hex.EncodeToString(sum[:]) + "-1"}
		err = v.upload(ctx, c, w, d, body)
	default:
		w.open[key] = d
		_, err = c.PutObject(ctx, &s3.PutObjectInput{Bucket: &v.bucket, Key: &key, Body: bytes.NewReader(body)})
	}
	if err != nil {
		return false
	}
	delete(w.open, key)
	w.now[key], w.done = d.etag, append(w.done, d)
	v.acked.Add(1)
	return true
}

// source is another key of the writer's that has content which came by one put:
// a copy of it has the same ETag.
func (w *writer) source(key string) string {
	for _, k := range w.keys {
		if k != key && len(w.now[k]) == 32 {
			return k
		}
	}
	return ""
}

// upload writes an object as a part.
func (v *vault) upload(ctx context.Context, c *s3.Client, w *writer, d deed, body []byte) error {
	up, err := c.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: &v.bucket, Key: &d.key})
	if err != nil {
		return err
	}
	part, err := c.UploadPart(ctx, &s3.UploadPartInput{Bucket: &v.bucket, Key: &d.key, UploadId: up.UploadId, PartNumber: aws.Int32(1), Body: bytes.NewReader(body)})
	if err != nil {
		return err
	}
	w.open[d.key] = d
	_, err = c.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{Bucket: &v.bucket, Key: &d.key, UploadId: up.UploadId,
		MultipartUpload: &s3types.CompletedMultipartUpload{Parts: []s3types.CompletedPart{{ETag: part.ETag, PartNumber: aws.Int32(1)}}}})
	return err
}

// content is something that no other object has: small, or of many blocks.
func (v *vault) content(key string) []byte {
	line := fmt.Appendf(nil, "%s %d\n", key, v.next.Add(1))
	size := rand.IntN(2000)
	if rand.IntN(4) == 0 {
		size = rand.IntN(1 << 20)
	}
	return bytes.Repeat(line, 1+size/len(line))
}

// inspect reads all keys after a restart. Of what was not acknowledged it finds out
// whether it happened.
func (v *vault) inspect(t *testing.T, s *server, round int) {
	c := s.objects()
	for _, w := range v.writers {
		for _, key := range w.keys {
			etag := v.read(t, c, key)
			open, begun := w.open[key]
			switch {
			case etag == w.now[key] && (!begun || open.etag != etag):
			case begun && etag == open.etag:
				w.now[key] = etag
			default:
				t.Errorf("kill %d: %q has %q, and %q was acknowledged (begun: %+v)", round+1, key, etag, w.now[key], open)
				w.now[key] = etag
			}
		}
		clear(w.open)
	}
}

// read is the ETag of an object whose content is whole, "" when there is none.
func (v *vault) read(t *testing.T, c *s3.Client, key string) string {
	t.Helper()
	out, err := c.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &v.bucket, Key: &key})
	if gone := (*s3types.NoSuchKey)(nil); errors.As(err, &gone) {
		return ""
	}
	if err != nil {
		t.Fatal(err)
	}
	defer out.Body.Close()
	body, err := io.ReadAll(out.Body)
	if err != nil {
		t.Fatalf("%s: %v", key, err)
	}
	etag := strings.Trim(*out.ETag, `"`)
	sum := md5.Sum(body)
	if strings.HasSuffix(etag, "-1") {
		sum = md5.Sum(sum[:])
	}
	if hex.EncodeToString(sum[:]) != strings.TrimSuffix(etag, "-1") {
		t.Errorf("%s is torn: %d bytes are not what its ETag %s says", key, len(body), etag)
	}
	line, _, _ := bytes.Cut(body, []byte("\n"))
	if line = append(slices.Clone(line), '\n'); !bytes.Equal(body, bytes.Repeat(line, len(body)/len(line))) {
		t.Errorf("%s is made of more than one write", key)
	}
	return etag
}

// listen takes what the queue was told, until all is there that was acknowledged or
// nothing more comes.
func (v *vault) listen(t *testing.T, s *server) {
	c := s.clients(t)
	for quiet := time.Now(); time.Since(quiet) < 10*time.Second && len(v.missing()) > 0; time.Sleep(50 * time.Millisecond) {
		for _, m := range c.drained(v.queue) {
			v.hear(t, m)
			quiet = time.Now()
		}
	}
	for _, m := range c.drained(v.queue) {
		v.hear(t, m)
	}
}

func (v *vault) hear(t *testing.T, m sqstypes.Message) {
	t.Helper()
	var note struct {
		Event   string
		Records []struct {
			EventName string `json:"eventName"`
			S3        struct {
				Object struct{ Key, ETag, Sequencer string }
			}
		}
	}
	if err := json.Unmarshal([]byte(*m.Body), &note); err != nil {
		t.Fatalf("%s: %v", *m.Body, err)
	}
	if note.Event == "s3:TestEvent" {
		return
	}
	r := note.Records[0]
	key, err := url.QueryUnescape(r.S3.Object.Key)
	if err != nil || len(note.Records) != 1 {
		t.Fatalf("%s: %v", *m.Body, err)
	}
	v.told = append(v.told, happening{deed{r.EventName, key, r.S3.Object.ETag}, r.S3.Object.Sequencer})
}

// missing are the acknowledged changes that were not told.
func (v *vault) missing() (lost []deed) {
	n := map[deed]int{}
	for _, h := range v.told {
		n[h.deed]++
	}
	for _, w := range v.writers {
		for _, d := range w.done {
			if n[d]--; n[d] < 0 {
				lost = append(lost, d)
			}
		}
	}
	return lost
}

// judge holds what was told to what was acknowledged.
func (v *vault) judge(t *testing.T, kills int) {
	if lost := v.missing(); len(lost) > 0 {
		t.Errorf("%d changes were acknowledged and not told, among them %+v", len(lost), lost[:min(5, len(lost))])
	}
	seen, twice, last := map[happening]bool{}, 0, map[string]string{}
	order := map[string][]deed{}
	for _, h := range v.told {
		if seen[h] {
			twice++
			continue
		}
		seen[h] = true
		if h.sequencer <= last[h.key] {
			t.Errorf("%q: %s was told after %s", h.key, h.sequencer, last[h.key])
		}
		last[h.key] = h.sequencer
		order[h.key] = append(order[h.key], h.deed)
	}
	for _, w := range v.writers {
		for _, d := range w.done { // each is found behind the one before it
			i := slices.Index(order[d.key], d)
			if i < 0 {
				t.Errorf("%+v was told out of order", d)
				continue
			}
			order[d.key] = order[d.key][i+1:]
		}
	}
	t.Logf("%d writes acknowledged, %d kills; %d told, %d of them twice", v.acked.Load(), kills, len(v.told), twice)
}
