package mapping

import (
	"fmt"
	"testing"
	"time"

	"github.com/mayfly-faas/mayfly/internal/event/source"
	"github.com/mayfly-faas/mayfly/internal/function"
	"github.com/mayfly-faas/mayfly/internal/store"
)

const streamARN = "arn:aws:kinesis:us-east-1:000000000000:stream/s"

// follow makes a mapping of the stream.
func (r *rig) follow(e Edit) Mapping {
	r.Helper()
	if e.Function == nil {
		e.Function = new("f")
	}
	if e.Position == nil {
		e.Position = new(Horizon)
	}
	one, err := r.Create(r.Context(), streamARN, e, nil)
	r.must(err)
	return one
}

// handled are the batches that the function got.
func (r *rig) handled() (s string) {
	r.fs.with(func() { s = fmt.Sprint(r.fs.batches) })
	return s
}

func (r *rig) wantHandled(want string) {
	r.Helper()
	if got := r.handled(); got != want {
		r.Errorf("the function got %s, want %s", got, want)
	}
}

func TestAMappingOfAStream(t *testing.T) {
	simulate(t, func(r *rig) {
		r.stream.Put(0, "k", "a")
		one := r.follow(Edit{})
		if one.State != Creating || one.BatchSize != 100 || one.Factor != 1 || one.Retries != -1 || one.MaxAge != -1 || one.Tumbling != 0 || one.Window != 0 || one.Bisect {
			r.Errorf("it is made %+v", one)
		}
		if r.state(one.UUID) != Enabled {
			r.Errorf("its state is %s", r.state(one.UUID))
		}
		r.stream.Put(0, "k", "b")
		rest(time.Second)
		r.wantHandled("[[a] [b]]")
		if r.result(one.UUID) != "OK" || r.Streams()[0].Polled != 2 {
			r.Errorf("result %q, %+v", r.result(one.UUID), r.Streams())
		}
	})
}

func TestEveryParameterReachesTheJob(t *testing.T) {
	simulate(t, func(r *rig) {
		at := time.Now().Add(-time.Hour)
		one := r.follow(Edit{
			Position: new(AtTimestamp), PositionAt: &at, BatchSize: new(int32(7)), Window: new(int32(6)), Filters: &[]string{`{"data":["x"]}`}, Reports: new(true),
			Factor: new(int32(5)), Bisect: new(true), Retries: new(int32(4)), MaxAge: new(int32(60)), OnFailure: new("arn:aws:sqs:us-east-1:000000000000:q"),
		})
		one, err := r.Get(r.Context(), one.UUID) // as it is stored
		r.must(err)
		j := r.job(one, r.stream)
		if got := fmt.Sprint(j.Plan); got != "{7 6s [{\"data\":[\"x\"]}] true 5 true 4 1m0s 0s arn:aws:sqs:us-east-1:000000000000:q}" {
			r.Errorf("the plan is %s", got)
		}
		if j.Start.At != source.AtTime || !j.Start.Time.Equal(at) {
			r.Errorf("it starts at %+v", j.Start)
		}
		one, err = r.Update(r.Context(), r.settled(one.UUID), Edit{Tumbling: new(int32(30)), Factor: new(int32(1)), OnFailure: new("")})
		r.must(err)
		if j := r.job(one, r.stream); j.Tumbling != 30*time.Second || j.OnFailure != "" || j.BatchSize != 7 {
			r.Errorf("updated, the plan is %+v", j.Plan)
		}
	})
}

// settled waits until a mapping stays as it is.
func (r *rig) settled(uuid string) string {
	r.state(uuid)
	return uuid
}

func TestLatestBeginsWhereTheMappingWasMade(t *testing.T) {
	simulate(t, func(r *rig) {
		r.stream.Put(0, "k", "old")
		one := r.follow(Edit{Position: new(Latest)})
		r.state(one.UUID)
		r.stream.Put(0, "k", "new")
		rest(time.Second)
		r.wantHandled("[[new]]")
	})
}

func TestStatesOfAMappingOfAStream(t *testing.T) {
	simulate(t, func(r *rig) {
		r.fs.with(func() {
			r.fs.script = func(int, function.Invocation) (function.Result, error) {
				time.Sleep(time.Minute)
				return function.Result{}, nil
			}
		})
		one := r.follow(Edit{})
		r.state(one.UUID)
		r.stream.Put(0, "k", "a")
		rest(time.Second)
		made, err := r.Update(r.Context(), one.UUID, Edit{Enabled: new(false)})
		r.must(err)
		if made.State != Disabling || r.state(one.UUID) != Disabling { // its batch runs
			r.Errorf("it is %s, then %s", made.State, r.state(one.UUID))
		}
		if _, err := r.Update(r.Context(), one.UUID, Edit{}); err == nil || err.Error() != errInUse(Disabling).Error() {
			r.Errorf("an update answers %v", err)
		}
		rest(time.Minute)
		if s := r.state(one.UUID); s != Disabled {
			r.Errorf("it is %s", s)
		}
		r.stream.Put(0, "k", "b")
		rest(time.Hour)
		r.wantHandled("[[a]]")
		made, err = r.Update(r.Context(), one.UUID, Edit{Enabled: new(true)})
		r.must(err)
		if made.State != Enabling {
			r.Errorf("it is %s", made.State)
		}
		rest(2 * time.Minute)
		r.wantHandled("[[a] [b]]")
		made, err = r.Update(r.Context(), one.UUID, Edit{BatchSize: new(int32(1))})
		r.must(err)
		if made.State != Updating || r.state(one.UUID) != Enabled {
			r.Errorf("it is %s, then %s", made.State, r.state(one.UUID))
		}
		r.stream.Put(0, "k", "c")
		r.stream.Put(0, "k", "d")
		rest(3 * time.Minute)
		r.wantHandled("[[a] [b] [c] [d]]")
	})
}

func TestADeletedMappingIsForgotten(t *testing.T) {
	simulate(t, func(r *rig) {
		r.stream.Put(0, "k", "a")
		one := r.follow(Edit{})
		rest(time.Second)
		gone, err := r.Delete(r.Context(), one.UUID)
		r.must(err)
		if gone.State != Deleting {
			r.Errorf("it is %s", gone.State)
		}
		rest(time.Second)
		marks, err := store.Read(r.Context(), r.db, func(tx store.Tx) (n int, err error) {
			return n, tx.Get([]any{&n}, `SELECT COUNT(*) FROM stream_marks`)
		})
		if err != nil || marks != 0 || len(r.Streams()) != 0 {
			r.Errorf("%d marks are left: %v", marks, err)
		}
		r.follow(Edit{}) // and begins anew
		rest(time.Second)
		r.wantHandled("[[a] [a]]")
	})
}

func TestAMappingOfAStreamSurvivesARestart(t *testing.T) {
	simulate(t, func(r *rig) {
		r.stream.Put(0, "k", "a")
		r.follow(Edit{})
		rest(time.Second)
		r.stop()
		r.stream.Put(0, "k", "b")
		r.start()
		rest(time.Second)
		r.wantHandled("[[a] [b]]")
	})
}

// https://docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html
func TestWhatStreamsAndQueuesRefuse(t *testing.T) {
	simulate(t, func(r *rig) {
		one := r.follow(Edit{})
		fail := func(want, from string, e Edit) {
			r.Helper()
			if e.Function == nil {
				e.Function = new("g")
			}
			if _, err := r.Create(r.Context(), from, e, nil); err == nil || err.Error() != want {
				r.Errorf("error is %v, want %s", err, want)
			}
		}
		horizon := func(e Edit) Edit { e.Position = new(Horizon); return e }
		const unsupported = "Unsupported %s parameter for given event source mapping type."
		for name, e := range map[string]Edit{
			"DestinationConfig": {OnFailure: new("")}, "ParallelizationFactor": {Factor: new(int32(1))}, "MaximumRecordAgeInSeconds": {MaxAge: new(int32(-1))},
			"MaximumRetryAttempts": {Retries: new(int32(-1))}, "BisectBatchOnFunctionError": {Bisect: new(false)}, "TumblingWindowInSeconds": {Tumbling: new(int32(0))},
			"StartingPositionTimestamp": {PositionAt: new(time.Now())},
		} {
			fail(fmt.Sprintf(unsupported, name), queue, e)
		}
		fail("StartingPosition is not valid for SQS event sources.", queue, Edit{Position: new(Latest)})
		fail(fmt.Sprintf(unsupported, "ScalingConfig"), streamARN, horizon(Edit{Concurrency: new(int32(2))}))
		fail(fmt.Sprintf(unsupported, "ProvisionedPollerConfig"), streamARN, horizon(Edit{Pollers: new(&Pollers{})}))
		fail("1 validation error detected: Value null at 'startingPosition' failed to satisfy constraint: Member must not be null.", streamARN, Edit{})
		fail("Need to specify a timestamp", streamARN, Edit{Position: new(AtTimestamp)})
		fail("StartingPositionTimestamp cannot be in the future.", streamARN, Edit{Position: new(AtTimestamp), PositionAt: new(time.Now().Add(time.Hour))})
		fail("StartingPositionTimestamp can only be specified when StartingPosition is AT_TIMESTAMP.", streamARN, Edit{Position: new(Latest), PositionAt: new(time.Now())})
		fail("Maximum record age in seconds must be -1 or between 60 and 604800.", streamARN, horizon(Edit{MaxAge: new(int32(59))}))
		fail("Maximum record age in seconds must be -1 or between 60 and 604800.", streamARN, horizon(Edit{MaxAge: new(int32(0))}))
		fail("Tumbling windows are not supported with a parallelization factor greater than 1.", streamARN, horizon(Edit{Tumbling: new(int32(1)), Factor: new(int32(2))}))
		fail("The provided destination config DestinationConfig(onSuccess=null, onFailure=OnFailure(destination="+base+"f)) is invalid.", streamARN, horizon(Edit{OnFailure: new(base + "f")}))
		fail("Invalid filter pattern definition.", streamARN, horizon(Edit{Filters: &[]string{`{"data":5}`}}))
		fail(`The event source arn (" `+streamARN+` ") and function (" f ") provided mapping already exists. Please update or delete the existing mapping with UUID `+one.UUID,
			streamARN, horizon(Edit{Function: new("f")}))
		r.stream.With(func() { r.stream.Info.Kind = source.DynamoDB })
		fail("Unsupported starting position for arn type: "+streamARN, streamARN, Edit{Position: new(AtTimestamp), PositionAt: new(time.Now())})
		r.stream.With(func() { r.stream.Info.Kind = source.Kafka })
		fail(fmt.Sprintf(unsupported, "ParallelizationFactor"), streamARN, horizon(Edit{Factor: new(int32(2))}))
		fail(fmt.Sprintf(unsupported, "TumblingWindowInSeconds"), streamARN, horizon(Edit{Tumbling: new(int32(2))}))
		r.stream.With(func() { r.stream.Fail = source.ErrNotFound })
		fail("Stream not found: "+streamARN, streamARN, horizon(Edit{}))
		r.stream.With(func() { r.stream.Fail = nil })
		r.fs.with(func() { r.fs.missing = true })
		fail("Function does not exist", streamARN, horizon(Edit{}))
	})
}
