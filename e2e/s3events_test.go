package e2e

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	kinesistypes "github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

func (s *server) objects() *s3.Client {
	c := s.config()
	c.RetryMaxAttempts = 1
	return s3.NewFromConfig(c)
}

// TestS3Events is what happens in buckets, and code from them, as a user of boto3
// meets it.
func TestS3Events(t *testing.T) {
	s := start(t)
	s.client(t, python(t), "clients/s3events.py", s.pythonRuntime())
}

// TestDeployLarge deploys an archive that is too large to be sent along.
func TestDeployLarge(t *testing.T) {
	if testing.Short() {
		t.Skip("it packs 60 MB")
	}
	s, dir := start(t), t.TempDir()
	put(t, dir, map[string]string{"app.py": "import os\ndef handler(e, c): return os.path.getsize('data')"})
	if err := os.WriteFile(filepath.Join(dir, "data"), noise(60<<20), 0o644); err != nil {
		t.Fatal(err)
	}
	deploy := "mayfly deploy . --name large --handler app.handler --runtime " + s.pythonRuntime()
	s.sh(dir, deploy)
	if got := invoke(t, lambda.NewFromConfig(s.config()), "large", "{}"); got != fmt.Sprint(60<<20) {
		t.Errorf("the function says %s", got)
	}
	if out := s.sh(dir, deploy); !strings.Contains(out, "unchanged large") {
		t.Errorf("the second time it says %s", out)
	}
	out, err := s.objects().ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: aws.String("mayfly-deploy-000000000000")})
	if err != nil || len(out.Contents) != 0 {
		t.Errorf("deploy leaves %v, %v", out, err)
	}
}

// noise is n bytes that cannot be squeezed, the same each time.
func noise(n int) []byte {
	b := make([]byte, 0, n+sha256.Size)
	for sum := sha256.Sum256(nil); len(b) < n; sum = sha256.Sum256(sum[:]) {
		b = append(b, sum[:]...)
	}
	return b[:n]
}

// TestThumbnails is examples/thumbnails, as its README tells it. MAYFLY_LARGE_MB is
// the size of the large upload; the README says 500.
func TestThumbnails(t *testing.T) {
	s, dir := start(t), t.TempDir()
	s.sh(dir, "cp -r "+filepath.Join(root(t), "examples", "thumbnails")+" . && rm -rf thumbnails/build")
	out := s.sh(dir, "thumbnails/up.sh photos")
	for _, want := range []string{"created thumbnails-python", "created thumbnails-node"} {
		if !strings.Contains(out, want) {
			t.Fatalf("up.sh does not say %q:\n%s", want, out)
		}
	}
	writePicture(t, filepath.Join(dir, "my cat+1.png"))
	large := noise(setting(t, "MAYFLY_LARGE_MB", 20) << 20)
	if err := os.WriteFile(filepath.Join(dir, "large.bin"), large, 0o644); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(large)
	for _, who := range []string{"python", "node"} {
		s.sh(dir, `aws s3 cp --no-progress "my cat+1.png" s3://photos/uploads/`+who+`/`)
		s.sh(dir, "aws s3 cp --no-progress large.bin s3://photos/uploads/"+who+"/")
		small, err := jpeg.Decode(bytes.NewReader(s.awaitObject(t, "photos", "thumbs/"+who+"/my cat+1.jpg")))
		if err != nil || small.Bounds().Size() != image.Pt(128, 80) {
			t.Fatalf("%s: the thumbnail is %v, %v", who, small, err)
		}
		if r, g, b, _ := small.At(64, 40).RGBA(); r>>8 < 240 || g>>8 > 15 || b>>8 > 15 {
			t.Errorf("%s: the thumbnail of something red is %d %d %d", who, r>>8, g>>8, b>>8)
		}
		var note struct {
			Size   int
			SHA256 string
		}
		if err := json.Unmarshal(s.awaitObject(t, "photos", "thumbs/"+who+"/large.bin.json"), &note); err != nil || note.Size != len(large) || note.SHA256 != hex.EncodeToString(sum[:]) {
			t.Errorf("%s: the note is %+v, %v", who, note, err)
		}
	}
	if out := s.sh(dir, "thumbnails/up.sh photos"); !strings.Contains(out, "unchanged thumbnails-node") {
		t.Errorf("the second time up.sh says\n%s", out)
	}
}

// writePicture writes a red picture of 640 by 400.
func writePicture(t *testing.T, name string) {
	t.Helper()
	m := image.NewRGBA(image.Rect(0, 0, 640, 400))
	for i := range 640 * 400 {
		m.Set(i%640, i/640, color.RGBA{255, 0, 0, 255})
	}
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// awaitObject waits until an object is there, and answers its content.
func (s *server) awaitObject(t *testing.T, bucket, key string) (content []byte) {
	t.Helper()
	c := s.objects()
	await(t, "s3://"+bucket+"/"+key, func() bool {
		out, err := c.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &bucket, Key: &key})
		if err != nil {
			return false
		}
		defer out.Body.Close()
		var b bytes.Buffer
		_, err = b.ReadFrom(out.Body)
		content = b.Bytes()
		return err == nil
	})
	return content
}

// TestAggregates is examples/aggregates, as its README tells it, with a shorter
// window.
func TestAggregates(t *testing.T) {
	s, dir := start(t), t.TempDir()
	s.sh(dir, "cp -r "+filepath.Join(root(t), "examples", "aggregates")+" . && rm -rf aggregates/build")
	if out := s.sh(dir, "aggregates/up.sh sums readings 2"); !strings.Contains(out, "created aggregates") {
		t.Fatalf("up.sh says\n%s", out)
	}
	c, o := kinesis.NewFromConfig(s.config()), s.objects()
	const sensors, each = 5, 200
	want := 0
	for i := range each {
		var all []kinesistypes.PutRecordsRequestEntry
		for n := range sensors {
			all = append(all, kinesistypes.PutRecordsRequestEntry{PartitionKey: aws.String(fmt.Sprint("s", n)), Data: fmt.Appendf(nil, `{"sensor":"s%d","value":%d}`, n, i)})
			want += i
		}
		out, err := c.PutRecords(t.Context(), &kinesis.PutRecordsInput{StreamName: aws.String("readings"), Records: all})
		if err != nil || *out.FailedRecordCount > 0 {
			t.Fatal(err)
		}
	}
	type sums struct{ Count, Sum, Min, Max int }
	var total sums
	await(t, "all windows", func() bool {
		total = sums{}
		list, err := o.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: aws.String("sums"), Prefix: aws.String("readings/")})
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range list.Contents {
			var w struct{ Sensors map[string]sums }
			if err := json.Unmarshal(s.awaitObject(t, "sums", *one.Key), &w); err != nil {
				t.Fatal(err)
			}
			for _, x := range w.Sensors {
				total.Count, total.Sum, total.Max = total.Count+x.Count, total.Sum+x.Sum, max(total.Max, x.Max)
			}
		}
		return total.Count >= sensors*each
	})
	if (total != sums{sensors * each, want, 0, each - 1}) {
		t.Errorf("the windows come to %+v, want %d records of %d", total, sensors*each, want)
	}
}
