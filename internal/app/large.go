package app

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/mayfly-faas/mayfly/internal/awserr"
)

// An upload of code, or of many large records, is held in memory while it is
// decoded, several times over: some 200 MB for the largest. So only a few are
// read at once.
const (
	largeBody   = 4 << 20
	largeAtOnce = 4
	largeTime   = 2 * time.Minute // after which a client that sends slowly gives its turn up
)

// large bounds how many large requests are read at once.
type large struct {
	turns chan struct{} // has one element for each request that is being read
	most  time.Duration
}

func newLarge(n int, most time.Duration) large { return large{make(chan struct{}, n), most} }

// admit waits until r may be read. Its turn ends with the request.
func (l large) admit(r *http.Request, service, op string) error {
	if r.ContentLength >= 0 && r.ContentLength < largeBody {
		return nil
	}
	if !slices.Contains([]string{"lambda:CreateFunction", "lambda:UpdateFunctionCode", "lambda:PublishLayerVersion", "kinesis:PutRecord", "kinesis:PutRecords"}, service+":"+op) {
		return nil // wire bounds the others to a few MB
	}
	select {
	case l.turns <- struct{}{}:
	case <-r.Context().Done():
		e := awserr.New(503, "ServiceException", "The request ended while it waited for other uploads.")
		e.Cause = r.Context().Err()
		return e
	}
	leave := sync.OnceFunc(func() { <-l.turns })
	slow := time.AfterFunc(l.most, leave)
	context.AfterFunc(r.Context(), func() { slow.Stop(); leave() })
	return nil
}
