package kinesis

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/mayfly-faas/mayfly/internal/wire/awsjson"
)

// BenchmarkPutRecords is 500 records of 1 KB in a request, on disk before each
// answer, by several callers; without HTTP.
func BenchmarkPutRecords(b *testing.B) {
	for _, callers := range []int{1, 4, 16} {
		b.Run(fmt.Sprint(callers), func(b *testing.B) {
			w := newWorld(b)
			st := w.make("s", 10)
			w.free(st)
			data := bytes.Repeat([]byte("x"), 1024)
			in := &PutRecordsInput{StreamName: &st.name}
			for i := range 500 {
				in.Records = append(in.Records, &PutRecordsRequestEntry{PartitionKey: new(fmt.Sprint(i)), Data: data})
			}
			b.SetBytes(500 * 1024)
			b.ResetTimer()
			var wg sync.WaitGroup
			for range callers {
				wg.Go(func() {
					for range b.N / callers {
						if _, err := w.api.putRecords(context.Background(), in); err != nil {
							b.Error(err)
						}
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(b.N/callers*callers*500)/b.Elapsed().Seconds(), "records/s")
		})
	}
}

// free lifts the limits of a stream's shards.
func (w *world) free(st *stream) {
	w.t.Helper()
	err := w.alone(func(context.Context) error {
		for _, sh := range st.layout().open {
			sh.writes = newMeter(1e12, 1e12)
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// BenchmarkHTTP is what a PutRecords of 500 x 1 KB costs through the front end.
func BenchmarkHTTP(b *testing.B) {
	w := newWorld(b)
	st := w.make("s", 10)
	w.free(st)
	records := make([]m, 500)
	for i := range records {
		records[i] = m{"Data": bytes.Repeat([]byte{byte(i)}, 1024), "PartitionKey": fmt.Sprint(i)}
	}
	body, err := json.Marshal(m{"StreamName": "s", "Records": records})
	if err != nil {
		b.Fatal(err)
	}
	h := awsjson.Protocol{}.Handler(Service(w.Book), nil)
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		r := httptest.NewRequest("POST", "/", bytes.NewReader(body))
		r.Header.Set("X-Amz-Target", "Kinesis_20131202.PutRecords")
		out := httptest.NewRecorder()
		if h.ServeHTTP(out, r); out.Code != 200 {
			b.Fatalf("%s", out.Body)
		}
	}
}
